package embeddedftpd

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// maxChunk is how much one system call may carry before the transfer's count is
// updated.
const maxChunk = 4 << 20

// chunk is maxChunk, or less where the rate is limited.
func (t *transfer) chunk() int64 {
	n := int64(maxChunk)
	for _, b := range t.limits {
		n = min(n, b.chunk())
	}
	return n
}

// extend waits until the limits allow the next chunk and moves the deadline on. The
// check for an abort comes second, so that an abort's own deadline is never overwritten
// unseen.
func (t *transfer) extend(set func(time.Time) error) error {
	if wait := t.pay(); wait > 0 && !pause(t.ctx, wait) {
		return errAborted
	}
	t.paidAt = time.Now()
	at := t.stallAt
	if at.IsZero() {
		at = t.paidAt.Add(t.stall)
	}
	if at != t.deadline {
		if err := set(at); err != nil {
			return connError{err}
		}
		t.deadline = at
	}
	if t.aborted.Load() {
		return errAborted
	}
	return nil
}

// judge is what an error of moving n bytes means for the transfer.
func (t *transfer) judge(n int64, err error) error {
	switch {
	case err == nil:
		return nil
	case t.aborted.Load() || err == errAborted:
		return errAborted
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return connError{err}
	case n > 0:
		return nil
	}
	return errStalled
}

// dataConn is a data connection whose bytes pass through this process.
type dataConn struct{ t *transfer }

func (d dataConn) Read(p []byte) (int, error) {
	if err := d.t.extend(d.t.conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := d.t.conn.Read(p[:min(int64(len(p)), d.t.chunk())])
	d.t.bytes.Add(int64(n))
	switch {
	case err == io.EOF && !d.t.takesCut && passive.Truncated(d.t.conn):
		return n, errTruncated
	case err == io.EOF:
		return n, io.EOF
	}
	return n, d.t.judge(0, err)
}

func (d dataConn) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if err := d.t.extend(d.t.conn.SetWriteDeadline); err != nil {
			return written, err
		}
		n, err := d.t.conn.Write(p[written:min(int64(len(p)), int64(written)+d.t.chunk())])
		written += n
		d.t.bytes.Add(int64(n))
		if err = d.t.judge(int64(n), err); err != nil {
			return written, err
		}
	}
	return written, nil
}

// buffers hold what passes through this process.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func withBuffer(do func([]byte) error) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	return do(*b)
}

// copy is send or receive by way of a buffer.
func (t *transfer) copy(to io.Writer, from io.Reader) error {
	return withBuffer(func(buf []byte) error {
		// As what they are, files would bring buffers of their own.
		_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buf)
		return err
	})
}

func (t *transfer) copyOut() error { return t.copy(dataConn{t}, t.file) }
func (t *transfer) copyIn() error  { return t.copy(t.file, dataConn{t}) }
