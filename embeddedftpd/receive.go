package embeddedftpd

import (
	"cmp"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// smallFile is how much of an upload passes by way of a buffer, and what a small
// download is. It fits into any socket's first send buffer (tcp_wmem: 16 KiB).
const smallFile = 8 << 10

// smallWait is how long a small transfer may wait, a round trip at least, before ABOR
// is heard.
const smallWait = 10 * time.Millisecond

var smallBuffers = sync.Pool{New: func() any { return new([smallFile]byte) }}

// receive stores what comes: in clear text the first bytes by way of a buffer and the
// rest by splice, under TLS all by way of a buffer. After a stall it goes on.
func (t *transfer) receive() error {
	socket, ok := t.conn.(*passive.Socket)
	if !ok {
		return t.copyIn()
	}
	for t.bytes.Load() < smallFile {
		if over, err := t.receiveFirst(); over || err != nil {
			return err
		}
	}
	if !t.stallAt.IsZero() {
		return errStalled // it is not small
	}
	pipe, err := openPipe()
	if err != nil {
		return t.copyIn()
	}
	defer pipe.close()
	raw, _ := socket.SyscallConn()
	file := int(t.file.Fd())
	for {
		n, err := t.carry(raw.Read, socket.SetReadDeadline, func(from int) (int64, error) {
			return pipe.pass(from, file, t.chunk())
		})
		if err == errCopied { // it is appended to, or the file system has no splice
			if _, err := io.CopyN(t.file, pipe, pipe.held); err != nil {
				return err
			}
			t.bytes.Add(pipe.held)
			return t.copyIn()
		}
		if err != nil || n == 0 {
			return err
		}
	}
}

// receiveFirst stores some of the first bytes. A small file goes over the old bytes: to
// empty that first costs more than all the rest of storing 1 KiB.
func (t *transfer) receiveFirst() (over bool, err error) {
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	first, least := b[t.bytes.Load():], 1 // what comes is stored at once
	if !t.stallAt.IsZero() {
		least = len(first)
		runtime.Gosched() // it may have come once the other sessions had their turn
	}
	n, err := io.ReadAtLeast(dataConn{t}, first, least)
	if over = err == io.EOF || err == io.ErrUnexpectedEOF; over {
		err = nil
	} else if failed := t.ready(); failed != nil {
		return false, failed
	}
	_, failed := t.file.Write(first[:n])
	return over, cmp.Or(failed, t.shorten(int64(n)), err)
}

// shorten cuts off what an older file had behind the n bytes that replace it.
func (t *transfer) shorten(n int64) error {
	if !t.replaces {
		return nil
	}
	info, err := t.file.Stat()
	if err == nil && info.Size() > n {
		err = t.file.Truncate(n)
	}
	return err
}
