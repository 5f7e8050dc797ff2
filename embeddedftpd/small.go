package embeddedftpd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// A small file whose data connection is there already is sent by the session's
// own goroutine, and its two replies go out as one segment: no goroutine and no
// wake-up more than the kernel asks for. smallFile fits into any socket's first
// send buffer (tcp_wmem: 16 KiB), so that nothing waits; should it wait all the
// same, the transfer goes on in the ordinary way after smallWait.
const smallFile = 8 << 10

// soonEnough is how long the data connection may be late.
const soonEnough = time.Millisecond

var smallWait = 10 * time.Millisecond

// ended is a context that has ended: with it Accept takes what is there and
// waits for nothing.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// accepted is a data connection that has been accepted but not used up.
type accepted struct{ net.Conn }

func (a accepted) Accept(context.Context) (net.Conn, error) { return a.Conn, nil }
func (a accepted) Release()                                 { a.Close() }

// sendAtOnce does the whole of a small RETR, and tells whether it did. What it
// could not send is left to the ordinary transfer, t and s.data.next being as
// that expects them.
func (s *session) sendAtOnce(t *transfer, f *os.File, left int64) bool {
	r, ok := s.data.next.(*passive.Reservation)
	if !ok || left > smallFile || s.tls.protData || s.rate() > 0 || s.srv.total != nil {
		return false
	}
	conn, err := r.Accept(ended)
	if errors.Is(err, context.Canceled) {
		// A client connects before it sends the command, so the connection is most
		// likely on its way through the pool: let that run first.
		runtime.Gosched()
		soon, cancel := context.WithTimeout(s.ctx, soonEnough)
		conn, err = r.Accept(soon)
		cancel()
	}
	if err != nil {
		return false
	}
	s.data.next = accepted{conn}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false
	}
	t.started = time.Now()
	tcp.SetWriteDeadline(t.started.Add(smallWait))
	part := io.LimitedReader{R: f, N: left}
	n, err := tcp.ReadFrom(&part)
	t.bytes.Add(n)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && n < left {
		// The file may have been read further than the connection took.
		if _, err = f.Seek(s.files.offset+n, io.SeekStart); err == nil {
			return false
		}
	}
	s.data.next, s.files.offset = nil, 0
	f.Close()
	if err == nil {
		err = conn.Close()
	} else {
		t.breakOff(conn)
	}
	s.out.hold(150, t.opening)
	s.report(t, err)
	return true
}
