package sizing

import (
	"fmt"
	"strings"
)

// Names of the bounds, in the order in which a Result lists them.
const (
	BoundContention = "contention"  // sessions that want a port at the same time
	BoundPerAddress = "per_address" // sessions of one client address
	BoundFourTuples = "four_tuples" // source ports of one client address
	BoundServer     = "server"      // what the server itself demands
)

// Size is the smallest number of ports that is safe for the workload on a
// server with this profile: the largest of the bounds, all of which it keeps.
//
// Its errors are a *WorkloadError for numbers that no workload can have, a
// *TrafficError if nothing can be said without traffic, an *OverloadError
// if the sessions cannot carry the rate on any number of ports, and an
// *UnreachableError if no range on one address, or the one range that the
// server has, is enough; with the last of them the Result holds what the
// largest range gives.
func Size(p Profile, w Workload) (Result, error) {
	s, err := newSite(p, w)
	if err != nil {
		return Result{}, err
	}
	var r Result
	for _, bound := range []func() (Bound, bool){s.contention, s.listenRace, s.perAddress, s.fourTuples, s.burst, s.server} {
		b, applies := bound()
		if !applies {
			continue
		}
		r.Bounds = append(r.Bounds, b)
		if b.Ports > r.Ports {
			r.Ports, r.Binding = b.Ports, b.Name
		}
	}
	limit := MaxPorts
	if p.FixedPorts > 0 {
		limit = p.FixedPorts
	}
	needs, short := 0, false
	switch {
	case r.Ports > limit:
		if r.Ports < unreachable {
			needs = r.Ports
		}
		r.Ports, short = limit, true
	case s.races() && s.rated() && !s.meets(s.reachable()):
		r.Ports, r.Binding, short = s.worstPorts(), BoundListenRace, true
	}
	r.Objective, r.Refused = s.objective, s.refused(r.Ports)
	if !short {
		r.Binding = s.binding(r)
	}
	r.OnePort = s.onePort(r)
	if short {
		return r, &UnreachableError{Profile: p, Bound: r.Binding, Limit: r.Ports, Needs: needs, Wanted: s.objective, Refused: r.Refused, workload: w}
	}
	return r, nil
}

// Check returns the errors of Size that no number of ports could mend.
func Check(p Profile, w Workload) error {
	_, err := newSite(p, w)
	return err
}

// Refused is the refused share that a range of this many ports gives, 0 to 1:
// of the data connections if the workload has traffic, and else of those
// asked for while all other sessions hold their ports, and what the listen race
// takes of a start of all sessions within 1 s. It is 1 if the workload is in
// error or the server does not take such a range.
func Refused(p Profile, w Workload, ports int) float64 { return Curve(p, w)(ports) }

// Curve is Refused by the number of ports, for who asks about many: what one
// answer takes serves the next. It is not safe for concurrent use.
func Curve(p Profile, w Workload) func(ports int) float64 {
	s, err := newSite(p, w)
	if err != nil {
		return func(int) float64 { return 1 }
	}
	return s.refused
}

// Steady is Curve without what the listen race takes of a start of all sessions, which
// sizes no range.
func Steady(p Profile, w Workload) func(ports int) float64 {
	s, err := newSite(p, w)
	if err != nil {
		return func(int) float64 { return 1 }
	}
	s.apart = true
	return s.refused
}

// binding is the name of the largest bound, and where several are as large that
// of the one that gives the refused share.
func (s *site) binding(r Result) string {
	best, most := r.Binding, -1.0
	for _, b := range r.Bounds {
		if b.Ports != r.bound(r.Binding).Ports {
			continue
		}
		share := 0.0
		switch {
		case b.Name == BoundContention && s.scope == ScopePort:
			share = s.lost(r.Ports, s.w.Sessions)
		case b.Name == BoundListenRace:
			share = s.lost(r.Ports, s.w.Sessions) + s.race(r.Ports)
		case b.Name == BoundPerAddress && s.scope == ScopeAddress:
			share = s.lost(r.Ports, s.w.perAddress())
		case b.Name == BoundFourTuples:
			share = s.withoutTuple(r.Ports)
		case b.Name == BoundBurst:
			share = s.mostInBurst(r.Ports)
		}
		if share > most {
			best, most = b.Name, share
		}
	}
	return best
}

