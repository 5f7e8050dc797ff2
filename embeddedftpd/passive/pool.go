package passive

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Pool holds the passive ports and knows who waits for a connection on which.
// Its methods may be called from any goroutine.
type Pool struct {
	config    Config
	listeners []*listener // by port, then by address
	quiet     time.Duration
	started   atomic.Bool
	running   sync.WaitGroup // what accepts and handshakes
	done      chan struct{}  // closed by Close
	elsewhere atomic.Pointer[func(*Socket) bool]

	mu         sync.Mutex
	closed     bool
	sources    map[sourceKey]*source
	held       map[*Reservation]struct{}
	foreign    map[netip.AddrPort]foreign // the last one at each port
	handshakes []*handshake               // oldest first
	announced  uint64                     // reservations, so far
	stalled    time.Time                  // a listener may have had a backlog until then
	stats      Stats
}

// Stats counts what a pool holds now and what has happened since it was opened.
type Stats struct {
	Ports       int // in the range
	Pending     int // reservations without a connection
	Held        int // connections that wait for Accept
	Waiting     int // Reserve calls that wait for a turn
	Resting     int // ports kept from a client for a late connection
	Handshaking int // data connections in their TLS handshake
	Clients     int // (client, local address) pairs with any of these

	Reserved     uint64 // reservations made
	Connected    uint64 // reservations that got their connection
	Waited       uint64 // Reserve calls that had to wait for a turn
	Refused      uint64 // Reserve calls that ended in a BusyError
	Expired      uint64 // reservations that ended in ErrExpired
	Strangers    uint64 // connections from clients with no reservation there
	Late         uint64 // connections to a port at rest
	Unproven     uint64 // TLS connections that failed, took too long or were not of a session that waits
	AcceptErrors uint64
}

func newPool(c Config) *Pool {
	return &Pool{
		config:  c,
		done:    make(chan struct{}),
		quiet:   quietTime,
		sources: make(map[sourceKey]*source),
		held:    make(map[*Reservation]struct{}),
		foreign: make(map[netip.AddrPort]foreign),
	}
}

func (p *Pool) ports() int { return int(p.config.Last) - int(p.config.First) + 1 }

// reserve is Session.Reserve, after the release of the last reservation.
func (p *Pool) reserve(ctx context.Context, session *Session, mark *Mark) (*Reservation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	s := p.source(p.competitors(session.key))
	port, ok := session.own(mark)
	if !ok && len(s.queue) == 0 {
		port, ok = p.choose(s, mark)
	}
	if ok {
		defer p.mu.Unlock()
		return p.place(s, port, session, mark), nil
	}
	if len(s.queue) >= p.config.maxQueue || p.config.MaxWait < 0 {
		defer p.mu.Unlock()
		return nil, p.busy(s, 0)
	}
	w := &waiter{session: session, mark: mark, turn: make(chan struct{})}
	s.queue = append(s.queue, w)
	p.stats.Waiting++
	p.stats.Waited++
	p.mu.Unlock()
	return p.wait(ctx, s, w)
}

// wait gives w's turn, or leaves the queue when ctx or the patience ends.
func (p *Pool) wait(ctx context.Context, s *source, w *waiter) (*Reservation, error) {
	// A port is free as soon as its client connects, not once its session asks.
	expect(p.listeners, 1)
	defer expect(p.listeners, -1)
	if onWait := w.session.OnWait; onWait != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer onWait(cancel)()
	}
	waited := p.config.MaxWait
	err := w.await(ctx, waited)
	if err == errNoTurn && p.rests(s) {
		// A port that only rests comes free without anybody's doing.
		waited += p.config.Rest
		err = w.await(ctx, p.config.Rest)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r := w.granted; {
	case r != nil && (err == nil || err == errNoTurn): // the turn came in the same instant
		return r, nil
	case r != nil:
		// Nobody was told the port: no connection can come, and it needs no rest.
		if r.pending() {
			p.end(r, ErrReleased)
			p.vacate(r.slot)
		}
		return nil, err
	case p.closed:
		return nil, ErrClosed
	}
	p.leave(s, w)
	// The next in the queue may fit where this one did not.
	p.grant(s)
	defer p.tidy(s)
	if err != errNoTurn {
		return nil, err
	}
	return nil, p.busy(s, waited)
}

// rests reports whether s has a port at rest.
func (p *Pool) rests(s *source) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sl := range s.slots {
		if sl.resting != nil {
			return true
		}
	}
	return false
}

// busy says that no port is free; waited is 0 where nobody has waited.
func (p *Pool) busy(s *source, waited time.Duration) error {
	p.stats.Refused++
	text := fmt.Sprintf("all %d passive ports are in use", p.ports())
	if p.ports() == 1 {
		text = "the 1 passive port is in use"
	}
	if s.key.client.IsValid() {
		text += fmt.Sprintf(" by sessions from %v", s.key.client)
	}
	switch {
	case waited > 0:
		text += fmt.Sprintf("; none came free in %v", waited)
	case len(s.queue) > 0:
		text += fmt.Sprintf(", and %d more wait", len(s.queue))
	}
	return BusyError(text)
}

// Stats is the pool's state at this moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stats
	st.Ports = p.ports()
	st.Handshaking = len(p.handshakes)
	st.Held = len(p.held)
	st.Clients = len(p.sources)
	return st
}

// Close lets go of the ports and ends every reservation, wait and handshake with
// ErrClosed.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.done)
	var unclaimed []net.Conn
	for r := range p.held {
		unclaimed = append(unclaimed, p.drop(r, ErrClosed))
	}
	for _, h := range p.handshakes {
		unclaimed = append(unclaimed, h.conn)
	}
	for _, s := range p.sources {
		for _, sl := range s.slots {
			p.endAll(sl)
		}
		for len(s.queue) > 0 {
			p.leave(s, s.queue[0])
		}
		delete(p.sources, s.key)
	}
	p.mu.Unlock()
	for _, c := range unclaimed {
		Reset(c)
	}
	for _, l := range p.listeners {
		l.file.Close()
	}
	p.running.Wait()
	return nil
}
