package embeddedftpd

import (
	"errors"
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
// buffer.
func (t *transfer) receive() error {
	plain, ok := t.conn.(passive.Conn)
	if !ok {
		return t.copyIn()
	}
	if over, err := t.receiveFirst(); over || err != nil {
		return err
	}
	return t.receiveSpliced(plain)
}

// receiveNow stores an upload that comes within smallWait.
func (t *transfer) receiveNow() (over bool, err error) {
	t.stallAt = time.Now().Add(smallWait)
	over, err = t.receiveFirst()
	t.stallAt = time.Time{}
	if errors.Is(err, errStalled) {
		return false, nil
	}
	return over || err != nil, err
}

// receiveFirst stores the first bytes, smallFile or all there are.
func (t *transfer) receiveFirst() (over bool, err error) {
	left := smallFile - t.bytes.Load()
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	n, err := io.CopyBuffer(fileWriter{t.file}, &io.LimitedReader{R: dataConn{t}, N: left}, b[:])
	return n < left && err == nil, err
}
