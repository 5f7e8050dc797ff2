package embeddedftpd

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// admission counts the control connections, in all and by client.
type admission struct {
	max, maxPerAddress, prefix6 int
	clients                     []netip.Prefix // empty: everyone
	// exclusive: ports at rest count towards max, too (ForeignData).
	exclusive bool

	mu        sync.Mutex
	sessions  int
	resting   int // all addresses'
	by        map[netip.Addr]*address
	newcomers []*place // all that have not logged in, oldest first
	// elsewhere tells, during a hand-over, whether a client is the successor's; holding:
	// others wait.
	elsewhere func(netip.Addr) bool
	holding   bool
}

// divert begins a hand-over, or ends it where elsewhere is nil, which is asked under
// the lock.
func (a *admission) divert(elsewhere func(netip.Addr) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.elsewhere, a.holding = elsewhere, false
}

// hold lets no more sessions begin while the server hands over.
func (a *admission) hold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holding = true
}

// address is what one client's control connections hold. It exists as long as that.
type address struct {
	sessions  int      // control connections, with those that wait
	resting   int      // passive ports that ended sessions have left, at rest
	waiting   []*place // in order of arrival
	newcomers int      // those of them that have not logged in
}

// place is one control connection's place among those of its address.
type place struct {
	key       netip.Addr
	at        *address
	since     time.Time
	turn      chan struct{} // closed when the session may begin
	onCrowded func()
	gone      bool // it holds nothing any more
}

// has reports whether the client has a session, or a port that one has left.
func (a *admission) has(client netip.Addr) bool {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[key] != nil
}

// newcomerPatience is how long a newcomer is safe from being ended for others.
const newcomerPatience = 5 * time.Second

// quarter is how many of n sessions connections that have not logged in may hold.
func quarter(n int) int { return max(n/4, 2) }

// enter gives a client a place, or says why not. Sessions and ports at rest together
// never exceed maxPerAddress: a session beyond that waits for the end of a rest.
func (a *admission) enter(client netip.Addr, now time.Time) (*place, string) {
	key := passive.ClientKey(client, a.prefix6)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.elsewhere != nil {
		if a.by[key] == nil && a.elsewhere(client) {
			return nil, toSuccessor
		}
		if a.holding {
			return nil, toWait
		}
	}
	if !a.allowed(client) {
		return nil, "This server does not serve your address."
	}
	a.makeRoom(key, now)
	at := a.by[key]
	switch {
	case a.sessions >= a.max, a.exclusive && a.sessions+a.resting >= a.max:
		return nil, "Too many sessions; try again later."
	case at == nil:
		at = &address{}
		a.by[key] = at
	case at.sessions >= a.maxPerAddress:
		return nil, "Too many sessions from your address."
	}
	a.sessions++
	at.sessions++
	p := &place{key: key, at: at, since: now, turn: make(chan struct{})}
	at.waiting = append(at.waiting, p)
	a.newcomers = append(a.newcomers, p)
	at.newcomers++
	a.grant(at)
	return p, ""
}

func (a *admission) allowed(client netip.Addr) bool {
	return len(a.clients) == 0 || slices.ContainsFunc(a.clients, func(p netip.Prefix) bool { return p.Contains(client) })
}

// makeRoom ends newcomers where one more would be too many: the oldest of its address,
// or of the address that has most, but none that is young.
func (a *admission) makeRoom(key netip.Addr, now time.Time) {
	for at := a.by[key]; at != nil && at.newcomers >= quarter(a.maxPerAddress) && a.crowdOut(at, now); {
	}
	for len(a.newcomers) >= quarter(a.max) && a.newcomers[0].old(now) && a.crowdOut(a.mostNewcomers(), now) {
	}
}

func (p *place) old(now time.Time) bool { return now.Sub(p.since) >= newcomerPatience }

// mostNewcomers is the address that has most; of several, the one that has had one for
// longest.
func (a *admission) mostNewcomers() (most *address) {
	for _, p := range a.newcomers {
		if most == nil || p.at.newcomers > most.newcomers {
			most = p.at
		}
	}
	return most
}

// crowdOut ends the oldest newcomer of at, which gives up its place at once, unless
// that is young.
func (a *admission) crowdOut(at *address, now time.Time) bool {
	i := slices.IndexFunc(a.newcomers, func(p *place) bool { return p.at == at })
	if i < 0 || !a.newcomers[i].old(now) {
		return false
	}
	p := a.newcomers[i]
	a.remove(p)
	p.gone = true
	a.tidy(p)
	if p.onCrowded != nil {
		p.onCrowded()
	}
	return true
}

// onCrowded says how p's connection is ended. crowdOut calls it under the lock.
func (a *admission) onCrowded(p *place, end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.onCrowded = end; p.gone {
		end()
	}
}

// remove takes p's connection out of the counts.
func (a *admission) remove(p *place) {
	a.sessions--
	p.at.sessions--
	if i := slices.Index(p.at.waiting, p); i >= 0 {
		p.at.waiting = slices.Delete(p.at.waiting, i, i+1)
	}
	a.known(p)
}

// tidy follows on what has been given up at p's address.
func (a *admission) tidy(p *place) {
	a.grant(p.at)
	if p.at.sessions == 0 && p.at.resting == 0 {
		delete(a.by, p.key)
	}
}

// loggedIn takes p from the connections that have not logged in.
func (a *admission) loggedIn(p *place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known(p)
}

func (a *admission) known(p *place) {
	if i := slices.Index(a.newcomers, p); i >= 0 {
		a.newcomers = slices.Delete(a.newcomers, i, i+1)
		p.at.newcomers--
	}
}

// leave gives up a place, but not the port that its session may leave at rest, until
// rested.
func (a *admission) leave(p *place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !p.gone {
		a.remove(p)
		a.resting++
		p.at.resting++
	}
}

func (a *admission) rested(p *place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !p.gone {
		p.gone = true
		a.resting--
		p.at.resting--
		a.tidy(p)
	}
}

// grant lets those begin who wait, while there is room.
func (a *admission) grant(at *address) {
	for len(at.waiting) > 0 && at.sessions-len(at.waiting)+at.resting < a.maxPerAddress {
		close(at.waiting[0].turn)
		at.waiting = at.waiting[1:]
	}
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions
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

// count changes the counters.
func (s *Server) count(do func(*Stats)) {
	s.statsMu.Lock()
	defer s.statsMu.Unlock()
	do(&s.stats)
}

// Stats returns the counters.
func (s *Server) Stats() (now Stats) {
	s.count(func(is *Stats) { now = *is })
	now.Sessions, now.Passive = s.admission.count(), s.pool.Stats()
	return now
}
