package embeddedftpd

import (
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// A file in clear text is sent without copying it. How much goes into one batch
// follows the file and its client: a small file is one sendfile that waits for
// nothing; a larger one goes in growing batches that wait in the kernel, which
// against waiting in the poller is 1.19 times the rate at 0.83 of the processor
// time (measured with cmd/lab/bench); a client that is not fast is left to the poller,
// since it would only hold up a thread.

// A batch that took less than quickBatch is followed by one of four times its
// size, which at the same rate takes no more than half of slowBatch. A client
// for which one takes longer than slowBatch is not fast.
const (
	quickBatch = 50 * time.Millisecond
	slowBatch  = 8 * quickBatch
	firstBatch = 16 << 20
	lastBatch  = 1 << 30
)

// burst is how much of a file is collected in a pipe before it goes on to the
// client: 1 MiB, the size to which any user may enlarge a pipe (pipe(7)). A
// sendfile hands over 64 KiB at a time and wakes a fast client for each of them.
// Against sendfile, bursts are 1.17 times the rate at 0.87 of the processor
// time; bursts of half the size have 0.89 of their rate, of twice the size 0.70
// (measured with cmd/lab/bench).
const burst = 1 << 20

// kernelWait bounds one wait in the kernel, and thereby how late an abort is
// noticed if the client stops reading.
const kernelWait = 20 * time.Millisecond

// inKernel has a slot for each batch that waits in the kernel: one for each
// processor, since each takes a thread.
var inKernel = make(chan struct{}, runtime.GOMAXPROCS(0))

// sendfile is sendfile(2) from the file's own offset. A test replaces it.
var sendfile = func(to, from int, n int64) (int64, error) {
	return uninterrupted(func() (int64, error) {
		n, err := unix.Sendfile(to, from, nil, int(n))
		return int64(n), err
	})
}

// send sends the left bytes of the file that follow its offset. It wraps
// neither the file nor the connection: a stall is noticed because a whole stall
// time passes without progress.
func (t *transfer) send(left int64) error {
	if socket, ok := t.conn.(*passive.Socket); ok {
		sent, err := t.sendFast(socket, left)
		if left -= sent; err != nil || left == 0 {
			return err
		}
	}
	plain, ok := t.conn.(passive.Conn)
	if !ok {
		return t.copyOut()
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return err
	}
	for left > 0 {
		if err := t.extend(plain.SetWriteDeadline); err != nil {
			return err
		}
		var n int64
		waited := raw.Write(func(fd uintptr) bool {
			n, err = sendfile(int(fd), int(t.file.Fd()), min(left, t.chunk()))
			return err != unix.EAGAIN
		})
		if waited != nil {
			err = waited
		}
		if err == unix.EINVAL || err == unix.ENOSYS {
			return t.copyOut() // the file system has no sendfile
		}
		left -= n
		if err := t.sent(n, err); err != nil {
			return err
		}
	}
	return nil
}

// sent counts what a system call has sent, and returns why the transfer fails.
func (t *transfer) sent(n int64, err error) error {
	t.bytes.Add(n)
	switch errno, ok := err.(unix.Errno); {
	case ok && !connectionLost(errno):
		return localError{&os.PathError{Op: "send", Path: t.path, Err: err}}
	case err != nil:
		return t.judge(n, err)
	case n == 0:
		return localError{io.ErrUnexpectedEOF} // cut short meanwhile
	}
	return nil
}

// connectionLost reports whether a system call between a file and a connection
// failed because of the connection.
func connectionLost(err unix.Errno) bool {
	switch err {
	case unix.ECONNRESET, unix.EPIPE, unix.ETIMEDOUT, unix.ECONNABORTED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN:
		return true
	}
	return false
}

// sendNow sends a small file without waiting, to leave together with the FIN.
func (t *transfer) sendNow(left int64) (over bool, err error) {
	socket, bare := t.conn.(*passive.Socket)
	if left == 0 || !bare {
		return left == 0, nil
	}
	var n int64
	if !socket.Bare(func(fd int) { n, err = sendfile(fd, int(t.file.Fd()), left) }) || needsMore(err) {
		return false, nil
	}
	err = t.sent(n, err)
	return err != nil || n == left, err
}

// needsMore reports whether err is no failure: send goes on in another way.
func needsMore(err error) bool { return err == unix.EAGAIN || err == unix.EINVAL || err == unix.ENOSYS }

// sendFast sends batches for as long as the client is fast, and returns how much
// it has sent.
func (t *transfer) sendFast(socket *passive.Socket, left int64) (sent int64, err error) {
	for batch := int64(firstBatch); sent < left && !t.limited(); {
		began := time.Now()
		n, err := t.sendBatch(socket, min(left-sent, batch))
		sent += n
		if n == 0 && needsMore(err) {
			break
		}
		if err := t.sent(n, err); err != nil {
			return sent, err
		}
		took := time.Since(began)
		if took > slowBatch {
			break
		}
		if took < quickBatch {
			batch = min(4*batch, lastBatch)
		}
	}
	return sent, nil
}

// sendBatch sends up to n bytes, 0 only at the end of the file, waiting for the
// client in the kernel. The error is EAGAIN, having sent nothing, if the client
// reads nothing for kernelWait, no slot is free or the poller knows the socket.
func (t *transfer) sendBatch(socket *passive.Socket, n int64) (sent int64, err error) {
	select {
	case inKernel <- struct{}{}:
		defer func() { <-inKernel }()
	default:
		return 0, unix.EAGAIN
	}
	if !socket.Bare(func(fd int) { sent, err = t.sendWaiting(fd, n) }) {
		err = unix.EAGAIN
	}
	return sent, err
}

func (t *transfer) sendWaiting(to int, n int64) (int64, error) {
	limit := unix.NsecToTimeval(kernelWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(to, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return 0, err
	}
	if err := unix.SetNonblock(to, false); err != nil {
		return 0, err
	}
	defer unix.SetNonblock(to, true)
	// The kernel looks at O_NONBLOCK whenever the socket is full.
	defer t.interruptible(func() { unix.SetNonblock(to, true) })()
	if n > burst {
		if pipe, err := openPipe(); err == nil {
			defer pipe.close()
			return t.sendBursts(pipe, to, n)
		}
	}
	if t.aborted.Load() {
		return 0, errAborted
	}
	return sendfile(to, int(t.file.Fd()), n)
}

// sendBursts is a sendfile by way of the pipe.
func (t *transfer) sendBursts(pipe pipe, to int, n int64) (sent int64, err error) {
	from := int(t.file.Fd())
	for sent < n && err == nil && !t.aborted.Load() {
		var filled, some int64
		if filled, err = splice(from, pipe.w, min(n-sent, burst)); filled == 0 {
			break
		}
		some, err = splice(pipe.r, to, filled)
		sent += some
		if some == filled {
			continue
		}
		if err == nil {
			err = unix.EAGAIN
		}
		// The rest is read again.
		if _, failed := unix.Seek(from, some-filled, io.SeekCurrent); failed != nil {
			return sent, failed
		}
	}
	switch {
	case sent == 0 && err == nil && t.aborted.Load():
		return 0, errAborted
	case sent > 0 && err == unix.EAGAIN:
		return sent, nil // the next batch finds out
	}
	return sent, err
}
