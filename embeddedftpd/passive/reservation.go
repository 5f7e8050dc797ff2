package passive

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Reservation is one session's claim on the next connection to Port.
type Reservation struct {
	pool *Pool
	slot *slot
	mark *Mark

	client netip.Addr // of the control connection, as ClientKey has it

	// The rest is guarded by pool.mu.

	// number is higher than that of every reservation announced earlier; 0: it has not
	// been. A connection that was there before is not for it.
	number   uint64
	ended    error         // why, once it has
	conn     net.Conn      // that has come and waits for Accept
	ready    chan struct{} // closed at the end of pending; made by an Accept that has to wait
	timer    *time.Timer   // of its expiry, then of its rest
	onRested func()        // is called at the end of that; may be nil
}

// pending reports whether the connection may still come.
func (r *Reservation) pending() bool { return r.conn == nil && r.ended == nil }

// Port is the port to announce in the 227 or 229 reply.
func (r *Reservation) Port() uint16 { return r.slot.port }

// Accept waits for the data connection, as long as patience and ctx allow, and gives it
// once. In clear text it is a *Socket, with a mark a *tls.Conn after its handshake.
// After context.DeadlineExceeded (patience) and ctx's errors the reservation still
// stands.
func (r *Reservation) Accept(ctx context.Context, patience time.Duration) (net.Conn, error) {
	c, err := r.AcceptBare(ctx, patience)
	if s, ok := c.(*Socket); ok {
		s.Wake()
	}
	return c, err
}

// AcceptBare is Accept, but leaves Poll and Wake to the caller.
func (r *Reservation) AcceptBare(ctx context.Context, patience time.Duration) (net.Conn, error) {
	r.fetch()
	c, wait, err := r.take()
	if c != nil || err != nil {
		return c, err
	}
	at := r.pool.at(r.slot.port)
	expect(at, 1)
	defer expect(at, -1)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-wait:
		c, _, err = r.take()
		return c, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, context.DeadlineExceeded
	}
}

// Err says why r has ended; nil: it stands, or its connection has come.
func (r *Reservation) Err() error {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return r.ended
}

// Foreign is the last client without a reservation there that connected to r's port
// since r was announced, or did not resume; zero: none did.
func (r *Reservation) Foreign() netip.Addr {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	f, ok := r.pool.foreign[netip.AddrPortFrom(r.slot.source.key.local, r.slot.port)]
	if !ok || r.number == 0 || f.announced < r.number {
		return netip.Addr{}
	}
	return f.from
}

// foreign is a connection from a client that had no reservation.
type foreign struct {
	from      netip.Addr
	announced uint64 // pool.announced at that time
}

// take gives the connection, or the error, or what to wait for.
func (r *Reservation) take() (net.Conn, <-chan struct{}, error) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	if r.conn != nil {
		return r.pool.drop(r, ErrReleased), nil, nil
	}
	if r.pending() && r.ready == nil {
		r.ready = make(chan struct{})
	}
	return nil, r.ready, r.ended
}

// fetch matches what waits at r's port until r has its connection.
func (r *Reservation) fetch() {
	r.pool.clear(r.slot.port, false, func(int) bool {
		r.pool.mu.Lock()
		defer r.pool.mu.Unlock()
		return r.pending()
	})
}

// Release ends the reservation and no other, and closes a connection that Accept has
// not given away. It may be called more than once.
func (r *Reservation) Release() {
	p := r.pool
	r.fetch() // if it is there, the port needs no rest
	p.mu.Lock()
	var c net.Conn
	switch {
	case r.pending():
		p.end(r, ErrReleased)
		p.rest(r)
	case r.conn != nil:
		c = p.drop(r, ErrReleased)
	}
	p.mu.Unlock()
	if c != nil {
		Reset(c)
	}
}

// announce closes what has come to r's port: what comes from now on is r's.
func (r *Reservation) announce() {
	p := r.pool
	p.clear(r.slot.port, true, func(int) bool { return true })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.announced++
	r.number = p.announced
}

// settle ends r's time of pending and wakes its Accept. The pool's lock is held.
func (r *Reservation) settle() {
	r.slot.remove(r)
	if r.ready != nil {
		close(r.ready)
	}
	r.timer.Stop()
	r.pool.stats.Pending--
}
