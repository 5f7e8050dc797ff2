package embeddedftpd

import (
	"container/list"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// admission counts the control connections, in all and by client: an IPv4
// address or an IPv6 prefix.
type admission struct {
	max, maxPerAddress, prefix6 int

	mu       sync.Mutex
	sessions int
	by       map[netip.Addr]*address
	// elsewhere tells, while the server hands over, whether a client without a
	// session is the successor's, and holding whether the others have to wait.
	elsewhere func(netip.Addr) bool
	holding   bool
}

// divert begins a hand-over, or ends it where elsewhere is nil. It is asked
// under the lock, so that no two connections of a client get different answers.
func (a *admission) divert(elsewhere func(netip.Addr) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.elsewhere, a.holding = elsewhere, false
}

func (a *admission) diverted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.elsewhere != nil
}

// hold lets no more sessions begin while the server hands over.
func (a *admission) hold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holding = true
}

// address is what the control connections of one client hold. It exists while
// they hold something.
type address struct {
	sessions int       // control connections, with those that wait
	resting  int       // passive ports that ended sessions have left, at rest
	waiting  list.List // of *place, in order of arrival
}

// place is one control connection's place among those of its address.
type place struct {
	key     netip.Addr
	waiting *list.Element // in address.waiting, until it is its turn
	turn    chan struct{} // closed then
}

// has reports whether the client has a session, or a port that one has left.
func (a *admission) has(client netip.Addr) bool {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[key] != nil
}

// enter gives a client a place, or says why it may not come in. Sessions and
// ports at rest together never exceed maxPerAddress, for which the passive ports
// may be sized: a session beyond that waits for the end of a rest.
func (a *admission) enter(client netip.Addr) (*place, string) {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.by[key]
	if a.elsewhere != nil {
		if at == nil && a.elsewhere(client) {
			return nil, toSuccessor
		}
		if a.holding {
			return nil, toWait
		}
	}
	if a.sessions >= a.max {
		return nil, "Too many sessions; try again later."
	}
	if at == nil {
		at = &address{}
		if a.by == nil {
			a.by = map[netip.Addr]*address{}
		}
		a.by[key] = at
	}
	if at.sessions >= a.maxPerAddress {
		return nil, "Too many sessions from your address."
	}
	a.sessions++
	at.sessions++
	p := &place{key: key, turn: make(chan struct{})}
	p.waiting = at.waiting.PushBack(p)
	a.grant(at)
	return p, ""
}

// leave gives up a place, except for the port that its session may leave at
// rest, until rested.
func (a *admission) leave(p *place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.by[p.key]
	a.sessions--
	at.sessions--
	if p.waiting != nil {
		at.waiting.Remove(p.waiting)
	}
	at.resting++
}

func (a *admission) rested(p *place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.by[p.key]
	at.resting--
	a.grant(at)
	if at.sessions == 0 && at.resting == 0 {
		delete(a.by, p.key)
	}
}

// grant lets those begin who wait, while there is room.
func (a *admission) grant(at *address) {
	for e := at.waiting.Front(); e != nil && at.sessions-at.waiting.Len()+at.resting < a.maxPerAddress; e = at.waiting.Front() {
		p := at.waiting.Remove(e).(*place)
		p.waiting = nil
		close(p.turn)
	}
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions
}

// totals count since the server was made.
type totals struct {
	sessions, refused, logins, failedLogins, transfers, failedTransfers atomic.Uint64
	sent, received                                                      atomic.Uint64
}

// Stats is a snapshot of the server's counters.
type Stats struct {
	Sessions        int    // control connections now
	TotalSessions   uint64 // admitted since the start
	RefusedSessions uint64 // turned away: not a client, or too many
	Logins          uint64
	FailedLogins    uint64
	Transfers       uint64 // ended well, listings included
	FailedTransfers uint64
	BytesSent       uint64 // over data connections
	BytesReceived   uint64
	Passive         passive.Stats
}

// Stats returns the counters, each by itself exact.
func (s *Server) Stats() Stats {
	return Stats{
		Sessions:        s.admission.count(),
		TotalSessions:   s.totals.sessions.Load(),
		RefusedSessions: s.totals.refused.Load(),
		Logins:          s.totals.logins.Load(),
		FailedLogins:    s.totals.failedLogins.Load(),
		Transfers:       s.totals.transfers.Load(),
		FailedTransfers: s.totals.failedTransfers.Load(),
		BytesSent:       s.totals.sent.Load(),
		BytesReceived:   s.totals.received.Load(),
		Passive:         s.pool.Stats(),
	}
}
