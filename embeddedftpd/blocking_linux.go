package embeddedftpd

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// blocking has a place for each sendfile that waits in the kernel: as many as
// there are processors, since more could not run, and each takes up a thread.
var blocking = make(chan struct{}, processors)

// blockingWait is how long one wait may be, and so how late an abort is heard
// where the client reads no more.
const blockingWait = 20 * time.Millisecond

// sendChunk sends up to n bytes of the file, 0 only at its end, by a sendfile
// that waits for the client in the kernel. It returns errPolled, and has sent
// nothing, where the client takes nothing in blockingWait, where all places are
// taken, where the poller knows the socket and where this file cannot be sent so.
func (t *transfer) sendChunk(socket *passive.Socket, f *os.File, n int64) (sent int64, err error) {
	select {
	case blocking <- struct{}{}:
		defer func() { <-blocking }()
	default:
		return 0, errPolled
	}
	err = errPolled
	socket.Bare(func(fd int) {
		sent, err = t.sendWaiting(fd, int(f.Fd()), n)
	})
	switch err {
	case unix.EAGAIN, unix.EINVAL, unix.ENOSYS:
		return 0, errPolled
	}
	return sent, err
}

func (t *transfer) sendWaiting(to, from int, n int64) (int64, error) {
	limit := unix.NsecToTimeval(blockingWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(to, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return 0, err
	}
	// No partial segment leaves when an acknowledgement comes, only with the FIN.
	if err := unix.SetsockoptInt(to, unix.IPPROTO_TCP, unix.TCP_CORK, 1); err != nil {
		return 0, err
	}
	if err := unix.SetNonblock(to, false); err != nil {
		return 0, err
	}
	defer unix.SetNonblock(to, true)
	// The kernel looks at O_NONBLOCK whenever the socket is full.
	defer t.interruptible(func() { unix.SetNonblock(to, true) })()
	for !t.aborted.Load() {
		n, err := unix.Sendfile(to, from, nil, int(n))
		if err != unix.EINTR {
			return int64(max(n, 0)), err
		}
	}
	return 0, errAborted
}
