package embeddedftpd

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openBeneath opens a regular file by one system call, openat2(2) with RESOLVE_BENEATH,
// whose rules for links are those of os.Root, and gives its size. Where it cannot,
// os.Root decides: kernels before 5.6 and filters refuse openat2, and it gives up where
// somebody moves folders meanwhile.
func openBeneath(folder *os.File, name string, flags int, perm uint32) (f *os.File, size int64, ok bool) {
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC | unix.O_LARGEFILE, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(perm)
	}
	fd, err := unix.Openat2(int(folder.Fd()), name, &how)
	if err != nil {
		return nil, 0, false
	}
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFREG {
		syscall.Close(fd)
		return nil, 0, false
	}
	// Without O_NONBLOCK: os.NewFile would ask the poller, which refuses regular files.
	unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags&unix.O_APPEND)
	return os.NewFile(uintptr(fd), name), stat.Size, true
}
