package passive

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a data connection in clear text that the runtime's network poller does
// not know until a call has to wait: a small transfer never waits, which spares it a
// quarter of its system calls. Besides Close and the deadlines, its methods are for
// one goroutine at a time.
type Socket struct {
	from, to netip.AddrPort

	mu   sync.Mutex
	fd   int      // -1: closed, or file's
	file *os.File // nil: the poller does not know the connection
	// Deadlines, for file.
	readBy, writeBy time.Time
}

// Adopt makes a Socket of c, which it closes.
func Adopt(c *net.TCPConn) (*Socket, error) {
	defer c.Close()
	fd, err := dup(c)
	return &Socket{fd: fd, from: addrPort(c.RemoteAddr()), to: addrPort(c.LocalAddr())}, err
}

// polled gives the file through which the network poller waits.
func (s *Socket) polled() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		if s.fd < 0 {
			return nil, net.ErrClosed
		}
		s.file, s.fd = os.NewFile(uintptr(s.fd), "data connection"), -1
		s.file.SetReadDeadline(s.readBy)
		s.file.SetWriteDeadline(s.writeBy)
	}
	return s.file, nil
}

// Receive calls do until it returns true, and before each further call waits until
// there is something to read, or for the deadline. do must not wait.
func (s *Socket) Receive(do func(fd int) bool) error { return s.until(do, syscall.RawConn.Read) }

// Send is Receive for what writes.
func (s *Socket) Send(do func(fd int) bool) error { return s.until(do, syscall.RawConn.Write) }

func (s *Socket) until(do func(fd int) bool, wait func(syscall.RawConn, func(uintptr) bool) error) error {
	if done, _ := s.try(do); done {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return wait(raw, func(fd uintptr) bool { return do(int(fd)) })
}

// try calls do unless the network poller knows the connection by now.
func (s *Socket) try(do func(fd int) bool) (done, bare bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return false, false
	}
	return do(s.fd), true
}

// Read reads what has come, or waits for it.
func (s *Socket) Read(b []byte) (n int, err error) {
	waited := s.Receive(func(fd int) bool {
		n, err = unix.Read(fd, b)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *Socket) Write(b []byte) (int, error) {
	file, err := s.polled()
	if err != nil {
		return 0, err
	}
	return file.Write(b)
}

// SyscallConn is that of net.TCPConn.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	file, err := s.polled()
	if err != nil {
		return nil, err
	}
	return file.SyscallConn()
}

// Close closes the connection; what was sent is still delivered.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.file != nil:
		return s.file.Close()
	case s.fd >= 0:
		fd := s.fd
		s.fd = -1
		return unix.Close(fd)
	}
	return net.ErrClosed
}

func (s *Socket) SetReadDeadline(t time.Time) error {
	return s.by(t, &s.readBy, (*os.File).SetReadDeadline)
}

func (s *Socket) SetWriteDeadline(t time.Time) error {
	return s.by(t, &s.writeBy, (*os.File).SetWriteDeadline)
}

func (s *Socket) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *Socket) by(t time.Time, kept *time.Time, set func(*os.File, time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *kept = t; s.file == nil {
		return nil
	}
	return set(s.file, t)
}

func (s *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.from) }
func (s *Socket) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.to) }

// SetLinger is that of net.TCPConn.
func (s *Socket) SetLinger(seconds int) error {
	return s.control(func(fd int) error {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
	})
}

// control has do use the descriptor, whoever knows it.
func (s *Socket) control(do func(fd int) error) (err error) {
	if _, bare := s.try(func(fd int) bool { err = do(fd); return true }); bare {
		return err
	}
	return descriptor(s, do)
}

// descriptor has do use the descriptor of c.
func descriptor(c syscall.Conn, do func(fd int) error) (err error) {
	raw, failed := c.SyscallConn()
	if failed == nil {
		failed = raw.Control(func(fd uintptr) { err = do(int(fd)) })
	}
	if failed != nil {
		return failed
	}
	return err
}

// dup duplicates the descriptor of c.
func dup(c syscall.Conn) (own int, err error) {
	err = descriptor(c, func(fd int) error {
		own, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl", err)
	})
	return own, err
}

// cork has the connections that a listener accepts send full segments only, and
// what is left with the FIN. TLS needs uncork.
func cork(l syscall.Conn) error {
	return descriptor(l, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, 1)
	})
}

func uncork(c syscall.Conn) error {
	return descriptor(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, 0) })
}

// accept takes the next connection from a listening socket, without waiting:
// unix.EAGAIN if there is none. local is the listener's address.
func accept(listening int, local netip.AddrPort) (*Socket, error) {
	for {
		// That of package unix asks the socket for its protocol each time.
		fd, from, err := syscall.Accept4(listening, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := &Socket{fd: fd, from: addrPortOf(from), to: local}
		if local.Addr().IsUnspecified() {
			own, err := syscall.Getsockname(fd)
			if err != nil {
				unix.Close(fd)
				return nil, err
			}
			s.to = addrPortOf(own)
		}
		return s, nil
	}
}

func addrPortOf(a syscall.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
