package passive

import (
	"context"
	"net/netip"
)

// Session is one control connection's share of the pool: at most one port, reserved or
// at rest, which it gets back for itself. So N sessions of one client never need more
// than N ports. Its methods are for one goroutine at a time.
type Session struct {
	// OnWait, if not nil, is called when Reserve begins to wait, and what it returns at
	// the end of the wait, which cancel brings about.
	OnWait func(cancel context.CancelFunc) (done func())

	pool *Pool
	key  sourceKey
	last *Reservation
}

// Session makes that of a control connection from client to local.
func (p *Pool) Session(client, local netip.Addr) *Session {
	return &Session{pool: p, key: p.key(client, local)}
}

// Reserve releases the session's last reservation and claims a port for the next: its
// own if that rests, else a free one, or waits its turn in order of arrival. mark is
// nil for clear text. The error is a BusyError, ErrClosed or ctx's.
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

// End releases the last reservation, and calls rested once its port no longer rests: at
// once if it does not, never after the pool is closed.
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

// own is the session's port, if it rests and a reservation with mark m fits there.
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
