package sizing

import (
	"fmt"
	"math"
	"math/bits"
	"testing"
)

// near fails if got is not want to the given relative error.
func near(t *testing.T, what string, got, want, relative float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > relative*math.Abs(want) {
		t.Errorf("%s: %.10g, want %.10g", what, got, want)
	}
}

func scan(ports int) pool { return pool{pick: PickScan, size: ports} }

// erlangB by A. K. Erlang's recursion: B(0) = 1, B(n) = aB(n−1)/(n + aB(n−1)).
func erlangB(ports int, offered float64) float64 {
	b := 1.0
	for n := 1; n <= ports; n++ {
		b = offered * b / (float64(n) + offered*b)
	}
	return b
}

// A scan with infinitely many sources is Erlang's loss system.
func TestChainIsErlangB(t *testing.T) {
	for _, offered := range []float64{0.01, 1, 12.7, 100, 5000} {
		for _, ports := range []int{1, 2, 8, 32, 130, 5200} {
			want := erlangB(ports, offered)
			if want < 1e-14 {
				continue
			}
			got := chain{pool: scan(ports), offered: offered}.refused()
			near(t, fmt.Sprintf("%g Erlang on %d ports", offered, ports), got, want, 1e-9)
		}
	}
}

// engset is the call congestion of T. O. Engset's loss system (1918): the time
// congestion with one source fewer, C(S−1,N)β^N / Σ C(S−1,i)β^i, here with
// logarithms of factorials.
func engset(ports, sources int, offered float64) float64 {
	if ports >= sources {
		return 0
	}
	log := func(i int) float64 { return logChoose(sources-1, i) + float64(i)*math.Log(offered) }
	sum := 0.0
	for i := 0; i <= ports; i++ {
		sum += math.Exp(log(i) - log(ports))
	}
	return 1 / sum
}

// A scan with finite sources is Engset's.
func TestChainIsEngset(t *testing.T) {
	for _, sources := range []int{1, 2, 5, 50, 1000, 100_000} {
		for _, perSource := range []float64{1e-4, 0.01, 0.2, 1, 9} {
			for _, ports := range []int{1, 2, 4, 40, 300, 1200, 60_000} {
				want := engset(ports, sources, perSource)
				if math.IsNaN(want) || want < 1e-14 && want != 0 {
					continue
				}
				got := chain{pool: scan(ports), sources: sources, offered: perSource}.refused()
				near(t, fmt.Sprintf("%d sources of %g on %d ports", sources, perSource, ports), got, want, 1e-6)
			}
		}
	}
}

// The set of taken ports, solved port by port and with no use of symmetry:
// every subset of a range is a state, every draw of the server is made. The
// last ports of the range are squatted. It returns the share of requests that
// a server which picks like this refuses.
func refusedBySets(p pool, squatted, sources int, offered float64) float64 {
	always := ((1 << squatted) - 1) << (p.size - squatted)
	free := p.size - squatted
	states := 1 << free
	// balance[to][from]: the flow into each state less the flow out of it.
	balance := make([][]float64, states)
	for i := range balance {
		balance[i] = make([]float64, states+1)
	}
	failed := make([]float64, states)
	flow := func(from, to int, rate float64) {
		balance[to][from] += rate
		balance[from][from] -= rate
	}
	for set := range states {
		held := bits.OnesCount(uint(set))
		for port := range free {
			if set>>port&1 == 1 {
				flow(set, set&^(1<<port), 1)
			}
		}
		outcomes := make([]float64, p.size+1) // the last is a failure
		draw(p, set|always, outcomes)
		for port := range free {
			if outcomes[port] > 0 {
				flow(set, set|1<<port, float64(sources-held)*offered*outcomes[port])
			}
		}
		failed[set] = outcomes[p.size]
	}
	pi := stationary(balance)
	var lost, asked float64
	for set := range states {
		w := pi[set] * float64(sources-bits.OnesCount(uint(set)))
		asked += w
		lost += w * failed[set]
	}
	return lost / asked
}

