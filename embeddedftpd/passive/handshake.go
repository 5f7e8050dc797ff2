package passive

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"
)

// spareHandshakes is what one client may have in handshake beyond twice its
// marked reservations.
const spareHandshakes = 16

var errNotResumed = errors.New("the data connection does not resume its control connection's TLS session")

// handshake is a connection to a port where marked reservations are pending,
// until its TLS session shows whose it is.
type handshake struct {
	pool   *Pool
	conn   arrival
	source *source
	port   uint16
	newest uint64 // the number of the last reservation announced before conn arrived
	mark   markID // of the ticket that the client showed last

	inPool, inSource *list.Element
}

// begin starts the handshake of a connection to sl. It gives the connection
// that has to make room, if one has to.
func (p *Pool) begin(c arrival, sl *slot) (evicted arrival) {
	s := sl.source
	if s.handshakes.Len() >= spareHandshakes+2*s.marked {
		evicted = s.handshakes.Front().Value.(*handshake).leave()
	} else if p.handshakes.Len() >= p.config.MaxHandshakes {
		evicted = p.handshakes.Front().Value.(*handshake).leave()
	}
	h := &handshake{pool: p, conn: c, source: s, port: sl.port, newest: p.announced}
	h.inPool, h.inSource = p.handshakes.PushBack(h), s.handshakes.PushBack(h)
	p.running.Go(h.run)
	return evicted
}

// leave takes h out of the lists, once, and gives its connection.
func (h *handshake) leave() arrival {
	if h.inPool != nil {
		h.pool.handshakes.Remove(h.inPool)
		h.source.handshakes.Remove(h.inSource)
		h.inPool, h.inSource = nil, nil
		h.pool.tidy(h.source)
	}
	return h.conn
}

func (h *handshake) run() {
	p := h.pool
	c, err := h.shake()
	if err == nil {
		err = h.finish(c)
	} else {
		p.mu.Lock()
		h.leave()
		p.stats.Unproven++
		p.mu.Unlock()
	}
	if err == nil {
		return
	}
	// Without a reset: the alert says why.
	h.conn.Close()
	p.config.Log.LogAttrs(context.Background(), slog.LevelDebug, "data connection refused",
		slog.Any("why", err), slog.Any("from", h.conn.RemoteAddr()), slog.Any("to", h.conn.LocalAddr()))
}

func (h *handshake) shake() (*tls.Conn, error) {
	conn, err := whole(h.conn)
	if err != nil {
		return nil, err
	}
	held := &ticketHold{Conn: conn}
	c := tls.Server(held, h.config(held))
	conn.SetDeadline(time.Now().Add(h.pool.config.HandshakeTimeout))
	err = c.Handshake()
	conn.SetDeadline(time.Time{})
	return c, err
}

// config is the pool's configuration for this connection: it resumes sessions
// of those who wait on this port, and no others.
func (h *handshake) config(held *ticketHold) *tls.Config {
	base, reuse := h.pool.config.TLS, h.pool.config.Reuse
	c := base.Clone()
	c.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := base.DecryptTicket(ticket, cs)
		if ss == nil || err != nil {
			return nil, err
		}
		var marked bool
		if h.mark, marked = readMark(ss); !marked || !h.awaited() {
			return nil, nil
		}
		return ss, nil
	}
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if !cs.DidResume && reuse == ReuseRequired {
			return errNotResumed
		}
		if base.VerifyConnection != nil {
			return base.VerifyConnection(cs)
		}
		return nil
	}
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		// A ticket starts without marks, also where it follows on a marked one. A
		// client that has not resumed has proven no mark and is given none, and where
		// that makes the ticket worthless, it must not displace a better one.
		switch {
		case cs.DidResume:
			h.mark.write(ss)
		case reuse == ReuseRequired:
			return nil, errNotResumed
		}
		held.armed = cs.Version == tls.VersionTLS13
		return base.EncryptTicket(cs, ss)
	}
	return c
}

// awaited is whether a reservation with the mark shown waits here.
func (h *handshake) awaited() bool {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.reservation(true) != nil
}

// reservation is the pending one that this connection belongs to, nil if there
// is none. It was announced before the connection came: a later one of the same
// session or address expects another.
func (h *handshake) reservation(resumed bool) *Reservation {
	sl := h.source.slots[h.port]
	if sl == nil {
		return nil
	}
	r := sl.sole
	if resumed && r == nil {
		r = sl.shared[h.mark]
	}
	switch {
	case r == nil || r.mark == nil || r.number == 0 || r.number > h.newest:
		return nil
	case resumed && r.mark.id != h.mark:
		return nil
	}
	return r
}

// finish gives c to its reservation.
func (h *handshake) finish(c *tls.Conn) error {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	evicted := h.inPool == nil
	r := h.reservation(c.ConnectionState().DidResume)
	if r == nil || evicted || p.closed {
		h.leave()
		p.stats.Unproven++
		return errors.New("its reservation has ended")
	}
	p.deliver(r, c)
	h.leave()
	p.vacate(r.slot)
	return nil
}
