package embeddedftpd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// A small file whose data connection is there already is transferred by the
// session's own goroutine over a bare socket, and its two replies go out as one
// segment where they can: no goroutine, no wake-up and few system calls more
// than the kernel asks for. smallFile fits into any socket's first send buffer
// (tcp_wmem: 16 KiB), so that nothing waits; what does wait, or turns out to be
// longer, goes on in the ordinary way.
const smallFile = 8 << 10

// soonEnough is how long the data connection may be late.
const soonEnough = time.Millisecond

// smallWait is how long a small upload may take to come, and ABOR to be heard.
const smallWait = 10 * time.Millisecond

// sendSmall is Socket.Send, which takes less than a small file only where the
// kernel runs out of memory for sockets; a test has it do that.
var sendSmall = (*passive.Socket).Send

// accepted is a data connection that has been accepted but not used up.
type accepted struct{ net.Conn }

func (a accepted) Accept(context.Context) (net.Conn, error) { return a.Conn, nil }
func (a accepted) Release()                                 { a.Close() }

// atOnce gives the data connection, if it is there and of the kind for a small
// transfer; if it is of another kind, s.data.next has it.
func (s *session) atOnce() *passive.Socket {
	r, ok := s.data.next.(reserved)
	if !ok || s.data.ascii || s.tls.protData || s.rate() > 0 || s.srv.total != nil {
		return nil
	}
	conn, err := r.AcceptSocket(s.ctx, soonEnough)
	if err != nil {
		return nil
	}
	socket, bare := conn.(*passive.Socket)
	if !bare {
		s.data.next = accepted{conn}
	}
	return socket
}

// complete ends a small transfer. What the client need not wait for comes
// behind the reply: it is on its way while the client wakes up.
func (s *session) complete(t *transfer, f regularFile, socket *passive.Socket, err error) {
	s.data.next = nil
	if t.sends && err == nil {
		defer f.Close()
	} else if closing := f.Close(); err == nil && closing != nil {
		err = localError{closing}
	}
	if err != nil {
		socket.SetLinger(0)
		socket.Close()
	} else {
		defer socket.Close()
	}
	s.report(t, socket, err)
}

// sendAtOnce does the whole of a small RETR, and tells whether it did. What it
// could not send is left to the ordinary transfer, t and s.data.next being as
// that expects them.
func (s *session) sendAtOnce(t *transfer, f regularFile, left int64) bool {
	if left > smallFile {
		return false
	}
	socket := s.atOnce()
	if socket == nil {
		return false
	}
	t.started = time.Now()
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	read, err := io.ReadFull(f, b[:left])
	if err != nil {
		err = localError{err} // also where it was cut short meanwhile
	}
	var sent int
	if err == nil && left > 0 {
		sent, err = sendSmall(socket, b[:read])
		t.bytes.Add(int64(sent))
	}
	if err == nil && sent < read {
		if _, err = f.Seek(s.files.offset+int64(sent), io.SeekStart); err == nil {
			s.data.next = accepted{socket}
			return false
		}
		err = localError{err}
	}
	s.out.hold(150, t.opening)
	s.complete(t, f, socket, err)
	return true
}

// receiveAtOnce does the whole of a small STOR, and tells whether it did. It
// says 150, so that t is open; what comes late or is longer is left to the
// ordinary transfer.
func (s *session) receiveAtOnce(t *transfer, f regularFile, begin func(regularFile) error) bool {
	socket := s.atOnce()
	if socket == nil {
		return false
	}
	t.started = time.Now()
	t.opened = true
	s.reply(150, t.opening)
	err := begin(f)
	b := smallBuffers.Get().(*[smallFile]byte)
	defer smallBuffers.Put(b)
	ended, late := false, false
	for end := t.started.Add(smallWait); err == nil && !ended && t.bytes.Load() < smallFile; {
		var n int
		n, err = socket.Receive(b[:], end)
		t.bytes.Add(int64(n))
		if ended, late = err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded); ended {
			err = nil
		}
		// While the rest is on its way.
		if _, failed := f.Write(b[:n]); failed != nil {
			err, late = localError{failed}, false
		}
	}
	if late || err == nil && !ended {
		s.data.next = accepted{socket}
		return false
	}
	s.complete(t, f, socket, err)
	return true
}
