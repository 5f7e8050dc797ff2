package sizing

import "math"

// late is bound 2 where the server lets a PASV wait instead of refusing it:
// the share of the busy address's requests that find no port within max_wait
// and are then refused, or an upper bound of it.
//
// The ports are servers of a queue, first come, first served. A request holds
// its port for the connect time, or, with probability a, for the whole
// abandoned hold; here the shape of the hold matters, for an abandoned PASV
// blocks a port hundreds of times as long as an ordinary one.
//
// Those two time scales are taken apart. Of the other S−1 sessions, each
// holds an abandoned port a share p of its time, so that x ports are out of
// service with probability Bin(S−1, p), and the ordinary requests queue for
// what is left, c = N − k − x, as M/D/c: see waits. Taking x as frozen while
// they do is on the safe side: the slower the environment of a queue moves at
// a given mean, the longer the waits (T. Rolski, Adv. Appl. Probab. 18 (1986)
// 225-235, on S. M. Ross's conjecture). So is leaving the impatient ones in
// the queue, or the service exponential, whichever gives less, and taking the
// arrivals as Poisson although the sources are finite; they only help where
// there are as many ports as sessions.
func (s *site) late(ports int) float64 {
	l, wait := s.load, s.w.Objective.MaxWait.Seconds()
	usable := ports - s.idle()
	if usable >= l.perAddress {
		return 0
	}
	if usable < 1 {
		return 1
	}
	rate := l.addressRate * (1 - l.abandoned)
	others := l.perAddress - 1
	share := min(1, l.addressRate*l.abandoned*l.abandonedHold/float64(l.perAddress))
	late, seen := 0.0, 0.0
	eachBinomial(others, share, func(x int, probability float64) {
		seen += probability
		most := waits(rate, l.connect, usable-x, wait, l.parallel)
		if l.parallel == 1 {
			most = min(most, leaves(rate, l.connect, usable-x, wait))
		}
		late += probability * most
	})
	return min(1, late/seen)
}

// waits is an upper bound of P(W > wait) in the queue M/D/c: Poisson arrivals
// at that rate, a constant service time D, that many servers.
//
// With constant service the servers take turns, and a customer is the c-th
// after the one before it at its server: a queue E_c/D/1, whose stationary
// wait by Lindley's recursion is the largest of n·D − T(nc) over n ≥ 0, where
// T(m) is the time since the m-th last arrival (C. D. Crommelin, P.O.
// Electr. Eng. J. 25 (1932) 41-50, takes the same road). So W exceeds wait
// where for some n at least n·c arrivals fell into the last n·D − wait, and
//
//	P(W > wait) ≤ Σ P(Poisson(λ(nD − wait)) ≥ nc)  over n with nD > wait.
//
// Where requests come in batches of P, the last one of a batch has the other
// P−1 before it, and it takes (nc − P + 1)/P batches in that time.
//
// Near saturation that sum counts the same event many times over; then
// J. F. C. Kingman's bound (J. Austral. Math. Soc. 8 (1968)) is the smaller.
func waits(rate, service float64, servers int, wait float64, batch int) float64 {
	if rate == 0 || service == 0 {
		return 0
	}
	if servers < 1 || rate*service >= float64(servers) {
		return 1
	}
	late := unionOfOverruns(rate, service, servers, wait, float64(batch))
	if batch == 1 {
		late = min(late, kingman(rate, service, servers, wait))
	}
	return late
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

// kingman is e^(−θ·wait), where θ > 0 solves E exp(θ(D − T(c))) = 1, that is
// θD = c·ln(1 + θ/λ).
func kingman(rate, service float64, servers int, wait float64) float64 {
	c := float64(servers)
	excess := func(theta float64) float64 { return theta*service - c*math.Log1p(theta/rate) }
	high := rate
	for excess(high) < 0 {
		high *= 2
	}
	low := 0.0 // a lower bound of θ keeps the bound safe
	for range 60 {
		if mid := (low + high) / 2; excess(mid) < 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp(-low * wait)
}

// unionOfOverruns is the sum in the comment of waits, or 1 where it has too
// many terms to be of use.
func unionOfOverruns(rate, service float64, servers int, wait, batch float64) float64 {
	const mostTerms = 64
	sum, last := 0.0, 0.0
	first := math.Floor(wait/service) + 1
	for n := first; n < first+mostTerms; n++ {
		mean := rate * (n*service - wait) / batch
		before := math.Ceil((n*float64(servers) - batch + 1) / batch)
		term := poissonTail(mean, before)
		if sum += term; sum >= 1 {
			return 1
		}
		// The terms rise to one summit and then fall ever faster.
		if term < last && term < 1e-6*sum {
			return sum + term*term/(last-term)
		}
		if term == 0 && chernoffFalls(mean/before, rate*service/float64(servers)) {
			return sum
		}
		last = term
	}
	return 1
}

// chernoffFalls tells whether Chernoff's bound of the terms has passed its
// summit, where y is a term's mean over its count and rho the load of a server.
func chernoffFalls(y, rho float64) bool { return math.Log(y)+rho*(1/y-1) < 0 }

// poissonTail is P(X ≥ m) for a Poisson variable of that mean; 1 where m is
// not above the mean, which is an upper bound.
func poissonTail(mean, m float64) float64 {
	if m <= mean {
		return 1
	}
	if chernoff(mean, m) < negligible {
		return 0
	}
	l, _ := math.Lgamma(m + 1)
	term := math.Exp(m*math.Log(mean) - mean - l)
	sum := 0.0
	for m++; term > sum*1e-12; m++ {
		sum += term
		term *= mean / m
	}
	return min(1, sum)
}

// chernoff bounds P(X ≥ m), m > mean, for a Poisson variable:
// e^(m − mean) (mean/m)^m.
func chernoff(mean, m float64) float64 {
	return math.Exp(m - mean + m*math.Log(mean/m))
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
