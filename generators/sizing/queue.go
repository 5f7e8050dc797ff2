package sizing

import (
	"cmp"
	"math"
	"slices"
)

// LostSYN is the share of the data connections whose first SYN is taken to be
// lost, and SYNTimeout, in seconds, how much longer they then take: the first
// retransmission timeout of RFC 6298 section 2. A stated mean of the connect
// time excludes them.
const (
	LostSYN    = 0.001
	SYNTimeout = 1.0
)

// queue is the requests of one client address that wait for a port, first
// come, first served, where each port is held for the time until the client
// connects, or for an abandoned hold.
//
// Here the shape of the hold matters. A request that arrives at 0 and waits
// longer than w has met ports that are all busy from some time −u to w with
// requests from before 0. Each of them keeps at most one port busy at a time,
// so that c ports are busy all that time only where
//
//	Σ min(1, (what request i has left to hold within the window) / (u + w)) ≥ c.
//
// By Chernoff's bound the chance of that is at most e^(Λ(φ,u) − φc) for any
// φ > 0, where Λ is the sum's cumulant function: of the requests that hold a
// port at −u, see before, and of those that come later, see since. The share of
// late requests is the largest over u of the least over φ. With one port and
// constant holds that is J. F. C. Kingman's bound (J. Austral. Math. Soc. 8
// (1968)) or a little above. See excess for how much of Chernoff's excess is
// taken off. Leaving the impatient ones in the queue errs on the safe side.
type queue struct {
	rate      float64 // requests a second
	sessions  int
	batch     int // requests in the same instant
	wait      float64
	hold      float64 // mean
	holds     []hold
	cumulants [][]cumulant // by u, then φ
}

// cumulant is what Λ(φ, u) is made of, where a request adds X to the sum.
type cumulant struct {
	one    float64 // ln E[e^X] of one request that holds a port at −u
	before float64 // of all that do, with infinitely many sources
	since  float64 // of those between −u and 0, for each request a second
	own    float64 // of those of the same batch
}

// The φ and the u that are looked at, in geometric steps: any φ gives a bound,
// and the best one is flat; u is in seconds.
const (
	leastPhi, phiStep, phis = 5e-4, 1.25, 52 // to 45
	leastU, uStep, us       = 1e-3, 2, 24    // to 1.2 h, after 0
)

// newQueue is the queue of the busiest address.
func newQueue(l *load, wait float64) *queue {
	q := &queue{
		rate: l.addressRate, sessions: l.perAddress, batch: l.parallel, wait: wait,
		hold: l.listening() + (1-l.abandoned)*LostSYN*SYNTimeout, holds: l.holds(),
	}
	if l.open {
		q.sessions = MaxSessions * 100
	}
	return q
}

// late is an upper bound of the share of the requests that wait too long for
// one of so many ports.
func (q *queue) late(ports int) float64 {
	if q.rate == 0 {
		return 0
	}
	const farBelow = 25 // what falls that far does not rise again
	worst, u := math.Inf(-1), 0.0
	for i := range us + 1 {
		if i == len(q.cumulants) {
			q.cumulants = append(q.cumulants, q.cumulantsAt(u))
		}
		if least := q.least(q.cumulants[i], u, ports); least > worst {
			worst = least
		} else if least < worst-farBelow {
			break
		}
		u = leastU * math.Pow(uStep, float64(i))
	}
	return math.Exp(worst)
}

// least is the least of Λ(φ, u) − φc over φ, at most 0.
func (q *queue) least(cumulants []cumulant, u float64, ports int) float64 {
	least, phi, meanBefore, meanSince := 0.0, leastPhi, 0.0, 0.0
	for i, c := range cumulants {
		before, above := q.before(c, ports)
		since := q.since(c, u, ports)
		if i == 0 {
			meanBefore, meanSince = before/phi, since/phi
		}
		if !(above >= 0) {
			above = min(before-phi*meanBefore, float64(q.sessions)/4)
		}
		excess := q.excess(above+since-phi*meanSince, u)
		least = min(least, before+since+c.own-excess-phi*float64(ports))
		phi *= phiStep
	}
	return least
}

