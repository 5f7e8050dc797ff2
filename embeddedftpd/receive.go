package embeddedftpd

import (
	"io"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// smallFile is how many bytes of a transfer pass on the session's own goroutine.
// They fit into the initial send buffer of any socket (tcp_wmem: 16 KiB), and are
// not worth a pipe.
const smallFile = 8 << 10

// smallWait is how long the data connection of a small transfer may take to come,
// and then its upload, before ABOR is heard. A client that sends the command while
// it still connects needs a round trip.
const smallWait = 10 * time.Millisecond

var smallBuffers = sync.Pool{New: func() any { return new([smallFile]byte) }}

// receive stores what comes from the data connection: in clear text the first
// bytes by way of a buffer and the rest by splice, under TLS all by way of a
// buffer. After a stall it may be called again.
func (t *transfer) receive() error {
	socket, ok := t.conn.(*passive.Socket)
	if !ok {
		return t.copyIn()
	}
	if over, err := t.receiveFirst(); over || err != nil {
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
		n, err := t.carry(socket.Receive, socket.SetReadDeadline, func(from int) (int64, error) {
			return pipe.pass(from, file, t.chunk())
		})
		if err == errCopied { // it is appended to, or the file system has no splice
			if _, err := io.CopyN(fileWriter{t.file}, pipe, pipe.held); err != nil {
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

// receiveFirst stores the first bytes, smallFile or all there are.
func (t *transfer) receiveFirst() (over bool, err error) {
	left := smallFile - t.bytes.Load()
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	n, err := io.CopyBuffer(fileWriter{t.file}, &io.LimitedReader{R: dataConn{t}, N: left}, b[:])
	return n < left && err == nil, err
}
