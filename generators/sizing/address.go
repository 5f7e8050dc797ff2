package sizing

import (
	"math"
	"sort"
)

// late is bound 2 where the server lets a PASV wait instead of refusing it: an
// upper bound of the share of the busiest address's requests that find no port
// within max_wait and are then refused. It is the least of three:
//
//   - what a server refuses that lets nobody wait, by the chain, insensitive
//     to the shape of the hold: a place to wait only keeps ports busier;
//   - where the ports carry the rate, the waits of a queue (queue.go);
//   - the waits where they hardly do or do not: see crowded.
func (s *site) late(ports int) float64 {
	if s.lates == nil {
		s.lates = map[int]float64{}
	}
	late, known := s.lates[ports]
	if !known {
		late = s.lateOn(ports)
		s.lates[ports] = late
	}
	return late
}

// lateOn is late, which is asked for the same ports more than once.
func (s *site) lateOn(ports int) float64 {
	usable := ports - s.idle()
	if usable < 1 {
		return 1
	}
	late := batches{s.chain(ports, s.load.perAddress), s.load.parallel}.refused()
	offered := s.load.addressRate * s.load.listening()
	carried, crowded := int(offered), int(offered/crowdedFrom)
	if usable <= crowded {
		late = min(late, s.crowded(usable, usable > carried))
	}
	if usable > carried {
		if s.waiting == nil {
			s.waiting = s.queues()
			s.crowd = s.crowded(crowded, crowded > carried)
		}
		waits := 0.0
		for _, q := range s.waiting {
			waits = max(waits, q.late(usable))
		}
		late = min(late, waits, s.crowd)
	}
	return late
}

// queues are those of which the worst counts. A batch holds its ports longest
// together where its connect times do not differ, which counts where nobody
// waits as long.
func (s *site) queues() []*queue {
	wait := s.w.Objective.MaxWait.Seconds()
	all := []*queue{newQueue(s.load, wait)}
	if s.load.parallel > 1 && wait < s.load.connect {
		constant := newQueue(s.load, wait)
		constant.holds = s.load.constantHolds()
		all = append(all, constant)
	}
	return all
}

// crowdedFrom is the share of the time that ports are busy from which on waits
// go by the mean and the variance of the hold.
const crowdedFrom = 0.85

// crowded is the refused share where the ports are busy nearly all the time, so
// that waits go by the mean of the hold and its variance: of a Poisson stream of
// requests, or, where carried, of the address's sessions, which ask less often
// while they wait. Those need ports for the wanted rate all the same.
//
// Of the others, each holds an abandoned port a share of its time, so that x
// ports are out of service; taking x as frozen while the others queue is on the
// safe side: the slower the environment of a queue moves at a given mean, the
// longer the waits (T. Rolski, Adv. Appl. Probab. 18 (1986) 225-235, on S. M.
// Ross's conjecture).
//
// An exponential hold stands for any other, with a patience that is shorter by
// the factor by which waits in heavy traffic are longer, (1 + c²)/2 (J. F. C.
// Kingman, Proc. Camb. Phil. Soc. 57 (1961) 902-904). Requests that come at
// once have no figure here.
func (s *site) crowded(ports int, carried bool) float64 {
	l := s.load
	others, rate := l.perAddress-1, l.addressRate*(1-l.abandoned)
	if ports < 1 || l.parallel > 1 {
		return 1
	}
	hold := l.connect + LostSYN*SYNTimeout
	squares := l.connect*l.connect*math.Exp(l.spread*l.spread) + LostSYN*SYNTimeout*(SYNTimeout+2*l.connect)
	patience := s.w.Objective.MaxWait.Seconds() * 2 * hold * hold / squares
	away := float64(l.perAddress)/l.addressRate - l.listening()
	abandoned := min(1, l.addressRate*l.abandoned*l.abandonedHold/float64(l.perAddress))
	// Half a standard deviation at a time, each at its upper end, is enough.
	step := max(1, int(math.Sqrt(float64(others)*abandoned*(1-abandoned))/2))
	shares := make([]float64, others/step+2)
	eachBinomial(others, abandoned, func(x int, probability float64) { shares[(x+step-1)/step] += probability })
	late, seen := 0.0, 0.0
	for i, share := range shares {
		x := min(i*step, others)
		if share == 0 {
			continue
		}
		lost := leaves(rate, hold, ports-x, patience)
		if carried && !l.open {
			lost = min(lost, closed(others-x, ports-x, hold, away, patience))
		}
		seen += share
		late += share * lost
	}
	return min(1, late/seen)
}