// draw adds the probability of each port, and last that of none, to outcomes.
func draw(p pool, taken int, outcomes []float64) {
	n := p.size
	switch p.pick {
	case PickScan, PickScanPartial:
		tries := n
		if p.pick == PickScanPartial {
			tries = min(n, p.tries)
		}
		for start := range n {
			got := n
			for i := range tries {
				if port := (start + i) % n; taken>>port&1 == 0 {
					got = port
					break
				}
			}
			outcomes[got] += 1 / float64(n)
		}
	case PickRandom:
		drawReplacing(taken, n, p.tries, 1, outcomes)
	case PickDistinct:
		drawDistinct(taken, 0, n, min(n, p.tries), 1, outcomes)
	}
}

func drawReplacing(taken, n, tries int, weight float64, outcomes []float64) {
	if tries == 0 {
		outcomes[n] += weight
		return
	}
	busy := 0
	for port := range n {
		if taken>>port&1 == 1 {
			busy++
		} else {
			outcomes[port] += weight / float64(n)
		}
	}
	drawReplacing(taken, n, tries-1, weight*float64(busy)/float64(n), outcomes)
}

func drawDistinct(taken, seen, n, tries int, weight float64, outcomes []float64) {
	if tries == 0 {
		outcomes[n] += weight
		return
	}
	left := float64(n - bits.OnesCount(uint(seen)))
	for port := range n {
		switch {
		case seen>>port&1 == 1:
		case taken>>port&1 == 0:
			outcomes[port] += weight / left
		default:
			drawDistinct(taken, seen|1<<port, n, tries-1, weight/left, outcomes)
		}
	}
}

// stationary solves π·Q = 0, Σπ = 1 by Gaussian elimination with pivoting.
func stationary(a [][]float64) []float64 {
	n := len(a)
	for j := range n { // one balance equation follows from the others
		a[n-1][j] = 1
	}
	a[n-1][n] = 1
	for col := range n {
		pivot := col
		for row := col + 1; row < n; row++ {
			if math.Abs(a[row][col]) > math.Abs(a[pivot][col]) {
				pivot = row
			}
		}
		a[col], a[pivot] = a[pivot], a[col]
		for row := range n {
			if row == col || a[row][col] == 0 {
				continue
			}
			f := a[row][col] / a[col][col]
			for k := col; k <= n; k++ {
				a[row][k] -= f * a[col][k]
			}
		}
	}
	pi := make([]float64, n)
	for i := range pi {
		pi[i] = a[i][n] / a[i][i]
	}
	return pi
}

// The chain counts ports; the server draws them. Where every set of b ports is
// as likely as any other the two agree. Where neighbours are scanned, ports
// cluster, and the chain must err on the safe side, but not by much.
func TestChainAgreesWithSetsOfPorts(t *testing.T) {
	for _, p := range []pool{
		{PickScan, 0, 6, 0}, {PickRandom, 1, 5, 0}, {PickRandom, 2, 6, 0}, {PickRandom, 9, 7, 0},
		{PickDistinct, 2, 6, 0}, {PickDistinct, 3, 7, 0}, {PickDistinct, 1000, 5, 0},
		{PickScanPartial, 2, 7, 0}, {PickScanPartial, 3, 8, 0}, {PickScanPartial, 15, 6, 0},
	} {
		for _, squatted := range []int{0, 1, 2} {
			drawn := Profile{Pick: p.pick, Tries: p.tries}.pool(p.size, squatted)
			for _, sources := range []int{2, 5, 40} {
				for _, offered := range []float64{0.03, 0.3, 3} {
					what := fmt.Sprintf("%s of %d on %d ports, %d squatted, %d sources of %g",
						p.pick, p.tries, p.size, squatted, sources, offered)
					got := chain{pool: drawn, squatted: squatted, sources: sources, offered: offered}.refused()
					want := refusedBySets(p, squatted, sources, offered)
					switch {
					case p.pick == PickScanPartial && p.tries < p.size:
						limit := 1.6 * want // with neighbouring squatters the chain is more careful still
						if squatted > 1 {
							limit = 1
						}
						if got < want*(1-1e-9)-1e-15 || got > limit+1e-9 {
							t.Errorf("%s: %g, in truth %g", what, got, want)
						}
					case want < 1e-13:
						if got > 1e-12 {
							t.Errorf("%s: %g, want none", what, got)
						}
					default:
						near(t, what, got, want, 1e-6)
					}
				}
			}
		}
	}
}
