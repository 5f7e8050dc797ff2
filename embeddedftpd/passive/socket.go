package passive

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"
)

// Socket is an accepted data connection that the runtime's network poller does
// not know yet. For a file that goes through in one piece it never has to, which
// spares a small transfer half of its system calls; nor where the kernel itself
// waits for the client, which spares a large one the poller's waking up whenever
// there is room. For everything else that a net.Conn does, and that, except Close,
// one goroutine at a time may ask of it, it turns into a *net.TCPConn.
type Socket struct {
	from, to netip.AddrPort

	mu   sync.Mutex // Close may come from elsewhere
	fd   int        // -1: closed, or file's, or conn's
	file *os.File
	conn *net.TCPConn
	err  error
}

// TCPConn turns s into a *net.TCPConn, whose owner s stays.
func (s *Socket) TCPConn() (*net.TCPConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil || s.err != nil {
		return s.conn, s.err
	}
	file, err := s.polled()
	if err == nil {
		var c net.Conn
		if c, err = net.FileConn(file); err == nil {
			s.conn = c.(*net.TCPConn)
		}
		file.Close()
	}
	s.file, s.err = nil, err
	return s.conn, err
}

// polled gives the file through which the network poller waits; s.mu is held.
func (s *Socket) polled() (*os.File, error) {
	if s.file == nil {
		if s.fd < 0 {
			return nil, net.ErrClosed
		}
		s.file, s.fd = os.NewFile(uintptr(s.fd), "data connection"), -1
	}
	return s.file, nil
}

// errNothing is receiveNow's if nothing has come.
var errNothing = errors.New("nothing has come")

// Receive reads what has come, waiting for it until the deadline. The error is
// io.EOF at the end of the stream and os.ErrDeadlineExceeded.
func (s *Socket) Receive(b []byte, deadline time.Time) (int, error) {
	for range 3 {
		if n, err := s.receiveNow(b); err != errNothing {
			return n, err
		}
		// Where there are others to run, it may have come after them.
		runtime.Gosched()
	}
	s.mu.Lock()
	file, err := s.polled()
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	file.SetReadDeadline(deadline)
	return file.Read(b)
}

// Close closes the connection; what was sent is still delivered.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.conn != nil:
		return s.conn.Close()
	case s.file != nil:
		return s.file.Close()
	case s.fd >= 0:
		fd := s.fd
		s.fd = -1
		return closeSocket(fd)
	}
	return net.ErrClosed
}

func (s *Socket) Read(b []byte) (int, error) {
	c, err := s.TCPConn()
	if err != nil {
		return 0, err
	}
	return c.Read(b)
}

func (s *Socket) Write(b []byte) (int, error) {
	c, err := s.TCPConn()
	if err != nil {
		return 0, err
	}
	return c.Write(b)
}

func (s *Socket) SetDeadline(t time.Time) error     { return s.set((*net.TCPConn).SetDeadline, t) }
func (s *Socket) SetReadDeadline(t time.Time) error { return s.set((*net.TCPConn).SetReadDeadline, t) }
func (s *Socket) SetWriteDeadline(t time.Time) error {
	return s.set((*net.TCPConn).SetWriteDeadline, t)
}

func (s *Socket) set(deadline func(*net.TCPConn, time.Time) error, t time.Time) error {
	c, err := s.TCPConn()
	if err != nil {
		return err
	}
	return deadline(c, t)
}

func (s *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.from) }
func (s *Socket) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.to) }

// arrival is a connection as the pool keeps it: a net.Conn or a *Socket.
type arrival interface {
	Close() error
	RemoteAddr() net.Addr
	LocalAddr() net.Addr
}

// whole is a as a net.Conn.
func whole(a arrival) (net.Conn, error) {
	if s, ok := a.(*Socket); ok {
		return s.TCPConn()
	}
	return a.(net.Conn), nil
}

// refuse closes a with a reset, without waiting for anything: nothing stays in
// TIME_WAIT.
func refuse(a arrival) {
	if t, ok := a.(*tls.Conn); ok {
		a = t.NetConn().(*ticketHold).Conn
	}
	if t, ok := a.(interface{ SetLinger(int) error }); ok {
		t.SetLinger(0)
	}
	a.Close()
}
