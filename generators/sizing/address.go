package sizing

import "math"

// late is bound 2 where the server lets a PASV wait instead of refusing it: an
// upper bound of the share of the busiest address's requests that find no port
// within max_wait and are then refused. It is the least of two:
//
//   - what a server refuses that lets nobody wait, by the chain, insensitive
//     to the shape of the hold: a place to wait only keeps ports busier;
//   - where the ports carry the rate, the waits of a queue (queue.go), and
//     where they do not, what leaves it (crowded).
func (s *site) late(ports int) float64 {
	if s.lates == nil {
		s.lates = map[int]float64{}
		s.waiting = newQueue(s.load, s.w.Objective.MaxWait.Seconds())
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
	l := s.load
	late := batches{s.chain(ports, l.perAddress), l.parallel}.refused()
	if !l.open && l.addressRate > 0 {
		// The chain's sessions are away for a while after a refusal, too. The
		// real ones ask again while the ports are still busy.
		thinking := float64(l.perAddress)/l.addressRate - l.busy()
		late = min(1, late*(1+l.listening()/max(thinking, 1e-9)))
	}
	if usable <= int(l.addressRate*l.listening()) {
		return min(late, s.crowded(usable))
	}
	return min(late, s.waiting.late(usable))
}

// crowded is the refused share where the ports do not carry the rate: of a
// Poisson stream of requests, so that waits go by the mean of the hold and its
// variance. Ports that abandoned PASVs hold are out of service, as in queue.
//
// An exponential hold stands for any other, with a patience that is shorter by
// the factor by which waits in heavy traffic are longer, (1 + c²)/2 (J. F. C.
// Kingman, Proc. Camb. Phil. Soc. 57 (1961) 902-904). Requests that come at
// once have no figure here.
func (s *site) crowded(ports int) float64 {
	l := s.load
	if l.parallel > 1 {
		return 1
	}
	hold := l.connect + LostSYN*SYNTimeout
	squares := l.connect*l.connect*math.Exp(l.spread*l.spread) + LostSYN*SYNTimeout*(SYNTimeout+2*l.connect)
	patience := s.w.Objective.MaxWait.Seconds() * 2 * hold * hold / squares
	abandoned := min(1, l.addressRate*l.abandoned*l.abandonedHold/float64(l.perAddress))
	late := 0.0
	eachBinomial(l.perAddress-1, abandoned, func(x int, probability float64) {
		late += probability * leaves(l.addressRate*(1-l.abandoned), hold, ports-x, patience)
	})
	return min(1, late)
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
	outwards(top, math.MaxInt, peak, func(x int) float64 { return mean / float64(x+1) }, do)
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
	top, odds := min(n, int(float64(n+1)*p)), p/(1-p)
	peak := math.Exp(logChoose(n, top) + float64(top)*math.Log(p) + float64(n-top)*math.Log1p(-p))
	outwards(top, n, peak, func(x int) float64 { return odds * float64(n-x) / float64(x+1) }, do)
}
