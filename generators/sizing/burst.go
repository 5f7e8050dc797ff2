package sizing

import (
	"fmt"
	"math"
)

// BoundBurst is the bound that sessions set which start together.
const BoundBurst = "burst"

// competitors are the sessions that compete for ports in a burst: they exclude each other,
// n of them start within that time and the others continue as before.
type competitors struct {
	sessions, n int
	within      float64 // seconds
	connections int     // of each of the n, one after another
	rate        float64 // of all sessions, a second, without the burst
}

// competing are the sessions of a burst that compete: where addresses do not
// exclude each other, as many as the busiest address has.
func (s *site) competing(b Burst) competitors {
	c := competitors{sessions: s.w.Sessions, within: b.Within.Seconds(), connections: max(1, b.Connections), rate: s.load.rate}
	if s.scope == ScopeAddress {
		c.sessions, c.rate = s.w.perAddress(), s.load.addressRate
	}
	c.n = min(b.Sessions, c.sessions)
	return c
}

// asks is the rate at which the n start, times their connections.
func (c competitors) asks() float64 { return float64(c.n*c.connections) / c.within }

// busy are the shares of their time that a session of the burst, at its worst
// moment, and one outside it spend on something that takes that many seconds a
// data connection. A request of the burst comes at any instant of the time
// with the same probability at most, so that m·E[hold]/T bounds the first for
// any shape of the hold; it is never below the second.
func (c competitors) busy(seconds float64) (burst, outside float64) {
	outside = min(1, c.rate*seconds/float64(c.sessions))
	return max(outside, min(1, float64(c.connections)*seconds/c.within)), outside
}

// others is how many of the other sessions are busy when the last one of the
// burst asks: a binomial number of the n−1, and one of the rest.
func (c competitors) others(seconds float64) counts {
	burst, outside := c.busy(seconds)
	return binomialCounts(c.n-1, burst).plus(binomialCounts(c.sessions-c.n, outside))
}

// burst is bound 4: the sessions that start together. Each burst counts apart,
// beside the traffic.
func (s *site) burst() (Bound, bool) {
	if !s.rated() || s.w.Traffic.Bursts == (Bursts{}) || s.scope == ScopeTLS {
		return Bound{}, false
	}
	b := Bound{Name: BoundBurst}
	for i, share := range s.ofBursts() {
		n, found := smallest(1, func(ports int) bool { return s.meets(share(ports)) })
		if !found {
			n = unreachable
		}
		if n > b.Ports {
			b.Ports, b.Why = n, s.whyBurst(s.w.Traffic.Bursts.All()[i], n, share)
		}
	}
	return b, true
}

// ofBursts is inBurst of the workload's bursts, which takes a while.
func (s *site) ofBursts() []func(ports int) float64 {
	if s.bursts == nil {
		for _, b := range s.w.Traffic.Bursts.All() {
			s.bursts = append(s.bursts, s.inBurst(b))
		}
	}
	return s.bursts
}

// inBurst gives, by the number of ports, the share that a burst's last asker
// is refused, or an upper bound of it: E[1 − α(b)] over what the others hold.
// It is never above the worst case, in which all of them do.
func (s *site) inBurst(b Burst) func(ports int) float64 {
	c := s.competing(b)
	if s.w.WaitsOn(s.p) {
		return s.lateInBurst(c)
	}
	others := c.others(s.heldInBurst())
	if rest := s.resting(); rest > 0 {
		others = others.plus(poissonCounts(rest))
	}
	return func(ports int) float64 {
		pool := s.p.pool(ports, s.w.Objective.Squatted)
		return min(others.mean(func(b int) float64 { return pool.refuses(b + s.w.Objective.Squatted) }), s.lostAtWorst(ports, c.sessions))
	}
}

// heldInBurst is the mean time, in seconds, that a session keeps a port.
func (s *site) heldInBurst() float64 {
	if s.p.Hold == HoldSession {
		const forever = 1e15
		return forever
	}
	return s.load.held(s.p.Hold)
}

