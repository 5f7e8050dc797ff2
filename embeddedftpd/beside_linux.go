package embeddedftpd

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// arrivedHere tells whether the last packet for a socket arrived on the
// processor that this runs on (SO_INCOMING_CPU, socket(7)), which is where a
// client on the same machine runs.
func arrivedHere(fd int) bool {
	there, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_INCOMING_CPU)
	var here uint32
	_, _, failed := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&here)), 0, 0)
	return err == nil && failed == 0 && there == int(here)
}

// yield lets another thread that waits for this processor have it.
func yield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
