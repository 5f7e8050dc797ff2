package embeddedftpd

import (
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// blocking has a place for each chunk that waits in the kernel: as many as there
// are processors, since more could not run, and each takes up a thread.
var blocking = make(chan struct{}, runtime.GOMAXPROCS(0))

// blockingWait is how long one wait may be, and so how late an abort is heard
// where the client reads no more.
const blockingWait = 20 * time.Millisecond

// sendChunk sends up to n bytes of the file, 0 only at its end, by a sendfile or
// splice that waits for the client in the kernel. It returns errPolled, and has
// sent nothing, where the client takes nothing in blockingWait, where all places
// are taken, where the poller knows the socket and where this file cannot be sent
// so.
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
	if sent == 0 && (err == unix.EAGAIN || err == unix.EINVAL || err == unix.ENOSYS) {
		err = errPolled
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
	if n > burst {
		if p, err := openPipe(); err == nil {
			defer p.close()
			return t.sendBursts(p, to, from, n)
		}
	}
	for !t.aborted.Load() {
		n, err := unix.Sendfile(to, from, nil, int(n))
		if err != unix.EINTR {
			return int64(max(n, 0)), err
		}
	}
	return 0, errAborted
}

// burst is how much of a file is put together in a pipe before it goes on to the
// client: 1 MiB, to which anybody may enlarge a pipe (pipe(7)). A sendfile hands
// over 64 KiB at a time, and where the client is faster, every one or two of
// these have to wake it; of a burst it finds the rest there. Against sendfile that
// was 1.17 times the rate at 0.87 of the processor time; bursts of half the size
// had 0.89 of their rate, of twice the size 0.70 (measured with bench/).
const burst = 1 << 20

// sendBursts is a sendfile by way of p, which may hold a rest afterwards.
func (t *transfer) sendBursts(p pipe, to, from int, n int64) (sent int64, err error) {
	for sent < n && err == nil {
		if t.aborted.Load() {
			err = errAborted
			break
		}
		var carried int
		carried, err = p.carry(to, from, int(n-sent))
		sent += int64(carried)
		if carried == 0 {
			break
		}
	}
	if sent > 0 && (err == unix.EAGAIN || err == errAborted) {
		err = nil // the next chunk finds out
	}
	return sent, err
}

// pipe is what splice needs between a file and a socket.
type pipe struct{ r, w int }

func openPipe() (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return pipe{}, err
	}
	p := pipe{fds[0], fds[1]}
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, burst); err != nil {
		p.close()
		return pipe{}, err
	}
	return p, nil
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// carry sends up to n bytes of the file, as many as p holds and 0 only at the
// end, and leaves the file behind what was sent. With EAGAIN the client has not
// taken all in blockingWait.
func (p pipe) carry(to, from, n int) (sent int, err error) {
	there, err := splice(from, p.w, n)
	if there == 0 {
		return 0, err
	}
	if sent, err = splice(p.r, to, there); sent < there {
		if err == nil {
			err = unix.EAGAIN
		}
		if _, failed := unix.Seek(from, int64(sent-there), io.SeekCurrent); failed != nil {
			err = failed
		}
	}
	return sent, err
}

func splice(from, to, n int) (int, error) {
	for {
		some, err := unix.Splice(from, nil, to, nil, n, 0)
		if err != unix.EINTR {
			return int(max(some, 0)), err
		}
	}
}
