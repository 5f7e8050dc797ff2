package passive

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
)

// arrive matches a connection to the reservation of its client address, own address and
// port, or closes it.
func (p *Pool) arrive(c net.Conn, from, to netip.AddrPort) {
	p.mu.Lock()
	unwanted, why := p.match(c, from.Addr().Unmap().WithZone(""), p.key(from.Addr(), to.Addr()), to.Port())
	p.mu.Unlock()
	if unwanted != nil {
		Reset(unwanted)
		p.refused(unwanted, why)
	}
}

// refused logs a connection that has been closed.
func (p *Pool) refused(c net.Conn, why string) {
	p.config.Log.LogAttrs(context.Background(), slog.LevelDebug, "data connection refused",
		slog.String("why", why), slog.Any("from", c.RemoteAddr()), slog.Any("to", c.LocalAddr()))
}

// match gives c to its reservation, or to a handshake that shows whose it is. It says
// which connection is unwanted, and why: c, or an older one that makes room.
func (p *Pool) match(c net.Conn, from netip.Addr, k sourceKey, port uint16) (unwanted net.Conn, why string) {
	s := p.sources[p.competitors(k)]
	if p.closed || s == nil || s.slots[port] == nil || p.config.Foreign != nil && !p.config.Foreign(from) {
		p.stats.Strangers++
		// One a port at most, so its size is bounded.
		p.foreign[netip.AddrPortFrom(k.local, port)] = foreign{from, p.announced}
		return c, "no reservation"
	}
	sl := s.slots[port]
	switch {
	case sl.sole != nil && sl.sole.number == 0:
		p.stats.Strangers++
		return c, "it came before its reservation"
	case !sl.reserved():
		p.stats.Late++
		return c, "its reservation has ended"
	case sl.sole == nil || sl.sole.mark != nil:
		return p.begin(c, sl, k), "too many handshakes"
	}
	p.deliver(sl.sole, c)
	p.vacate(sl)
	return nil, ""
}

// deliver gives c to r, which keeps it for Accept.
func (p *Pool) deliver(r *Reservation, c net.Conn) {
	r.conn = c
	r.settle()
	p.held[r] = struct{}{}
	p.stats.Connected++
}

// end ends a pending reservation. The caller decides what to do with its port.
func (p *Pool) end(r *Reservation, why error) {
	r.ended = why
	r.settle()
}

// endAll ends what is at a port of a pool that is closed.
func (p *Pool) endAll(sl *slot) {
	if sl.sole != nil {
		p.end(sl.sole, ErrClosed)
	}
	for _, r := range sl.shared {
		p.end(r, ErrClosed)
	}
	p.endRest(sl)
}

// drop ends a reservation whose connection has come, and gives that to the caller.
func (p *Pool) drop(r *Reservation, why error) net.Conn {
	c := r.conn
	r.conn, r.ended = nil, why
	delete(p.held, r)
	return c
}

// Reset closes a data connection with a reset: nothing stays in TIME_WAIT.
func Reset(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn().(*ticketHold).Conn
	}
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		t.SetLinger(0)
	}
	c.Close()
}
