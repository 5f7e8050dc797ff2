package embeddedftpd

import (
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// blocking has a place for each sendfile that waits in the kernel: as many as
// there are processors, since more could not run, and each takes up a thread.
var blocking = make(chan struct{}, runtime.GOMAXPROCS(0))

// sendBlocking sends up to n bytes of the file, 0 only at its end, by a sendfile
// that waits for the client in the kernel, not in Go's poller. It returns
// errPolled, and has sent nothing, where the client takes nothing in
// blockingWait, where all places are taken, and where this file cannot be sent so.
func sendBlocking(tcp *net.TCPConn, f *os.File, n int64) (sent int64, err error) {
	select {
	case blocking <- struct{}{}:
		defer func() { <-blocking }()
	default:
		return 0, errPolled
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	limit := unix.NsecToTimeval(blockingWait.Nanoseconds())
	lost := conn.Control(func(fd uintptr) {
		if err = unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
			return
		}
		if err = unix.SetNonblock(int(fd), false); err != nil {
			return
		}
		defer unix.SetNonblock(int(fd), true)
		for {
			var some int
			some, err = unix.Sendfile(int(fd), int(f.Fd()), nil, int(n))
			sent = int64(max(some, 0))
			if err != unix.EINTR {
				return
			}
		}
	})
	switch {
	case lost != nil:
		return 0, lost
	case err == unix.EAGAIN, err == unix.EINVAL, err == unix.ENOSYS:
		return 0, errPolled
	}
	return sent, err
}

// blockingWait is how long one wait may be, and about half of how late an abort
// is heard where the client reads no more: a wait that moved a part is followed
// by another.
const blockingWait = 20 * time.Millisecond
