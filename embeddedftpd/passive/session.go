package passive

import (
	"context"
	"net/netip"
)

// Session is one control connection's share of the pool: at most one port at a
// time, reserved or at rest. Its methods are for one goroutine at a time.
//
// A session gets its own port back while that rests, since the connection that
// may still come is its own. So N sessions of one client never need more than N
// ports, whatever each of them does with its port.
type Session struct {
	// OnWait, if it is not nil, is called when Reserve begins to wait, and what
	// it returns is called at the end of the wait. cancel ends the wait.
	OnWait func(cancel context.CancelFunc) (done func())

	pool *Pool
	key  sourceKey
	last *Reservation
}

// Session makes the session of a control connection from client to local, its
// peer and own address.
func (p *Pool) Session(client, local netip.Addr) *Session {
	return &Session{pool: p, key: p.key(client, local)}
}

// Reserve releases the session's last reservation and claims a port for its
// next data connection: its own port if that rests, else a free one. Where other
// sessions of the same client occupy every port, it waits its turn in order of
// arrival. mark is nil for a data connection in clear text. A connection that
// came before Reserve returns is closed.
//
// The error is a BusyError after Config.MaxWait, or Config.Rest later if the
// client has a port at rest by then; the same at once if maxQueue others
// wait already; ErrClosed, or ctx's.
func (s *Session) Reserve(ctx context.Context, mark *Mark) (*Reservation, error) {
	if s.last != nil {
		s.last.Release()
	}
	r, err := s.pool.reserve(ctx, s, mark)
	if err != nil {
		return nil, err
	}
	s.last = r
	r.announce()
	return r, nil
}

// End releases the session's last reservation, and calls rested once its port no
// longer rests: at once if it does not, never after the pool is closed.
func (s *Session) End(rested func()) {
	rests := false
	if s.last != nil {
		s.last.Release()
		s.pool.mu.Lock()
		if rests = s.last.slot.resting == s.last && !s.pool.closed; rests {
			s.last.onRested = rested
		}
		s.pool.mu.Unlock()
	}
	if !rests {
		rested()
	}
}

// own is the session's port, if it rests and a reservation with mark m fits
// there. The pool's lock is held.
func (s *Session) own(m *Mark) (port uint16, ok bool) {
	if s.last == nil {
		return 0, false
	}
	sl := s.last.slot
	if sl.resting == nil || sl.source.slots[sl.port] != sl {
		return 0, false
	}
	if s.pool.shares(m) {
		return sl.port, sl.admits(m)
	}
	return sl.port, sl.owner == s && !sl.reserved()
}
