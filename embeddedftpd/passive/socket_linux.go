package passive

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveNow reads what is there: errNothing if there is nothing, or once
// Receive has waited; io.EOF at the end of the stream.
func (s *Socket) receiveNow(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0, errNothing
	}
	n, err := unix.Read(s.fd, b)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, errNothing
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Bare has do use the descriptor, unless the network poller knows it by now. do
// may wait, and leaves O_NONBLOCK set. Meanwhile every other call of s waits.
func (s *Socket) Bare(do func(fd int)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return false
	}
	do(s.fd)
	return true
}

// SetLinger is that of net.TCPConn.
func (s *Socket) SetLinger(seconds int) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	linger := func(fd uintptr) {
		err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
	}
	switch {
	case s.conn != nil:
		return s.conn.SetLinger(seconds)
	case s.fd >= 0:
		linger(uintptr(s.fd))
		return err
	case s.file != nil:
		raw, failed := s.file.SyscallConn()
		if failed == nil {
			failed = raw.Control(linger)
		}
		return errors.Join(failed, err)
	}
	return os.ErrClosed
}

// accept takes the next connection from a listening socket, without waiting:
// unix.EAGAIN where there is none. local is the listener's address.
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

func closeSocket(fd int) error { return unix.Close(fd) }