// excess is the logarithm of what Chernoff's bound has too much: √(2πσ²φ²) by
// the saddlepoint of H. E. Daniels (Ann. Math. Statist. 25 (1954) 631-650), here
// at most √(1 + 2πK), where K is Λ less its mean, divided by the 1 + u/2h times
// that differ enough for each to count. Of those before, K is at most the
// variance of their number. A sum of batches is as coarse as they are large, and
// K counts in their size.
func (q *queue) excess(above, u float64) float64 {
	n := float64(q.batch)
	excess := math.Log1p(2*math.Pi*max(0, above)/n) / 2
	return max(0, excess-math.Log1p(u/q.hold/2))
}

// before is the cumulant of the requests that hold a port at −u: each of the n
// other sessions has one with the same probability p, as with infinitely many
// ports, but no more than c of them: who waits at −u came after a still earlier
// −u. If e^X makes more than c likely, Bin(n, p) being c is what counts, at the
// cost of n times the relative entropy of c/n to p. Then above is what the
// cumulant has above its mean; otherwise it is below 0.
func (q *queue) before(c cumulant, ports int) (cumulant, above float64) {
	n, s := float64(q.batch), float64(q.sessions)
	others := (s - 1) / n
	if others <= 0 {
		return 0, -1
	}
	cumulant = others * math.Log1p(c.before*n/s)
	if q.batch > 1 { // the last batch found a free port
		return min(cumulant, (float64(ports)+n-1)*c.one), -1
	}
	p, k := q.rate*q.hold/s, float64(ports)/others
	if p >= k || k >= 1 {
		return cumulant, -1
	}
	weight := k * (1 - p) / (p * (1 - k))
	if weight >= math.Exp(c.one) {
		return cumulant, -1
	}
	entropy := k*math.Log(k/p) + (1-k)*math.Log((1-k)/(1-p))
	above = others * min(math.Log1p(p*(weight-1))-p*math.Log(weight), k*(1-k))
	return float64(ports)*c.one - others*entropy, above
}

// since is the cumulant of the requests between −u and 0. All ports are busy
// then, so that as many sessions do not ask, nor do those of the request's own
// batch. Each of the others asks once in the time that it is away, and but once
// in the time that it holds a port.
func (q *queue) since(c cumulant, u float64, ports int) float64 {
	n, s, busy := float64(q.batch), float64(q.sessions), float64(ports)
	// Where few sessions are left, a batch is smaller than usual.
	asking := min(s-1-busy, max(n, s-n-busy))
	if asking <= 0 {
		return 0
	}
	sources := asking / n * max(1, u/q.hold)
	away := max(s/q.rate-q.hold, leastU)
	return sources * math.Log1p(c.since*asking/away/sources)
}

// cumulantsAt is cumulant for every φ.
func (q *queue) cumulantsAt(u float64) []cumulant {
	all := make([]cumulant, phis)
	phi := leastPhi
	for j := range all {
		all[j] = q.cumulant(phi, u)
		phi *= phiStep
	}
	return all
}

// cumulant is the parts of Λ(φ, u). A request that holds for h adds, in units
// of φ over the window's length y = u + w, min(what is left of h at −u, y) where
// it was there at −u, and min(h, v + w) where it arrives at −v, v < u.
func (q *queue) cumulant(phi, u float64) cumulant {
	y := u + q.wait
	if y == 0 {
		if q.batch > 1 {
			return q.batchCumulant(cumulant{one: phi}, phi, u)
		}
		return cumulant{one: phi, before: q.rate * q.hold * math.Expm1(phi)}
	}
	theta, before, since := phi/y, 0.0, 0.0
	all, waited := math.Expm1(phi), math.Expm1(theta*q.wait)
	for _, h := range q.holds {
		one := math.Expm1(theta * min(h.seconds, y))
		before += h.share * (one/theta - min(h.seconds, y) + max(0, h.seconds-y)*all)
		if h.seconds <= q.wait {
			since += h.share * u * one
		} else {
			since += h.share * ((one-waited)/theta - (min(h.seconds, y) - q.wait) + max(0, y-h.seconds)*one)
		}
	}
	c := cumulant{one: math.Log1p(before / q.hold), before: q.rate * before, since: since}
	if q.batch > 1 {
		return q.batchCumulant(c, phi, u)
	}
	return c
}

