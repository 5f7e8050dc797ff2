package embeddedftpd

import (
	"cmp"
	"io"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// smallFile is how much of an upload passes by way of a buffer, and what a small
// download is. It fits into any socket's first send buffer (tcp_wmem: 16 KiB).
const smallFile = passive.LowWater

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
	if over, err := t.receiveFirst(socket); over || err != nil {
		return err
	}
	if !t.stallAt.IsZero() {
		return errStalled // it is not small
	}
	pipe, err := openPipe()
	if err != nil {
		return t.copyIn()
	}
	defer pipe.close()
	file := int(t.file.Fd())
	for {
		n, err := t.carry(socket, true, func(from int) (int64, error) {
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

// receiveFirst stores the first bytes as they come. A small file goes over the old
// bytes: to empty that first costs more than all the rest of storing 1 KiB.
func (t *transfer) receiveFirst(socket *passive.Socket) (over bool, err error) {
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	if !t.stallAt.IsZero() {
		runtime.Gosched() // it may have come once the other sessions had their turn
	}
	for !over && err == nil && t.bytes.Load() < smallFile {
		var n int64
		n, err = t.carry(socket, true, func(fd int) (int64, error) {
			n, err := unix.Read(fd, b[:min(smallFile, t.chunk())])
			return int64(max(n, 0)), err
		})
		if over = n == 0 && err == nil; n > 0 {
			if _, failed := t.file.Write(b[:n]); failed != nil {
				return false, failed
			}
		}
	}
	return over, cmp.Or(t.shorten(), err)
}

// shorten cuts off what an older file has behind the bytes that replace it.
func (t *transfer) shorten() error {
	if !t.replaces {
		return nil
	}
	t.replaces = false
	info, err := t.file.Stat()
	if n := t.bytes.Load(); err == nil && info.Size() > n {
		err = t.file.Truncate(n)
	}
	return err
}