// RefusedInBurst is the share of the data connections that the last asker of a
// burst is refused with that many ports, 0 to 1, or an upper bound of it, and
// what it loses to the listen race, which sizes no range: of all of the burst's
// data connections it is less. It is 1 where the workload is in error and 0
// where it trusts no traffic or a port serves any number of sessions.
func RefusedInBurst(p Profile, w Workload, ports int, b Burst) (refused, raced float64) {
	s, err := newSite(p, w)
	switch {
	case err != nil || ports < max(1, p.MinPorts):
		return 1, 0
	case !s.rated() || s.scope == ScopeTLS:
		return 0, 0
	}
	return s.inBurst(b)(ports), s.raceInBurst(ports, b)
}

// mostInBurst is the share that the worst of the bursts refuses.
func (s *site) mostInBurst(ports int) float64 {
	most := 0.0
	if s.rated() && s.scope != ScopeTLS {
		for _, share := range s.ofBursts() {
			most = max(most, share(ports))
		}
	}
	return most
}

// raceInBurst is the share that the last asker of a burst loses to the listen
// race, at the rate at which the burst asks.
func (s *site) raceInBurst(ports int, b Burst) float64 {
	c := s.competing(b)
	if !s.races() {
		return 0
	}
	most := s.mostHeld(ports)
	return c.others(s.heldInBurst()).mean(func(b int) float64 { return s.meetsAnother(ports, c.asks(), min(b, most)) })
}

func (s *site) whyBurst(b Burst, ports int, share func(ports int) float64) string {
	c := s.competing(b)
	who, each := Plural(c.n, "session"), ""
	if s.scope == ScopeAddress {
		who += " of one client address"
	}
	if c.connections > 1 {
		each = fmt.Sprintf(" and ask for %s each, one after another", Plural(c.connections, "data connection"))
	}
	if ports >= unreachable {
		return fmt.Sprintf("%s start within %s%s: no number of ports keeps the refused share within %s", who, duration(c.within), each, Share(s.objective))
	}
	fate := portion(share(ports), "is refused", "are refused")
	if s.p.WhenFull == FullWaits {
		wait := duration(s.w.Objective.MaxWait.Seconds())
		fate = portion(share(ports), "waits longer than "+wait, "wait longer than "+wait)
	}
	return fmt.Sprintf("%s start within %s%s; of what the last one asks for, %s with %s%s",
		who, duration(c.within), each, fate, Plural(ports, "port"), s.aside())
}

// counts is a distribution over whole numbers, from one on.
type counts struct {
	from    int
	weights []float64 // sum to about 1
}

func binomialCounts(n int, p float64) counts {
	return gathered(func(do func(int, float64)) { eachBinomial(n, p, do) })
}

func poissonCounts(mean float64) counts {
	return gathered(func(do func(int, float64)) { eachPoisson(mean, do) })
}

func gathered(each func(do func(x int, probability float64))) counts {
	low, high := math.MaxInt, 0
	each(func(x int, _ float64) { low, high = min(low, x), max(high, x) })
	c := counts{low, make([]float64, high-low+1)}
	each(func(x int, probability float64) { c.weights[x-low] = probability })
	return c
}

// plus is the distribution of the sum of two independent numbers.
func (c counts) plus(d counts) counts {
	if len(d.weights) > len(c.weights) {
		c, d = d, c
	}
	return counts{c.from + d.from, convolve(d.weights, c.weights, math.MaxInt)}
}

// mean is the expectation of a function from 0 to 1 that never falls.
func (c counts) mean(of func(x int) float64) float64 {
	total, all := 0.0, 0.0
	for _, w := range c.weights {
		all += w
	}
	for i := len(c.weights) - 1; i >= 0; i-- {
		share := of(c.from + i)
		if share < negligible {
			break
		}
		total += c.weights[i] * share
	}
	return min(1, total/all)
}
