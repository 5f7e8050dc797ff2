package passive

import (
	"container/list"
	"net/netip"
	"time"
)

// sourceKey is what the pool knows of where a data connection comes from and
// goes to, beside the port.
type sourceKey struct{ client, local netip.Addr }

// source is one client's state on one local address. It exists while it has a
// slot or a waiter.
type source struct {
	key   sourceKey
	slots map[uint16]*slot
	queue list.List // of *waiter, in order of arrival; not empty only if no port admits the first
}

// slot is one (client, local address, port): reserved, or at rest.
type slot struct {
	source  *source
	port    uint16
	sole    *Reservation  // the one that a connection by this key belongs to
	until   time.Time     // while at rest: the end of it
	resting *list.Element // in pool.resting while at rest
}

// waiter is a Reserve that waits its turn.
type waiter struct {
	mark    *Mark
	element *list.Element     // in source.queue; nil once it has its turn or has left
	turn    chan *Reservation // receives once, nil when the pool closes
}

// ClientKey is the address by which a client is known: an IPv4 address itself,
// mapped into IPv6 or not, and of an IPv6 address its first prefix bits, since
// a client commands at least a /64 (RFC 4291 section 2.5.4).
func ClientKey(client netip.Addr, prefix int) netip.Addr {
	client = client.Unmap().WithZone("")
	if client.Is4() {
		return client
	}
	p, err := client.Prefix(prefix)
	if err != nil {
		return client
	}
	return p.Addr()
}

func (p *Pool) key(client, local netip.Addr) sourceKey {
	return sourceKey{client: ClientKey(client, p.config.IPv6Prefix), local: local.Unmap().WithZone("")}
}

// source gives the source of k, a new one if there is none.
func (p *Pool) source(k sourceKey) *source {
	s := p.sources[k]
	if s == nil {
		s = &source{key: k, slots: make(map[uint16]*slot)}
		p.sources[k] = s
	}
	return s
}

// tidy forgets what holds nothing.
func (p *Pool) tidy(s *source) {
	if len(s.slots) == 0 && s.queue.Len() == 0 {
		delete(p.sources, s.key)
	}
}

// choose finds a port for a reservation of s: a scan from a random start, so
// that the load spreads, the next port is hard to guess (RFC 6056 section
// 3.3.1) and a free one is never missed.
func (p *Pool) choose(s *source) (port uint16, ok bool) {
	n := p.ports()
	if len(s.slots) == n {
		return 0, false
	}
	start := p.random.IntN(n)
	for i := range n {
		port = p.config.First + uint16((start+i)%n)
		if s.slots[port] == nil {
			return port, true
		}
	}
	return 0, false
}

// place reserves a port that choose has found.
func (p *Pool) place(s *source, port uint16, m *Mark) *Reservation {
	sl := &slot{source: s, port: port}
	s.slots[port] = sl
	r := &Reservation{pool: p, slot: sl, port: port, mark: m, deadline: time.Now().Add(p.config.Expiry)}
	r.expiring = p.expiring.PushBack(r)
	sl.sole = r
	p.stats.Reserved++
	p.wake(r.deadline)
	return r
}

// vacate frees sl for whoever waits first.
func (p *Pool) vacate(sl *slot) {
	delete(sl.source.slots, sl.port)
	p.grant(sl.source)
	p.tidy(sl.source)
}

// grant gives turns, first come, first served, while there is a port for the
// first in the queue.
func (p *Pool) grant(s *source) {
	for e := s.queue.Front(); e != nil; e = s.queue.Front() {
		port, ok := p.choose(s)
		if !ok {
			return
		}
		w := e.Value.(*waiter)
		p.leave(s, w)
		w.turn <- p.place(s, port, w.mark)
	}
}

// leave takes w out of the queue.
func (p *Pool) leave(s *source, w *waiter) {
	s.queue.Remove(w.element)
	w.element = nil
	p.stats.Waiting--
}
