package passive

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// sourceKey is where a data connection comes from and goes to, without the port.
type sourceKey struct{ client, local netip.Addr }

// source is one client's state on one local address, while it has any. With
// Config.Foreign the slots and waiters of all clients are in that of the zero client,
// and a client's own has its handshakes.
type source struct {
	key        sourceKey
	slots      map[uint16]*slot
	queue      []*waiter    // in order of arrival; not empty only if no port admits the first
	marked     int          // pending reservations with a mark
	handshakes []*handshake // oldest first
}

// slot is one (client, local address, port) while it is reserved or at rest. It has
// either one sole reservation or any number of shared ones.
type slot struct {
	source  *source
	port    uint16
	sole    *Reservation            // a connection by this key is its
	shared  map[markID]*Reservation // a connection by this key must show which it is
	resting *Reservation            // the one that has left it at rest; nil: it is not
	owner   *Session                // the only one that has been here; nil: there were several
}

func (sl *slot) reserved() bool { return sl.sole != nil || len(sl.shared) > 0 }

// admits reports whether another reservation that needs no port of its own fits.
func (sl *slot) admits(m *Mark) bool { return sl.sole == nil && sl.shared[m.id] == nil }

func (sl *slot) remove(r *Reservation) {
	if sl.sole == r {
		sl.sole = nil
	} else {
		delete(sl.shared, r.mark.id)
	}
	if r.mark != nil {
		sl.source.marked--
	}
}

// waiter is a Reserve that waits its turn.
type waiter struct {
	session *Session
	mark    *Mark
	turn    chan struct{} // closed when it leaves source.queue
	granted *Reservation  // its turn; nil: it has left without
}

// ClientKey is a client: an IPv4 address, or the first prefix bits of an IPv6 address,
// of which a client commands at least a /64 (RFC 4291 section 2.5.4).
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

// competitors is the key of the source whose reservations those of k exclude.
func (p *Pool) competitors(k sourceKey) sourceKey {
	if p.config.Foreign != nil {
		k.client = netip.Addr{}
	}
	return k
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
	if len(s.slots)+len(s.queue)+len(s.handshakes) == 0 && p.sources[s.key] == s {
		delete(p.sources, s.key)
	}
}

// choose finds a port by a scan from a random start: the next port is hard to guess
// (RFC 6056 section 3.3.1) and a free one never missed. A reservation that shares takes
// one at rest if there is no other: its mark keeps late connections away.
func (p *Pool) choose(s *source, m *Mark) (port uint16, ok bool) {
	n := p.ports()
	if len(s.slots) == n && !p.shares(m) {
		return 0, false
	}
	start := rand.IntN(n)
	var atRest uint16
	for i := range n {
		port = p.config.First + uint16((start+i)%n)
		sl := s.slots[port]
		switch {
		case sl == nil:
			return port, true
		case !p.shares(m) || !sl.admits(m):
		case sl.resting == nil:
			return port, true
		default:
			atRest = port
		}
	}
	return atRest, atRest != 0
}

// shares reports whether m's data connections are told apart by their mark alone.
func (p *Pool) shares(m *Mark) bool { return m != nil && p.config.Reuse == ReuseRequired }

// place reserves a port, and ends the rest of one that the session gets back for
// itself.
func (p *Pool) place(s *source, port uint16, session *Session, m *Mark) *Reservation {
	sl := s.slots[port]
	switch {
	case sl == nil:
		sl = &slot{source: s, port: port, owner: session}
		s.slots[port] = sl
	case sl.owner != session:
		sl.owner = nil
	}
	if !p.shares(m) {
		p.endRest(sl)
	}
	p.stats.Reserved++
	r := &Reservation{pool: p, slot: sl, client: session.key.client, mark: m}
	r.timer = time.AfterFunc(p.config.Expiry, r.expire)
	p.stats.Pending++
	switch {
	case !p.shares(m):
		sl.sole = r
	case sl.shared == nil:
		sl.shared = map[markID]*Reservation{m.id: r}
	default:
		sl.shared[m.id] = r
	}
	if m != nil {
		s.marked++
	}
	return r
}

// vacate frees what has been left of sl for whoever waits first.
func (p *Pool) vacate(sl *slot) {
	if !sl.reserved() && sl.resting == nil {
		delete(sl.source.slots, sl.port)
	}
	p.grant(sl.source)
	p.tidy(sl.source)
}

// grant gives turns in order while there is a port for the first.
func (p *Pool) grant(s *source) {
	for len(s.queue) > 0 {
		w := s.queue[0]
		port, ok := p.choose(s, w.mark)
		if !ok {
			return
		}
		w.granted = p.place(s, port, w.session, w.mark)
		p.leave(s, w)
	}
}

// errNoTurn is await's at the end of the patience.
var errNoTurn = errors.New("no turn")

// await waits for w's turn.
func (w *waiter) await(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errNoTurn
	}
}

// leave takes w out of the queue.
func (p *Pool) leave(s *source, w *waiter) {
	s.queue = slices.DeleteFunc(s.queue, func(other *waiter) bool { return other == w })
	close(w.turn)
	p.stats.Waiting--
}
