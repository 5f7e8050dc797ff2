package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// session is a control connection over a bare, blocking socket.
type session struct {
	fd     int
	server netip.AddrPort
	source netip.Addr // zero: the kernel's choice
	buf    []byte     // read and not yet consumed
}

// patience bounds every read and write of a client.
const patience = 60

// dial connects over a bare socket, from source where that is given.
func dial(to netip.AddrPort, source netip.Addr, flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, err
	}
	if flags&unix.SOCK_NONBLOCK == 0 {
		timeout := unix.Timeval{Sec: patience}
		err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
	}
	if err == nil && source.IsValid() {
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
			unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()}))
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		switch err {
		case unix.EINPROGRESS:
			err = nil
		case unix.EINTR: // connect(2) goes on by itself
			err = established(fd)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connecting to %v: %w", to, err)
	}
	return fd, nil
}

// established waits for a connection that is under way.
func established(fd int) error {
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(ready, patience*1000)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		failed, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && failed != 0 {
			err = unix.Errno(failed)
		}
		return err
	}
}

// connect opens a control connection and reads the greeting.
func connect(address, source string) (*session, error) {
	s := &session{buf: make([]byte, 0, 512)}
	var err error
	if s.server, err = netip.ParseAddrPort(address); err != nil {
		return nil, err
	}
	if source != "" {
		if s.source, err = netip.ParseAddr(source); err != nil {
			return nil, err
		}
	}
	if s.fd, err = dial(s.server, s.source, 0); err != nil {
		return nil, err
	}
	unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if _, err := s.expect("220"); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// login is connect, logged in, with TYPE I.
func login(address, source string) (*session, error) {
	s, err := connect(address, source)
	if err != nil {
		return nil, err
	}
	for _, step := range [][2]string{{"USER " + user, "331"}, {"PASS " + password, "230"}, {"TYPE I", "200"}} {
		if _, err := s.do(step[0], step[1]); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *session) close() { unix.Close(s.fd) }

func (s *session) do(command, code string) (string, error) {
	if err := s.send(command); err != nil {
		return "", err
	}
	text, err := s.expect(code)
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	return text, nil
}

func (s *session) send(command string) error {
	return write(s.fd, command+"\r\n")
}

// expect reads a reply, which must have the code.
func (s *session) expect(code string) (string, error) {
	for {
		if line, rest, ok := bytes.Cut(s.buf, []byte("\n")); ok {
			text := strings.TrimSpace(string(line))
			s.buf = append(s.buf[:0], rest...)
			if len(text) < 4 || text[3] != ' ' || text[0] < '1' || text[0] > '5' {
				continue // a line of a longer reply
			}
			if text[:3] != code {
				return "", fmt.Errorf("got %q, want %s", text, code)
			}
			return text, nil
		}
		if len(s.buf) > 16<<10 {
			return "", errors.New("a reply without an end")
		}
		chunk := make([]byte, 512)
		n, err := unix.Read(s.fd, chunk)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return "", fmt.Errorf("the control connection ended: %v", err)
		}
		s.buf = append(s.buf, chunk[:n]...)
	}
}

// passive asks for a data port.
func (s *session) passive() (netip.AddrPort, error) {
	text, err := s.do("EPSV", "229")
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := epsvPort(text)
	return netip.AddrPortFrom(s.server.Addr(), port), err
}

// epsvPort is the port in a 229 reply (RFC 2428 section 3).
func epsvPort(text string) (uint16, error) {
	_, rest, _ := strings.Cut(text, "|||")
	digits, _, _ := strings.Cut(rest, "|")
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("no port in %q", text)
	}
	return uint16(port), nil
}

// open asks for a data port and connects to it.
func (s *session) open() (int, error) {
	to, err := s.passive()
	if err != nil {
		return -1, err
	}
	return dial(to, s.source, 0)
}

// retrieve takes a file's bytes from the socket without looking at them, which
// spares the client the copy (MSG_TRUNC, tcp(7)).
func (s *session) retrieve(name string, size int64) (time.Duration, error) {
	data, err := s.open()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	_, err = s.do("RETR "+name, "150")
	if err == nil {
		err = discard(data, size, size)
	}
	// Before the 226: ProFTPD waits for it.
	unix.Close(data)
	if err != nil {
		return 0, err
	}
	_, err = s.expect("226")
	return time.Since(began), err
}

// discard reads until the end, which has to come after least to most bytes.
func discard(fd int, least, most int64) error {
	scratch := make([]byte, 1<<20)
	var got int64
	for {
		n, _, err := unix.Recvfrom(fd, scratch, unix.MSG_TRUNC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0 && (got < least || got > most):
			return fmt.Errorf("%d bytes came, want %d to %d", got, least, most)
		case n == 0:
			return nil
		}
		got += int64(n)
	}
}

// store sends the bytes of a file in memory by sendfile.
func (s *session) store(name string, from int, size int64) (time.Duration, error) {
	data, err := s.open()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	_, err = s.do("STOR "+name, "150")
	for offset := int64(0); err == nil && offset < size; {
		if _, err = unix.Sendfile(data, from, &offset, int(min(size-offset, 1<<30))); err == unix.EINTR {
			err = nil
		}
	}
	unix.Close(data)
	if err != nil {
		return 0, err
	}
	_, err = s.expect("226")
	return time.Since(began), err
}
