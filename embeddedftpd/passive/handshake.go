package passive

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"
)

// spareHandshakes may be one client's beyond twice its marked reservations.
const spareHandshakes = 16

// resumeGrace is how long a reservation stands after its client has completed a
// handshake without resuming, which may have been somebody else behind the same
// address.
const resumeGrace = 2 * time.Second

// maxUnproven is how much is read of a connection that does not resume, for its client
// to come to the reply.
const maxUnproven = 16 << 20

// handshake is a connection to a port with marked reservations, until it shows whose it
// is.
type handshake struct {
	pool   *Pool
	conn   net.Conn
	source *source // of the client that conn comes from
	slots  *source // whose reservations conn may be for; source, unless foreign connections are admitted
	port   uint16
	newest uint64 // the number of the last reservation announced before conn arrived
	mark   markID // of the ticket that the client showed last

	gone bool          // it is in no list any more
	left chan struct{} // closed then
}

// begin starts the handshake of a connection to sl, and gives one that has to make
// room.
func (p *Pool) begin(c net.Conn, sl *slot, k sourceKey) (evicted net.Conn) {
	c.(*Socket).Wake() // others may close it from now on
	s := p.source(k)
	if len(s.handshakes) >= spareHandshakes+2*sl.source.marked {
		evicted = s.handshakes[0].leave()
	} else if len(p.handshakes) >= p.config.maxHandshakes {
		evicted = p.handshakes[0].leave()
	}
	s = p.source(k) // the eviction may have ended it
	h := &handshake{pool: p, conn: c, source: s, slots: sl.source, port: sl.port, newest: p.announced, left: make(chan struct{})}
	p.handshakes, s.handshakes = append(p.handshakes, h), append(s.handshakes, h)
	p.running.Go(h.run)
	return evicted
}

// leave takes h out of the lists, once, and gives its connection.
func (h *handshake) leave() net.Conn {
	if !h.gone {
		is := func(other *handshake) bool { return other == h }
		h.pool.handshakes = slices.DeleteFunc(h.pool.handshakes, is)
		h.source.handshakes = slices.DeleteFunc(h.source.handshakes, is)
		h.gone = true
		close(h.left)
		h.pool.tidy(h.source)
	}
	return h.conn
}

func (h *handshake) run() {
	p := h.pool
	c, err := h.shake()
	switch {
	case err == nil && p.config.Reuse == ReuseRequired && !c.ConnectionState().DidResume:
		h.unresumed(c)
		err = ErrNotResumed
	case err == nil:
		err = h.finish(c)
	default:
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
	p.refused(h.conn, err.Error())
}

func (h *handshake) shake() (*tls.Conn, error) {
	conn := h.conn
	if err := conn.(*Socket).uncork(); err != nil {
		return nil, err
	}
	held := &ticketHold{Conn: conn}
	c := tls.Server(held, h.config(held))
	conn.SetDeadline(time.Now().Add(h.pool.config.handshakeTimeout))
	err := c.Handshake()
	conn.SetDeadline(time.Time{})
	return c, err
}

// config resumes the sessions of those who wait on this port, and no others.
func (h *handshake) config(held *ticketHold) *tls.Config {
	base, reuse := h.pool.config.TLS, h.pool.config.Reuse
	c := base.Clone()
	c.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := base.DecryptTicket(ticket, cs)
		if ss != nil && err == nil {
			var marked bool
			if h.mark, marked = readMark(ss); marked && h.awaited() {
				return ss, nil
			}
		}
		c.SessionTicketsDisabled = reuse == ReuseRequired && cs.Version == tls.VersionTLS12
		return nil, err
	}
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		// Asked under TLS 1.3 for a client that does not resume: a worthless ticket must not
		// displace the better one that it has.
		c.SessionTicketsDisabled = reuse == ReuseRequired && slices.Contains(hello.SupportedVersions, tls.VersionTLS13) && c.MaxVersion != tls.VersionTLS12
		return base.GetCertificate(hello)
	}
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		// A client that has not resumed has proven no mark and is given none.
		switch {
		case cs.DidResume:
			h.mark.write(ss)
		case reuse == ReuseRequired:
			return nil, nil // under TLS 1.2 an empty ticket is none (RFC 5077 section 3.3)
		}
		held.armed = cs.Version == tls.VersionTLS13
		return base.EncryptTicket(cs, ss)
	}
	return c
}

// unresumed ends the reservations that c can have been for, unless their connections
// come within resumeGrace. The handshake is completed and an upload read, for the
// client to come to the reply: an alert would say no more than "bad certificate".
func (h *handshake) unresumed(c *tls.Conn) {
	p := h.pool
	p.mu.Lock()
	p.stats.Unproven++
	p.mu.Unlock()
	timer := time.NewTimer(resumeGrace)
	defer timer.Stop()
	c.SetDeadline(time.Now().Add(resumeGrace))
	c.CloseWrite()
	io.CopyN(io.Discard, c, maxUnproven)
	select {
	case <-timer.C:
	case <-h.left: // to make room
	case <-p.done:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	evicted := h.gone
	h.leave()
	sl := h.slots.slots[h.port]
	if sl == nil || evicted || p.closed {
		return
	}
	for _, r := range sl.shared {
		switch {
		case r.number == 0 || r.number > h.newest:
		case r.client == h.source.key.client:
			p.end(r, ErrNotResumed)
			p.rest(r)
		default: // it may be anybody's
			p.foreign[netip.AddrPortFrom(r.slot.source.key.local, h.port)] = foreign{h.source.key.client, h.newest}
		}
	}
}

// awaited reports whether a reservation with the mark shown waits here.
func (h *handshake) awaited() bool {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.reservation(true) != nil
}

// reservation is the pending one that this connection belongs to; one announced after
// it came expects another.
func (h *handshake) reservation(resumed bool) *Reservation {
	sl := h.slots.slots[h.port]
	if sl == nil {
		return nil
	}
	r := sl.sole
	if resumed && r == nil {
		r = sl.shared[h.mark]
	}
	if r == nil || r.mark == nil || r.number == 0 || r.number > h.newest || resumed && r.mark.id != h.mark {
		return nil
	}
	return r
}

// finish gives c to its reservation.
func (h *handshake) finish(c *tls.Conn) error {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	evicted := h.gone
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
