package embeddedftpd

import (
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
	by       map[netip.Addr]int
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

// has tells whether the client has a session.
func (a *admission) has(client netip.Addr) bool {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[key] > 0
}

// enter counts a client in, or says why it may not come in.
func (a *admission) enter(client netip.Addr) string {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by == nil {
		a.by = map[netip.Addr]int{}
	}
	if a.elsewhere != nil {
		if a.by[key] == 0 && a.elsewhere(client) {
			return toSuccessor
		}
		if a.holding {
			return toWait
		}
	}
	if a.sessions >= a.max {
		return "Too many sessions; try again later."
	}
	if a.by[key] >= a.maxPerAddress {
		return "Too many sessions from your address."
	}
	a.sessions++
	a.by[key]++
	return ""
}

func (a *admission) leave(client netip.Addr) {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions--
	if a.by[key]--; a.by[key] == 0 {
		delete(a.by, key)
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