// unreachable stands for a number of ports if none is enough.
const unreachable = 1 << 30

// site is a workload on a server, checked and with its defaults filled in.
type site struct {
	p     Profile
	w     Workload
	load  *load // nil without traffic
	scope Scope
	apart bool // a start does not count, see Steady
	// objective is the share that may be refused: the workload's, or a default.
	objective float64
	// bursts have what inBurst gave for the bursts of the workload.
	bursts []func(ports int) float64
	// waiting is what late asks more than once.
	waiting *queue
	lates   map[int]float64 // late, by the number of ports
}

func newSite(p Profile, w Workload) (*site, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	s := &site{p: p, w: w, load: loadOf(p, w), scope: w.ScopeOn(p)}
	if s.load == nil && p.PortRest > 0 {
		return nil, &TrafficError{Profile: p}
	}
	if s.rated() {
		if err := s.load.overloaded(); err != nil {
			return nil, err
		}
	}
	if s.load != nil && s.scope == ScopePort && w.WaitsOn(p) {
		// All sessions wait for each other, as else those of one address do.
		s.load.perAddress, s.load.addressRate = w.Sessions, s.load.rate
	}
	s.objective = s.aim()
	return s, nil
}

// worst reports whether every session may hold a port at once: nothing
// is known about the traffic, or nothing is trusted. A client that sends PASV
// and then NOOP for ever holds a port on most servers for as long as its
// session lives. A server that holds until the session ends leaves no choice.
func (s *site) worst() bool {
	return s.load == nil || s.w.Objective.WorstCase || s.p.Hold == HoldSession
}

// contention is bound 1: the sessions that compete for a port.
func (s *site) contention() (Bound, bool) {
	b := Bound{Name: BoundContention}
	if s.scope != ScopePort {
		b.Ports = 1 + s.idle()
		b.Why = "a port serves any number of client addresses at once" + s.aside()
		return b, true
	}
	b.Ports = s.fewest(s.w.Sessions)
	b.Why = s.whyContention(b.Ports, s.w.Sessions, "")
	return b, true
}

// perAddress is bound 2: the sessions of one client address that compete for
// a port where different addresses do not.
func (s *site) perAddress() (Bound, bool) {
	b := Bound{Name: BoundPerAddress, Ports: 1}
	switch s.scope {
	case ScopePort:
		b.Why = "one session has a port at a time, whatever its address: contention counts all sessions"
	case ScopeTLS:
		b.Ports += s.idle()
		b.Why = "TLS tells the sessions of one address apart on one port" + s.aside()
	default:
		n := s.w.perAddress()
		b.Ports = s.fewest(n)
		b.Why = s.whyContention(b.Ports, n, " of one client address")
	}
	return b, true
}

// fewest is the smallest number of ports on which that many sessions, each
// excluding the others, meet the objective.
func (s *site) fewest(sessions int) int {
	n, found := smallest(1, func(ports int) bool {
		return s.meets(s.lost(ports, sessions))
	})
	if !found {
		if !s.worst() {
			return unreachable
		}
		if s.p.Pick == PickScan && s.resting() == 0 {
			return sessions + s.idle()
		}
		return unreachable
	}
	return n
}

// meets reports whether a refused share is within the objective, apart from the
// last digits of a float: (1/10)^1 is within 0.1.
func (s *site) meets(refused float64) bool {
	return refused <= s.objective*(1+1e-9)
}

// lost is the refused share where that many sessions compete for the ports.
func (s *site) lost(ports, sessions int) float64 {
	switch {
	case s.worst():
		return s.lostAtWorst(ports, sessions)
	case s.w.WaitsOn(s.p):
		return s.late(ports)
	default:
		// Ports that rest leave the chain without a limit to its sources.
		return min(batches{s.chain(ports, sessions), s.load.parallel}.refused(), s.lostAtWorst(ports, sessions))
	}
}

