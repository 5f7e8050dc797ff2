package passive

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// LowWater is how many bytes wake a reader of what AcceptBare gives (SO_RCVLOWAT), unless
// the client ends: a small upload wakes it once.
const LowWater = 8 << 10

// Socket is a data connection in clear text. The runtime's poller does not know it
// until Poll, which spares a small download three system calls and a wake-up: before
// that it has no methods but Try, Close and SetLinger, and these for one goroutine.
type Socket struct {
	*file
	fd       int // -1: it is file's, or closed
	from, to netip.AddrPort
}

type file = os.File // of which Socket has the methods, except File

// Try calls do, or says EAGAIN after Poll.
func (s *Socket) Try(do func(fd int) (int64, error)) (int64, error) {
	if s.fd < 0 {
		return 0, unix.EAGAIN
	}
	return do(s.fd)
}

// Poll makes s known to the poller, once, and returns what waits through it.
func (s *Socket) Poll() syscall.RawConn {
	if s.fd >= 0 {
		s.file, s.fd = os.NewFile(uintptr(s.fd), "data connection"), -1
	}
	raw, _ := s.SyscallConn()
	return raw
}

// Wake calls Poll and undoes LowWater: from now on a single byte wakes a reader.
func (s *Socket) Wake() error { return s.set(unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1) }

func (s *Socket) uncork() error { return s.set(unix.IPPROTO_TCP, unix.TCP_CORK, 0) }

func (s *Socket) set(level, option, value int) error {
	s.Poll()
	return descriptor(s, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

func (s *Socket) Close() error {
	if s.fd < 0 {
		return s.file.Close()
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}

// Adopt makes a Socket of c, which it closes.
func Adopt(c *net.TCPConn) (*Socket, error) {
	defer c.Close()
	f, err := dup(c)
	return &Socket{f, -1, addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())}, err
}

// File is that of net.TCPConn.
func (s *Socket) File() (*os.File, error) {
	s.Poll()
	return dup(s)
}

func (s *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.from) }
func (s *Socket) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.to) }

// SetLinger is that of net.TCPConn.
func (s *Socket) SetLinger(seconds int) error {
	linger := func(fd int) error {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
	}
	if s.fd >= 0 {
		return linger(s.fd)
	}
	return descriptor(s, linger)
}

// descriptor has do use the descriptor of c.
func descriptor(c syscall.Conn, do func(fd int) error) (err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = do(int(fd)) })
	return cmp.Or(failed, err)
}

// dup duplicates the descriptor of c.
func dup(c syscall.Conn) (f *os.File, err error) {
	err = descriptor(c, func(fd int) error {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		f = os.NewFile(uintptr(own), "socket") // nil of -1
		return os.NewSyscallError("fcntl", err)
	})
	return f, err
}

// cork has what a listener accepts send full segments only, and the rest with the FIN.
// It also sets LowWater.
func cork(l syscall.Conn) error {
	return descriptor(l, func(fd int) error {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, LowWater) // MPTCP may not know it
		return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, 1))
	})
}

// accept takes the next connection without waiting: unix.EAGAIN if there is none.
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
		if local.Addr().IsUnspecified() {
			own, err := syscall.Getsockname(fd)
			if err != nil {
				unix.Close(fd)
				return nil, err
			}
			local = addrPortOf(own)
		}
		return &Socket{fd: fd, from: addrPortOf(from), to: local}, nil
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