// batchCumulant is cumulant where requests come in batches, which add what the
// requests of each do, and where each has those of its own batch before it that
// asked first.
// Between the kinks, at the holds, what they add is convex, so that the
// trapezoids lie above it.
func (q *queue) batchCumulant(c cumulant, phi, u float64) cumulant {
	y, n := u+q.wait, float64(q.batch)
	theta := phi / max(y, 1e-9)
	batch := func(left func(h float64) float64) float64 {
		one := 0.0
		for _, h := range q.holds {
			if h.share == 0 {
				continue
			}
			one += h.share * math.Expm1(theta*min(max(left(h.seconds), 0), max(y, 1e-9)))
		}
		return n * math.Log1p(one)
	}
	before, since, own := 0.0, 0.0, 0.0
	at, last := 0.0, 0.0
	for i, h := range append([]hold{{0, 0}}, q.holds...) {
		adds := math.Expm1(batch(func(held float64) float64 { return held - h.seconds }))
		if i > 0 {
			before += (h.seconds - at) * (adds + last) / 2
		}
		at, last = h.seconds, adds
	}
	at = 0
	for i, h := range append(append([]hold{{q.wait, 0}}, q.holds...), hold{math.Inf(1), 0}) {
		v := min(max(h.seconds-q.wait, 0), u)
		log := batch(func(held float64) float64 { return min(held, v+q.wait) })
		if i == 0 { // the mean over the places in the batch
			one := math.Expm1(log / n)
			own = math.Log(math.Expm1(log) / (n * one))
		}
		adds := math.Expm1(log)
		since += (v - at) * (adds + last) / 2
		at, last = v, adds
	}
	return cumulant{one: c.one, before: q.rate / n * before, since: since / n, own: own}
}

// hold is a time that a port is held and the share of the requests that hold
// one so long.
type hold struct{ seconds, share float64 }

// holds is the distribution of the time that one request holds a port, the
// shortest first: the connect time, spread as lognormal times are; a second
// more where a SYN is lost; and the abandoned hold.
func (l *load) holds() []hold {
	const from, to, step = -2, 6.5, 0.25 // of the normal variable
	connects := 1 - l.abandoned
	all := []hold{{l.connect + SYNTimeout, connects * LostSYN}, {l.abandonedHold, l.abandoned}}
	for z := from - step; z <= to; z += step {
		low, high := z, z+step
		if z < from {
			low = math.Inf(-1)
		}
		if high > to {
			high = math.Inf(1)
		}
		share := normal(low, high)
		all = append(all, hold{l.connect * normal(low-l.spread, high-l.spread) / share, connects * (1 - LostSYN) * share})
	}
	slices.SortFunc(all, func(a, b hold) int { return cmp.Compare(a.seconds, b.seconds) })
	return all
}

// constantHolds is holds where all connect times are the same, with holds of no
// share between them for batchCumulant's steps.
func (l *load) constantHolds() []hold {
	const steps = 16
	connects := 1 - l.abandoned
	all := []hold{{l.connect, connects * (1 - LostSYN)}, {l.connect + SYNTimeout, connects * LostSYN}, {l.abandonedHold, l.abandoned}}
	for i := 1; i < steps; i++ {
		all = append(all, hold{l.connect * float64(i) / steps, 0})
	}
	slices.SortFunc(all, func(a, b hold) int { return cmp.Compare(a.seconds, b.seconds) })
	return all
}

// normal is the probability that a standard normal variable lies between.
func normal(low, high float64) float64 {
	if low < 0 && high <= 0 {
		low, high = -high, -low
	}
	return (math.Erfc(low/math.Sqrt2) - math.Erfc(high/math.Sqrt2)) / 2
}
