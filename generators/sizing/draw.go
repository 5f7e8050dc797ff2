package sizing

import "math"

// pool is a range of ports as a server draws from it.
type pool struct {
	pick     Pick
	tries    int
	size     int // ports that can be drawn
	distinct int // different ports after which random draws end, fewer than all; 0: no such limit
}

// TriesOn is how often a server that draws at random does so on a range of
// that many ports before it gives up.
func (p Profile) TriesOn(ports int) int {
	if p.TriesPerPort == 0 {
		return p.Tries
	}
	return min(max(p.TriesPerPort*(ports-p.NeverDrawn-1), p.MinTries), p.Tries)
}

// pool is the range of that many ports, some of them squatted. Squatters side
// by side cost a server that looks at neighbouring ports a try each beyond the
// first, wherever it starts; to be on the safe side it always starts there.
func (p Profile) pool(ports, squatted int) pool {
	tries, size := p.TriesOn(ports), max(0, ports-p.NeverDrawn)
	if p.Pick == PickScanPartial && squatted > 1 {
		tries = max(0, tries-squatted+1)
	}
	return pool{pick: p.Pick, tries: tries, size: size, distinct: min(p.DistinctTries, max(0, size-1))}
}

// refuses is 1 − α: the probability that a draw fails while taken ports of
// the pool are taken, by sessions or by squatters. It never falls as taken
// grows and never rises as the pool grows. With N ports, x taken and t tries:
//
//   - a scan fails only when all are taken;
//   - t draws with replacement: (x/N)^t, and where the draws also end after d
//     different ports at most C(x,d)/C(N,d) more; see lastOne where d = x = N−1;
//   - t distinct draws: C(x,t)/C(N,t), the hypergeometric probability that all
//     t are among the x;
//   - t neighbours from a random start: see windowRefuses.
func (p pool) refuses(taken int) float64 {
	if taken >= p.size {
		return 1
	}
	if taken <= 0 {
		return 0
	}
	switch p.pick {
	case PickRandom:
		all := math.Exp(float64(p.tries) * math.Log(float64(taken)/float64(p.size)))
		switch {
		case p.distinct == 0:
		case p.distinct == p.size-1 && taken == p.distinct:
			all = lastOne(p.size, all)
		default:
			all = math.Min(1, all+distinctRefuses(p.size, taken, p.distinct))
		}
		return all
	case PickDistinct:
		return distinctRefuses(p.size, taken, p.tries)
	case PickScanPartial:
		if p.tries > taken {
			return 0
		}
		return windowRefuses(p.size, taken, p.tries)
	default:
		return 0
	}
}

// lastOne is the probability that draws with replacement miss the one free port
// of N: none of t draws is it, which has probability (1 − 1/N)^t, or all others
// have come before it, which has 1/N. Of the first event the second has a part,
// except for the r ports that t draws leave out: then the free one is before the
// last of them with probability r/(r+1). That is concave and at most r/2, and r
// is (N−1)(1 − 1/(N−1))^t on average.
func lastOne(size int, none float64) float64 {
	n := float64(size)
	if size <= 2 {
		return math.Max(1/n, none)
	}
	tries := math.Log(none) / math.Log1p(-1/n)
	left := (n - 1) * math.Exp(tries*math.Log1p(-1/(n-1)))
	return math.Min(1, 1/n+none*math.Min(left/2, left/(left+1)))
}

// distinctRefuses is C(x,t)/C(N,t): none of t different ports is free.
func distinctRefuses(size, taken, tries int) float64 {
	if tries > taken {
		return 0
	}
	return math.Exp(logChoose(taken, tries) - logChoose(size, tries))
}

// windowRefuses is the probability that t neighbouring ports of a ring of m,
// from a random start, are all among the n taken ones, where each of those was
// itself taken by going up from a random start to the first free port. Such
// ports cluster, as in a hash table with linear probing. Knuth, The Art of
// Computer Programming 3, section 6.4, theorem K: the next arrival meets
// exactly k taken ports before a free one with probability
//
//	P(k) = m^−n Σ_{i≥k} g(i),  g(i) = C(n,i) (i+1)^(i−1) (m−n−1) (m−i−1)^(n−i−1)
//
// and the draw fails where k ≥ t: Σ_{k≥t} P(k) = m^−n Σ_{i≥t} (i−t+1) g(i).
//
// Knuth's table is filled once. Here ports are also given back, which breaks
// clusters up, so the formula errs on the safe side.
func windowRefuses(m, n, t int) float64 {
	if n >= m-1 { // one free port: t of the m starts reach it
		return float64(m-t) / float64(m)
	}
	g := math.Exp(logChoose(n, t) + float64(t-1)*math.Log(float64(t+1)) + math.Log(float64(m-n-1)) +
		float64(n-t-1)*math.Log(float64(m-t-1)) - float64(n)*math.Log(float64(m)))
	sum := 0.0
	for i := t; i <= n; i++ {
		term := float64(i-t+1) * g
		sum += term
		if term <= sum*1e-12 {
			break
		}
		g *= float64(n-i) / float64(m-i-2) *
			math.Exp(float64(i)*math.Log1p(1/float64(i+1))+float64(n-i-1)*math.Log1p(-1/float64(m-i-1)))
	}
	return math.Min(sum, 1)
}

// logChoose is ln C(n, k) for 0 <= k <= n.
func logChoose(n, k int) float64 {
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k)
}

func logFactorial(n int) float64 {
	l, _ := math.Lgamma(float64(n) + 1)
	return l
}
