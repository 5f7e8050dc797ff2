package embeddedftpd

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// maxChunk is how much one sendfile or splice may carry before the transfer's
// count is brought up to date.
const maxChunk = 4 << 20

// chunk is maxChunk, or an eighth of a second's worth where the rate is
// limited.
func (t *transfer) chunk() int64 {
	n := int64(maxChunk)
	if t.rate > 0 {
		n = min(n, max(t.rate/8, 1))
	}
	if t.total != nil {
		n = min(n, t.total.chunk())
	}
	return n
}

// pace waits until the transfer's rate, and that of all together, allows the
// next chunk.
func (t *transfer) pace() error {
	var ahead time.Duration
	if t.rate > 0 {
		due := time.Duration(float64(t.bytes.Load()) / float64(t.rate) * float64(time.Second))
		ahead = due - time.Since(t.moving)
	}
	ahead = max(ahead, t.pay())
	if ahead <= 0 {
		return nil
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return errAborted
	}
}

// send copies the bytes of the file from one offset up to another to the data
// connection. Both are handed to the kernel bare (sendfile; a wrapper around
// either doubles the processor time, measured), so a stall is not watched byte
// by byte: each deadline that passes with progress made is simply renewed, and
// a stall is noticed after one to two stall times.
func (t *transfer) send(conn net.Conn, f *os.File, from, to int64) error {
	if socket, ok := conn.(*passive.Socket); ok {
		at, err := t.sendBlocking(socket, f, from, to)
		if err != nil || at == to {
			return err
		}
		from = at
	}
	tcp, bare := plain(conn)
	if !bare {
		return t.copyOut(conn, f)
	}
	// Only full segments on the way: the FIN takes the last one along. Measured, a
	// sixth of the processor time.
	tcp.SetNoDelay(false)
	for from < to {
		if err := t.extend(tcp.SetWriteDeadline); err != nil {
			return err
		}
		n, err := tcp.ReadFrom(&io.LimitedReader{R: f, N: min(to-from, t.chunk())})
		t.bytes.Add(n)
		from += n
		if ended := n == 0 && err == nil; ended {
			return localError{io.ErrUnexpectedEOF} // cut short meanwhile
		}
		if err == nil {
			continue
		}
		if err = t.judge(n, err); err != nil {
			return err
		}
		// Past its deadline a connection takes less than was read for it.
		if _, err := f.Seek(from, io.SeekStart); err != nil {
			return localError{err}
		}
	}
	return nil
}

// plain gives the connection in clear text for the poller to wait for.
func plain(conn net.Conn) (*net.TCPConn, bool) {
	if socket, ok := conn.(*passive.Socket); ok {
		c, err := socket.TCPConn()
		return c, err == nil
	}
	c, ok := conn.(*net.TCPConn)
	return c, ok
}

// receive copies the data connection to the file: by splice, but for the first
// bytes, since a small file is not worth a pipe. Where receiveAtOnce has begun,
// they have come.
func (t *transfer) receive(conn net.Conn, f *os.File) error {
	tcp, bare := plain(conn)
	if !bare {
		return t.copyIn(f, conn)
	}
	if !t.opened {
		if n, err := t.receiveFirst(tcp, f); err != nil || n < smallFile {
			return err
		}
	}
	for {
		if err := t.extend(tcp.SetReadDeadline); err != nil {
			return err
		}
		part := io.LimitedReader{R: tcp, N: t.chunk()}
		n, err := f.ReadFrom(&part)
		t.bytes.Add(n)
		if ended := err == nil && part.N > 0; ended {
			return nil
		}
		if err = t.judge(n, err); err != nil {
			return err
		}
	}
}

// receiveFirst copies the first bytes, smallFile or all there are.
func (t *transfer) receiveFirst(tcp *net.TCPConn, f *os.File) (int64, error) {
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	return io.CopyBuffer(fileWriter{f}, &io.LimitedReader{R: dataConn{t, tcp}, N: smallFile}, b[:])
}

var smallBuffers = sync.Pool{New: func() any { return new([smallFile]byte) }}

// extend moves the deadline on, unless the transfer was aborted: the check
// comes second, so that an abort's own deadline is never overwritten unseen.
func (t *transfer) extend(set func(time.Time) error) error {
	if err := t.pace(); err != nil {
		return err
	}
	if err := set(time.Now().Add(t.stall)); err != nil {
		return err
	}
	if t.aborted.Load() {
		return errAborted
	}
	return nil
}

// judge turns what a copy returned into what it means for the transfer.
func (t *transfer) judge(n int64, err error) error {
	switch {
	case err == nil:
		return nil
	case t.aborted.Load():
		return errAborted
	case errors.Is(err, os.ErrDeadlineExceeded):
		if n > 0 {
			return nil
		}
		return errStalled
	}
	// A splice wraps the socket's errors as the file's, so the cause decides.
	var file *os.PathError
	if errors.As(err, &file) && !connectionLost(err) {
		return localError{err}
	}
	return err
}

func connectionLost(err error) bool {
	for _, errno := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, syscall.ECONNABORTED,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, net.ErrClosed} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// dataConn is a data connection through which bytes pass in this process:
// listings, TYPE A and TLS. Each read and write has the stall time.
type dataConn struct {
	t    *transfer
	conn net.Conn
}

func (d dataConn) Read(p []byte) (int, error) {
	if err := d.t.extend(d.conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := d.conn.Read(p[:min(int64(len(p)), d.t.chunk())])
	d.t.bytes.Add(int64(n))
	switch {
	case err == io.EOF && !d.t.takesCut && passive.Truncated(d.conn):
		return n, errTruncated
	case err == io.EOF:
		return n, io.EOF
	}
	return n, d.t.judge(0, err)
}

func (d dataConn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if err := d.t.extend(d.conn.SetWriteDeadline); err != nil {
			return written, err
		}
		n, err := d.conn.Write(p[written:min(int64(len(p)), int64(written)+d.t.chunk())])
		written += n
		d.t.bytes.Add(int64(n))
		if err = d.t.judge(int64(n), err); err != nil {
			return written, err
		}
	}
	return written, nil
}

// buffers hold what passes through this process. They are many KiB and a
// transfer is short, so they are shared out again.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func withBuffer(do func([]byte) error) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	return do(*b)
}

// copyOut is send where the connection is not a bare one.
func (t *transfer) copyOut(conn net.Conn, f *os.File) error {
	return withBuffer(func(buf []byte) error {
		_, err := io.CopyBuffer(dataConn{t, conn}, fileReader{f}, buf)
		return err
	})
}

// copyIn is receive where the connection is not a bare one.
func (t *transfer) copyIn(f *os.File, conn net.Conn) error {
	return withBuffer(func(buf []byte) error {
		_, err := io.CopyBuffer(fileWriter{f}, dataConn{t, conn}, buf)
		return err
	})
}

// fileReader and fileWriter mark a file's errors as this side's.
type fileReader struct{ f *os.File }

func (r fileReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		err = localError{err}
	}
	return n, err
}

type fileWriter struct{ f *os.File }

func (w fileWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = localError{err}
	}
	return n, err
}