// closed is P(W > patience) for one more session that asks where so many others
// are each away for a mean time and then hold one of the ports, or wait for it:
// the machine-repair queue M/M/c//S. With n of them at c ports,
//
//	π(n+1)/π(n) = (S − n)·hold/away / min(n+1, c),
//
// and the wait of the one that then comes is that for n−c+1 of the departures,
// of which a Poisson number with the mean c·patience/hold happens in time.
func closed(sessions, ports int, hold, away, patience float64) float64 {
	if ports < 1 {
		return 1
	}
	step := func(n int) float64 {
		return float64(sessions-n) * hold / away / float64(min(n+1, ports))
	}
	summit := sort.Search(sessions, func(n int) bool { return step(n) < 1 })
	low, weight := summit, 1.0 // the lowest n that matters, and its weight
	for ; low > 0 && weight > negligible; low-- {
		weight /= step(low - 1)
	}
	late, all := 0.0, 0.0
	inTime := newPoissonSum(float64(ports) * patience / hold)
	for n := low; weight > negligible || n <= summit; n++ {
		all += weight
		if n >= ports {
			late += weight * inTime.upTo(n-ports)
		}
		if n == sessions {
			break
		}
		weight *= step(n)
	}
	return late / all
}

// poissonSum is P(X ≤ k) for a Poisson variable X of that mean, to be asked for
// with growing k.
type poissonSum struct {
	mean      float64
	next      int
	term, sum float64 // P(X = next), P(X < next)
}

// newPoissonSum leaves out what is so far below the mean that it is negligible.
func newPoissonSum(mean float64) *poissonSum {
	p := &poissonSum{mean: mean, next: max(0, int(mean-13*math.Sqrt(mean)))}
	p.term = math.Exp(-mean)
	if p.next > 0 {
		p.term = math.Exp(float64(p.next)*math.Log(mean) - mean - logFactorial(p.next))
	}
	return p
}

func (p *poissonSum) upTo(k int) float64 {
	for ; p.next <= k && p.term > 0; p.next++ {
		p.sum += p.term
		p.term *= p.mean / float64(p.next+1)
	}
	return min(1, p.sum)
}

// leaves is the share of the customers of the queue M/M/c + D that leave
// because they would wait longer than that: Poisson arrivals at that rate, an
// exponential service time, that many servers. Those who leave take no
// service, so that it says something of an overloaded queue, too. The wait V
// that an arrival is offered has, with p(c−1) the probability of c−1 customers,
//
//	P(V > wait) = p(c−1)·λ/(cμ)·e^x,  x = (λ − cμ)·wait
//	1/p(c−1)    = Σ_{k<c} (c−1)!/k!·a^(k−c+1) + λ·((e^x − 1)/(λ − cμ) + e^x/(cμ))
//
// (D. Y. Barrer, Oper. Res. 5 (1957) 650-656; F. Baccelli and G. Hebuterne,
// INRIA RR-94 (1981)). With no wait it is Erlang B. A constant service loses
// less, as package simulate plays.
func leaves(rate, service float64, servers int, wait float64) float64 {
	if servers < 1 {
		return 1
	}
	a, c := rate*service, float64(servers)
	if a == 0 {
		return 0
	}
	below, term := 0.0, 1.0
	for k := servers - 1; k >= 0 && term > below*1e-17; k-- {
		below += term
		term *= float64(k) / a
	}
	// All in services, and over e^x where that is large.
	x := (a - c) * wait / service
	grown, one := math.Exp(min(x, 0)), math.Exp(-max(x, 0))
	waiting := wait / service
	if math.Abs(x) > 1e-9 {
		waiting = (grown - one) / (a - c)
	}
	return a / c * grown / (below*one + a*(waiting+grown/c))
}

// eachPoisson calls do with the values of a Poisson variable that matter, from
// the most probable outwards, and their probabilities.
func eachPoisson(mean float64, do func(x int, probability float64)) {
	top := int(mean)
	peak := math.Exp(float64(top)*math.Log(mean) - mean - logFactorial(top))
	do(top, peak)
	for x, q := top, peak; q >= negligible; x++ {
		q *= mean / float64(x+1)
		do(x+1, q)
	}
	for x, q := top, peak; x > 0 && q >= negligible; x-- {
		q *= float64(x) / mean
		do(x-1, q)
	}
}

// eachBinomial calls do with the values of a Bin(n, p) variable that matter,
// from the most probable outwards, and their probabilities.
func eachBinomial(n int, p float64, do func(x int, probability float64)) {
	switch {
	case p <= 0:
		do(0, 1)
		return
	case p >= 1:
		do(n, 1)
		return
	}
	top := min(n, int(float64(n+1)*p))
	peak := math.Exp(logChoose(n, top) + float64(top)*math.Log(p) + float64(n-top)*math.Log1p(-p))
	odds := p / (1 - p)
	do(top, peak)
	for x, q := top, peak; x < n; x++ {
		if q *= odds * float64(n-x) / float64(x+1); q < negligible {
			break
		}
		do(x+1, q)
	}
	for x, q := top, peak; x > 0; x-- {
		if q *= float64(x) / odds / float64(n-x+1); q < negligible {
			break
		}
		do(x-1, q)
	}
}
