package passive

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket is a data connection in clear text.
type Socket struct {
	*file
	from, to netip.AddrPort
}

type file = os.File // of which Socket has the methods, except File

func newSocket(fd int, from, to netip.AddrPort) *Socket {
	return &Socket{os.NewFile(uintptr(fd), "data connection"), from, to}
}

// Adopt makes a Socket of c, which it closes.
func Adopt(c *net.TCPConn) (*Socket, error) {
	defer c.Close()
	fd, err := dup(c)
	if err != nil {
		return nil, err
	}
	return newSocket(fd, addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())), nil
}

func (s *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.from) }
func (s *Socket) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.to) }

// SetLinger is that of net.TCPConn.
func (s *Socket) SetLinger(seconds int) error {
	return descriptor(s, func(fd int) error {
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
	})
}

// descriptor has do use the descriptor of c.
func descriptor(c syscall.Conn, do func(fd int) error) (err error) {
	raw, _ := c.SyscallConn()
	failed := raw.Control(func(fd uintptr) { err = do(int(fd)) })
	return cmp.Or(failed, err)
}

// dup duplicates the descriptor of c.
func dup(c syscall.Conn) (own int, err error) {
	err = descriptor(c, func(fd int) error {
		own, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl", err)
	})
	return own, err
}

// cork has what a listener accepts send full segments only, and the rest with the FIN.
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
		return newSocket(fd, addrPortOf(from), local), nil
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
