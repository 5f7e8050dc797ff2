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
// The requests that were there at −u are taken as those of M/G/∞, for whoever
// had to wait before then came after a still earlier −u; the later ones arrive
// as a Poisson stream. The sum's cumulant function Λ(φ, u) is then an integral
// over both, and by Chernoff's bound its tail is at most e^(Λ(φ,u) − φc) for
// any φ > 0. The share of late requests is the largest over u of the least over
// φ. With one port and constant holds that is J. F. C. Kingman's bound (J.
// Austral. Math. Soc. 8 (1968)) or a little above. See cumulantsAt for how much
// of Chernoff's excess is taken off.
//
// Leaving the impatient ones in the queue, and taking the arrivals as Poisson
// although the sources are finite, errs on the safe side.
type queue struct {
	rate      float64 // requests a second
	sessions  int
	batch     int // requests in the same instant
	wait      float64
	hold      float64 // mean
	holds     []hold
	cumulants [][]float64 // Λ by u, then φ
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
	worst := math.Inf(-1)
	for i := range us + 1 {
		if i == len(q.cumulants) {
			q.cumulants = append(q.cumulants, q.cumulantsAt(i))
		}
		least, phi := 0.0, leastPhi
		for _, c := range q.cumulants[i] {
			least = min(least, c-phi*float64(ports))
			phi *= phiStep
		}
		if worst = max(worst, least); least < worst-farBelow {
			break
		}
	}
	return math.Exp(worst)
}

// cumulantsAt is Λ(φ, u) for the i-th u and every φ, less what Chernoff's bound
// has too much: √(2πσ²φ²) by the saddlepoint of H. E. Daniels (Ann. Math.
// Statist. 25 (1954) 631-650), here at most √(1 + 2πK), where K is Λ less its
// mean, divided by the 1 + u/2h times that differ enough for each to count.
func (q *queue) cumulantsAt(i int) []float64 {
	u := 0.0
	if i > 0 {
		u = leastU * math.Pow(uStep, float64(i-1))
	}
	all := make([]float64, phis)
	mean, phi := q.cumulant(leastPhi, u)/leastPhi, leastPhi
	for j := range all {
		all[j] = q.cumulant(phi, u)
		excess := math.Log1p(2*math.Pi*max(0, all[j]-phi*mean)) / 2
		all[j] -= max(0, excess-math.Log1p(u/q.hold/2))
		phi *= phiStep
	}
	return all
}

// cumulant is Λ(φ, u). A request that holds for h adds, in units of φ over the
// window's length y = u + w, min(what is left of h at −u, y) where it was there
// at −u, and min(h, v + w) where it arrives at −v, v < u.
func (q *queue) cumulant(phi, u float64) float64 {
	if q.batch > 1 {
		return q.batchCumulant(phi, u)
	}
	y := u + q.wait
	if y == 0 {
		return q.sourced(q.rate * q.hold * math.Expm1(phi))
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
	return q.sourced(q.rate*before) + q.rate*since
}

// batchCumulant is Λ(φ, u) where requests come in batches, which add what the
// requests of each do, and where each has those of its own batch before it that
// asked first.
// Between the kinks, at the holds, what they add is convex, so that the
// trapezoids lie above it.
func (q *queue) batchCumulant(phi, u float64) float64 {
	y, n := u+q.wait, float64(q.batch)
	theta := phi / max(y, 1e-9)
	batch := func(left func(h float64) float64) float64 {
		one := 0.0
		for _, h := range q.holds {
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
	return q.sourced(q.rate/n*before) + q.rate/n*since + own
}

// sourced is the cumulant of what holds a port at a time where it is cumulant
// with infinitely many sources: each of the others is one of them at most.
func (q *queue) sourced(cumulant float64) float64 {
	others := float64(q.sessions-1) / float64(q.batch)
	if others <= 0 {
		return 0
	}
	return others * math.Log1p(cumulant/others)
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

// normal is the probability that a standard normal variable lies between.
func normal(low, high float64) float64 {
	if low < 0 && high <= 0 {
		low, high = -high, -low
	}
	return (math.Erfc(low/math.Sqrt2) - math.Erfc(high/math.Sqrt2)) / 2
}
