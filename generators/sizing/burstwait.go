package sizing

import (
	"cmp"
	"math"
)

// lateInBurst gives, by the number of ports, an upper bound of the share of a
// burst's requests that wait longer than max_wait and are then refused. It is
// never below that of the traffic alone, and the smaller of two:
//
//   - of a steady stream at the burst's rate, where that leaves the ports time:
//     n arrivals at random instants are no more bunched than Poisson ones;
//   - of the backlog, see backlog, where it does not.
func (s *site) lateInBurst(c competitors) func(ports int) float64 {
	l := s.load
	stream := *s
	stream.waiting, stream.lates = nil, nil
	rate, outside := float64(c.connections)/c.within, c.rate/float64(c.sessions)
	stream.load = &load{}
	*stream.load = *l
	stream.load.addressRate = float64(c.n)*max(rate, outside) + float64(c.sessions-c.n)*outside
	stream.load.open = stream.load.addressRate > 1.001*l.addressRate // else it is the traffic

	// Ports that an abandoned PASV holds are out of service.
	abandons, abandoned := c.busy(l.abandoned * l.abandonedHold)
	abandons = min(abandons, max(abandoned, 1-math.Pow(1-l.abandoned, float64(c.connections))))
	out := binomialCounts(c.n-1, abandons).plus(binomialCounts(c.sessions-c.n, abandoned))
	var behind []backlog
	for _, shape := range connectShapes(l.connect, l.spread) {
		behind = append(behind, newBacklog(c, shape, l.connect, s.w.Objective.MaxWait.Seconds()))
	}
	known := map[int]float64{}
	late := func(ports int) float64 {
		most, seen := known[ports]
		if !seen {
			for _, b := range behind {
				most = max(most, b.late(ports))
			}
			known[ports] = most
		}
		return most
	}
	return func(ports int) float64 {
		usable := ports - s.idle()
		if usable >= c.sessions {
			return 0
		}
		least, share := s.late(ports), stream.late(ports)
		if share > least {
			share = min(share, out.mean(func(x int) float64 { return late(usable - x) }))
		}
		return max(least, share)
	}
}

// connectShapes are distributions of connect times of that mean, of which
// none is the worst everywhere: constant, exponential, and lognormal with σ.
func connectShapes(mean, sigma float64) []func(x float64) float64 {
	return []func(x float64) float64{
		func(x float64) float64 {
			if x < mean*(1-1e-12) {
				return 0
			}
			return 1
		},
		func(x float64) float64 { return -math.Expm1(-x / mean) },
		func(x float64) float64 {
			return math.Erfc(-(math.Log(x/mean)/max(sigma, 1e-9)+sigma/2)/math.Sqrt2) / 2
		},
	}
}

// backlog bounds the waits of a burst on ports that serve first come, first
// served. A request waits longer than D only if for some s, the last instant
// before it at which a port was free, every one of c ports is busy from s to
// the end of its patience with requests that came before it. A port that is
// busy for a time L begins N(L) + 1 services in it, so that
//
//	Σ_{j≤c} (N_j(L) + 1) ≤ J + A
//
// with J ≤ c − 1 requests that were there at s and A that came between s and
// the request, in a window of L − D. By Markov's inequality the probability is
// at most E[e^(θA)]·e^(−θ)·E[e^(−θN(L))]^c for any θ > 0; the sum over windows
// bounds that of some s. The N are those of a renewal process of connect times
// rounded up to a grid, from a start or from equilibrium, whichever counts
// fewer. Where all others that can be there at once are few, they bound J + A.
type backlog struct {
	window   [][]float64 // ln of E[e^(θA)]·e^(−θ), by window and θ
	services [][]float64 // ln of E[e^(−θN(L))], alike
	there    []float64   // ln of E[e^(θB)], B others that wait or connect
	patience []float64   // ln of E[e^(−θ(N(D)+1))]
}

// tilts are the θ that are tried: a chance lies within 2 % of its least.
var tilts = func() (all []float64) {
	for theta := 0.02; theta < 5; theta *= 1.4 {
		all = append(all, theta)
	}
	return all
}()

