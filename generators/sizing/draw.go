package sizing

import "math"

// pool is a range of ports as a server draws from it.
type pool struct {
	pick  Pick
	tries int
	size  int // ports that can be drawn
}

func (p Profile) pool(ports int) pool {
	return pool{pick: p.Pick, tries: p.Tries, size: max(0, ports-p.NeverDrawn)}
}

// refuses is 1 − α: the probability that a draw fails while taken ports of
// the pool are taken, by sessions or by squatters. It never falls as taken
// grows and never rises as the pool grows. With N ports, x taken and t tries:
//
//   - a scan fails only when all are taken;
//   - t draws with replacement: (x/N)^t;
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
		return math.Exp(float64(p.tries) * math.Log(float64(taken)/float64(p.size)))
	case PickDistinct:
		if p.tries > taken {
			return 0
		}
		return math.Exp(logChoose(taken, p.tries) - logChoose(p.size, p.tries))
	case PickScanPartial:
		if p.tries > taken {
			return 0
		}
		return windowRefuses(p.size, taken, p.tries)
	default:
		return 0
	}
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
	logM, logGap := math.Log(float64(m)), math.Log(float64(m-n-1))
	sum := 0.0
	for i := t; i <= n; i++ {
		logG := logChoose(n, i) + float64(i-1)*math.Log(float64(i+1)) +
			logGap + float64(n-i-1)*math.Log(float64(m-i-1)) - float64(n)*logM
		term := float64(i-t+1) * math.Exp(logG)
		sum += term
		if i > t && term < sum*1e-15 {
			break
		}
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
