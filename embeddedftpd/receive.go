package embeddedftpd

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// smallFile is how many bytes of a transfer pass without any waiting on the
// session's own goroutine. They fit into the initial send buffer of any socket
// (tcp_wmem: 16 KiB), and are not worth a pipe.
const smallFile = 8 << 10

// smallWait is how long the data connection of a small transfer may take to come,
// and then its upload, before ABOR is heard. A client that sends the command while
// it still connects needs a round trip.
const smallWait = 10 * time.Millisecond

var smallBuffers = sync.Pool{New: func() any { return new([smallFile]byte) }}

// receive stores what comes from the data connection: the first bytes by way of
// a buffer, the rest by splice, and all of TLS by way of a buffer.
func (t *transfer) receive(conn net.Conn) error {
	tcp, ok := plain(conn)
	if !ok {
		return withBuffer(func(buf []byte) error {
			_, err := io.CopyBuffer(fileWriter{t.file}, dataConn{t, conn}, buf)
			return err
		})
	}
	if over, err := t.receiveFirst(dataConn{t, tcp}); over || err != nil {
		return err
	}
	file := t.file.(*os.File)
	for {
		if err := t.extend(tcp.SetReadDeadline); err != nil {
			return err
		}
		part := io.LimitedReader{R: tcp, N: t.chunk()}
		n, err := file.ReadFrom(&part)
		t.bytes.Add(n)
		if ended := err == nil && part.N > 0; ended {
			return nil
		}
		if err = t.judge(n, err); err != nil {
			return err
		}
	}
}

// receiveNow stores an upload of which all comes at once.
func (t *transfer) receiveNow(socket *passive.Socket) (over bool, err error) {
	over, err = t.receiveFirst(promptly{t, socket, time.Now().Add(smallWait)})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return over || err != nil, err
}

// promptly reads what comes until a deadline.
type promptly struct {
	t      *transfer
	socket *passive.Socket
	end    time.Time
}

func (p promptly) Read(b []byte) (int, error) {
	n, err := p.socket.Receive(b, p.end)
	p.t.bytes.Add(int64(n))
	return n, err
}

// receiveFirst stores the first bytes, smallFile or all there are.
func (t *transfer) receiveFirst(from io.Reader) (over bool, err error) {
	left := smallFile - t.bytes.Load()
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	n, err := io.CopyBuffer(fileWriter{t.file}, &io.LimitedReader{R: from, N: left}, b[:])
	return n < left && err == nil, err
}

// plain returns the connection in clear text for the poller to wait for.
func plain(conn net.Conn) (*net.TCPConn, bool) {
	if socket, ok := conn.(*passive.Socket); ok {
		c, err := socket.TCPConn()
		return c, err == nil
	}
	c, ok := conn.(*net.TCPConn)
	return c, ok
}
