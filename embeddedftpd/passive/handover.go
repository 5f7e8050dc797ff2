package passive

import (
	"net"
	"net/netip"
	"syscall"
)

// A daemon that hands over to its successor keeps accepting on the ports that
// both hold, and gives on what is not its own; the successor's pool is Paused,
// gets its connections through Arrive, and accepts itself from Start on. Were
// both to accept, a connection could meet the wrong daemon's reservation.

// Listeners are the pool's, still the pool's own.
func (p *Pool) Listeners() []syscall.Conn {
	var all []syscall.Conn
	for _, l := range p.listeners {
		all = append(all, l)
	}
	return all
}

// Conn is an accepted data connection: a *Socket, or a *net.TCPConn that a
// predecessor has given.
type Conn interface {
	net.Conn
	syscall.Conn
}

// Divert lets elsewhere see every connection that comes from now on before it
// is matched; true means that it has taken the connection. nil ends it.
func (p *Pool) Divert(elsewhere func(Conn) bool) {
	if elsewhere == nil {
		p.elsewhere.Store(nil)
		return
	}
	p.elsewhere.Store(&elsewhere)
}

// Arrive matches a connection that somebody else accepted on one of the pool's
// ports. The pool owns it from the call on.
func (p *Pool) Arrive(c Conn) {
	p.arrive(c, addrPort(c.RemoteAddr()), addrPort(c.LocalAddr()))
}

// Start begins to accept, where Config.Paused has put that off. It is called
// once.
func (p *Pool) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.started.Store(true)
	p.running.Go(p.serve)
}

// incoming sees to a connection that the pool has accepted itself.
func (p *Pool) incoming(c Conn) {
	if elsewhere := p.elsewhere.Load(); elsewhere == nil || !(*elsewhere)(c) {
		p.Arrive(c)
	}
}

// Knows reports whether the client has anything here: a reservation, a wait, a
// handshake or a port at rest.
func (p *Pool) Knows(client netip.Addr) bool {
	key := ClientKey(client, p.config.IPv6Prefix)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clients[key] > 0
}