const (
	gridSteps   = 256 // of D + T
	mostWindows = 24
)

func newBacklog(c competitors, shape func(x float64) float64, connect, patience float64) backlog {
	step := (patience + c.within) / gridSteps
	first := int(patience/step + 1e-9)
	stride := (gridSteps-first)/mostWindows + 1
	p, p0 := c.busy(connect + LostSYN*SYNTimeout + patience)
	var windows []int
	for i := first; i < gridSteps; i += stride {
		windows = append(windows, i)
	}
	b := backlog{window: make([][]float64, len(windows)), services: make([][]float64, len(windows))}
	pmf := onGrid(shape, step)
	for _, theta := range tilts {
		count := renewals(pmf, (connect+LostSYN*SYNTimeout)/step+1, theta, windows)
		grown := math.Expm1(theta)
		b.there = append(b.there, float64(c.n-1)*math.Log1p(p*grown)+float64(c.sessions-c.n)*math.Log1p(p0*grown))
		b.patience = append(b.patience, count[0]-theta)
		for w, i := range windows {
			length := float64(i+stride)*step - patience
			share := min(1, length/c.within)
			outside := c.rate * float64(c.sessions-c.n) / float64(c.sessions) * length
			b.window[w] = append(b.window[w], float64(c.n*c.connections-1)*math.Log1p(share*grown)+outside*grown-theta)
			b.services[w] = append(b.services[w], count[w])
		}
	}
	return b
}

// late is the bound with that many ports.
func (b backlog) late(ports int) float64 {
	if ports < 1 {
		return 1
	}
	least := func(asked, served []float64) float64 {
		best := 0.0
		for i := range asked {
			best = min(best, asked[i]+float64(ports)*served[i])
		}
		return math.Exp(best)
	}
	most, windows := least(b.there, b.patience), 0.0
	for w := 0; w < len(b.window) && windows < most && most > negligible; w++ {
		windows += least(b.window[w], b.services[w])
	}
	return min(most, windows)
}

// onGrid is the distribution of the connect times, lost SYNs included, in
// steps, rounded up; what is missing to 1 takes longer than the grid.
func onGrid(shape func(x float64) float64, step float64) []float64 {
	pmf, before := make([]float64, gridSteps+1), 0.0
	for k := 1; k <= gridSteps; k++ {
		x := float64(k) * step
		within := (1 - LostSYN) * shape(x)
		if x > SYNTimeout {
			within += LostSYN * shape(x-SYNTimeout)
		}
		pmf[k], before = within-before, within
	}
	return pmf
}

// renewals is ln E[e^(−θN)] for windows of so many steps, where N counts the
// services that end in one: the larger of that from a start and that from
// equilibrium.
func renewals(pmf []float64, mean, theta float64, windows []int) []float64 {
	shrink := math.Exp(-theta)
	first, last := 0, 0 // the times that occur
	fresh, residual := make([]float64, len(pmf)), make([]float64, len(pmf))
	left := 1.0
	for k := 1; k < len(pmf); k++ {
		residual[k] = left / mean // in equilibrium
		left -= pmf[k]
		if pmf[k] > 0 {
			first, last = cmp.Or(first, k), k
		}
	}
	after := func(i, first, last int, pmf []float64) float64 {
		some := 0.0
		for k := first; k <= min(i, last); k++ {
			some += pmf[k] * fresh[i-k]
		}
		return shrink * some
	}
	none, noneInEquilibrium := 1.0, 1.0
	fresh[0] = 1
	logs := make([]float64, len(windows))
	next := 0
	if windows[0] == 0 {
		next++ // and none ends in it
	}
	for i := 1; i < len(pmf); i++ {
		none -= pmf[i]
		noneInEquilibrium -= residual[i]
		fresh[i] = max(0, none) + after(i, max(first, 1), last, pmf)
		if next < len(windows) && windows[next] == i {
			inEquilibrium := max(0, noneInEquilibrium) + after(i, 1, i, residual)
			logs[next] = math.Log(max(fresh[i], inEquilibrium))
			next++
		}
	}
	return logs
}
