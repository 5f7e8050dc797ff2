//go:build !linux

package passive

import (
	"net"
	"net/netip"
	"syscall"
)

type listener struct {
	*net.TCPListener
	addr netip.AddrPort
}

func newListener(l *net.TCPListener) (*listener, error) {
	return &listener{l, unmapped(addrPort(l.Addr()))}, nil
}

// accept waits for a connection and matches it.
func (p *Pool) accept(l *listener) error {
	c, err := l.AcceptTCP()
	if err == nil {
		p.incoming(c)
	}
	return err
}

// clear: elsewhere than on Linux nobody can look without waiting.
func (p *Pool) clear(uint16) {}

func uncork(syscall.Conn) error { return nil }
