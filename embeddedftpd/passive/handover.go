package passive

import (
	"net"
	"net/netip"
	"os"
)

// A daemon that hands over keeps accepting on the ports that both hold, and gives on
// what is not its own to Arrive of the successor's Paused pool, which accepts itself
// from Start on. Were both to accept, a connection could meet the wrong reservation.

// Listeners are the pool's, still the pool's own.
func (p *Pool) Listeners() (all []interface{ File() (*os.File, error) }) {
	for _, l := range p.listeners {
		all = append(all, l)
	}
	return all
}

// File is that of net.TCPListener.
func (l *listener) File() (*os.File, error) { return dup(l.file) }

// Divert lets elsewhere see every connection first; true: it has taken it. nil ends it.
func (p *Pool) Divert(elsewhere func(*Socket) bool) {
	if elsewhere == nil {
		p.elsewhere.Store(nil)
		return
	}
	p.elsewhere.Store(&elsewhere)
}

// Arrive matches and owns a connection that somebody else accepted.
func (p *Pool) Arrive(c *net.TCPConn) {
	own, err := Adopt(c)
	if err != nil {
		p.config.Log.Warn("cannot take over a data connection", "error", err)
		return
	}
	p.arrive(own, own.from, own.to)
}

// Start begins to accept after Config.Paused.
func (p *Pool) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.started.Store(true)
	for _, l := range p.listeners {
		p.running.Go(func() { p.serve(l) })
	}
}

// Knows reports whether the client has a reservation, wait, handshake or resting port.
func (p *Pool) Knows(client netip.Addr) bool {
	key := ClientKey(client, p.config.IPv6Prefix)
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.sources {
		if k.client == key {
			return true
		}
	}
	return false
}