// lostAtWorst is the refused share where all sessions hold a port, as the one
// that asked last finds it. Ports that rest in TIME_WAIT come on top: by
// Little's law their number is λ·(1−a)·rest on average, and Poisson, for it
// takes any number of ports to be used and to rest.
func (s *site) lostAtWorst(ports, sessions int) float64 {
	pool, taken := s.p.pool(ports, s.w.Objective.Squatted), sessions-1+s.w.Objective.Squatted
	if s.resting() == 0 {
		return pool.refuses(taken)
	}
	refused := 0.0
	eachPoisson(s.resting(), func(x int, probability float64) {
		refused += probability * pool.refuses(taken+x)
	})
	return refused
}

// resting is the mean number of ports in TIME_WAIT.
func (s *site) resting() float64 {
	if s.load == nil {
		return 0
	}
	return s.load.rate * (1 - s.load.abandoned) * s.p.PortRest.Seconds()
}

// chain is the birth–death chain of that many sessions on the ports. Where
// ports rest after use, a session that has given up one port may hold the
// next, and the sources are no longer finite.
func (s *site) chain(ports, sessions int) chain {
	h, rate := s.load.held(s.p.Hold), s.load.rate
	if s.scope == ScopeAddress || s.w.WaitsOn(s.p) {
		rate = s.load.addressRate
	}
	if s.w.WaitsOn(s.p) {
		h += (1 - s.load.abandoned) * LostSYN * SYNTimeout
	}
	c := chain{pool: s.p.pool(ports, s.w.Objective.Squatted), squatted: s.w.Objective.Squatted}
	if rest := s.p.PortRest.Seconds(); rest > 0 {
		c.offered = rate * (h + (1-s.load.abandoned)*rest)
		return c
	}
	if s.load.open {
		c.offered = rate * h
		return c
	}
	c.sources, c.offered = sessions, offeredBy(sessions, rate, h)
	return c
}

// server is bound 4: what the server itself demands.
func (s *site) server() (Bound, bool) {
	b := Bound{Name: BoundServer, Ports: max(1, s.p.MinPorts)}
	b.Why = fmt.Sprintf("%s takes a range of %s", s.p.Title, Plural(b.Ports, "port"))
	if s.p.FixedPorts > 0 {
		b.Ports = s.p.FixedPorts
		b.Why = fmt.Sprintf("%s has a fixed range of %s", s.p.Title, Plural(b.Ports, "port"))
	}
	if n := s.p.PortsPerSession * s.w.Sessions; n > b.Ports {
		b.Ports = n
		b.Why = fmt.Sprintf("%s admits one session for every %s of its range: %d x %s",
			s.p.Title, Plural(s.p.PortsPerSession, "port"), s.p.PortsPerSession, Plural(s.w.Sessions, "session"))
	}
	return b, true
}

// idle is the number of ports in a range that no session ever gets.
func (s *site) idle() int { return s.w.Objective.Squatted + s.p.NeverDrawn }

func (s *site) aside() string {
	var parts []string
	if k := s.w.Objective.Squatted; k > 0 {
		parts = append(parts, fmt.Sprintf("%s may be squatted", Plural(k, "port")))
	}
	if n := s.p.NeverDrawn; n > 0 {
		parts = append(parts, fmt.Sprintf("%s never draws %s", s.p.Title, Plural(n, "port")))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// refused is the share that a range of this many ports refuses.
func (s *site) refused(ports int) float64 {
	if ports < 1 || ports < s.p.MinPorts {
		return 1
	}
	if s.scope == ScopeTLS {
		if ports <= s.idle() {
			return 1
		}
		return s.withoutTuple(ports)
	}
	return max(s.mostInBurst(ports), s.refusedSteadily(ports), s.withoutTuple(ports))
}

// refusedSteadily is refused without the bursts.
func (s *site) refusedSteadily(ports int) float64 {
	switch s.scope {
	case ScopePort:
		r := min(1, s.lost(ports, s.w.Sessions)+s.race(ports))
		if each := s.p.PortsPerSession; each > 0 {
			turnedAway := 1 - float64(ports/each)/float64(s.w.Sessions)
			r = max(r, turnedAway)
		}
		return r
	default:
		return s.lost(ports, s.w.perAddress())
	}
}
