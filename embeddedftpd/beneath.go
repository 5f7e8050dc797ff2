package embeddedftpd

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// beneath opens regular files in a folder with a single system call that stays
// inside by itself: openat2(2) with RESOLVE_BENEATH, whose rules for links are
// those of os.Root. os.Root needs two calls for each folder on the way.
type beneath struct {
	folder *os.File // nil: nothing can be opened
	raw    syscall.RawConn
}

func newBeneath(root *os.Root) beneath {
	folder, err := root.Open(".")
	if err != nil {
		return beneath{}
	}
	raw, err := folder.SyscallConn()
	if err != nil {
		folder.Close()
		return beneath{}
	}
	return beneath{folder, raw}
}

func (b beneath) close() {
	if b.folder != nil {
		b.folder.Close()
	}
}

// open gives a regular file and its size. Where it cannot, os.Root has to
// decide: kernels before 5.6 and filters that have not heard of openat2 refuse
// it, and it gives up where somebody moves folders meanwhile.
func (b beneath) open(name string, flags int, perm uint32) (f *os.File, size int64, ok bool) {
	if b.folder == nil {
		return nil, 0, false
	}
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC | unix.O_LARGEFILE, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(perm)
	}
	fd, failed := -1, error(nil)
	if err := b.raw.Control(func(folder uintptr) { fd, failed = unix.Openat2(int(folder), name, &how) }); err != nil || failed != nil {
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
