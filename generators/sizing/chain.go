package sizing

import "math"

// chain is the number b of ports that sessions hold, as a birth–death chain.
//
// With finite sources, S sessions hold at most one port each, and each of
// those that hold none asks at rate γ: the birth rate is (S−b)·γ·α(b), where
// α(b) is the probability that a draw succeeds with b ports held and k
// squatted. A port is given back after a mean hold h: the death rate is b/h.
// Detailed balance gives
//
//	π(b+1)/π(b) = (S−b)·γh·α(b) / (b+1)
//
// and, since a session that asks finds the chain in state b with probability
// proportional to π(b)·(S−b), the refused share is
//
//	R = Σ π(b)(S−b)(1−α(b)) / Σ π(b)(S−b).
//
// Where α is 1 until all N ports are taken this is the Engset loss system.
// With infinitely many sources the birth rate is λ·α(b), and it is Erlang's.
// Only the mean of the hold counts, not its shape (insensitivity: B. A.
// Sevastyanov, Theory Probab. Appl. 2 (1957) 104-112), for α depends on the
// number of ports held alone.
type chain struct {
	pool     pool
	squatted int
	sources  int     // S; 0 is infinitely many
	offered  float64 // γ·h, or λ·h with infinitely many sources: Erlang
}

// ask is the rate, in holds, at which ports are asked for in state b.
func (c chain) ask(b int) float64 {
	if c.sources == 0 {
		return c.offered
	}
	return float64(c.sources-b) * c.offered
}

func (c chain) top() int {
	top := c.pool.size - c.squatted
	if c.sources > 0 {
		top = min(top, c.sources)
	}
	return max(top, 0)
}

// step is π(b+1)/π(b). It falls as b grows, so that π has one summit.
func (c chain) step(b int) float64 {
	return c.ask(b) * (1 - c.pool.refuses(b+c.squatted)) / float64(b+1)
}

// negligible is where a state's weight, relative to the summit's, no longer
// matters to a refused share of 1e-12: all the states beyond it together weigh
// less than 64,512 times that.
const negligible = 1e-30

// each calls do with the states that matter and their weights relative to the
// summit's, so that nothing overflows however many ports there are.
func (c chain) each(do func(b int, weight float64)) { outwards(c.summit(), c.top(), 1, c.step, do) }

// outwards calls do with the states from 0 to top that matter and their
// weights, from the one with the largest on: step(x) is the weight of x+1 over
// that of x, and falls as x grows.
func outwards(summit, top int, weight float64, step func(x int) float64, do func(x int, weight float64)) {
	do(summit, weight)
	for x, w := summit, weight; x < top; x++ {
		if w *= step(x); w < negligible {
			break
		}
		do(x+1, w)
	}
	for x, w := summit, weight; x > 0; x-- {
		if w /= step(x - 1); w < negligible {
			break
		}
		do(x-1, w)
	}
}

// summit is the state with the largest probability.
func (c chain) summit() int {
	low, high := 0, c.top()
	for low < high {
		if mid := (low + high) / 2; c.step(mid) < 1 {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// refused is the share R of the requests that get no port.
func (c chain) refused() float64 {
	if c.offered <= 0 {
		return c.pool.refuses(c.squatted)
	}
	return math.Min(c.asked(func(b int) float64 { return c.pool.refuses(b + c.squatted) }), 1)
}

// asked is the mean of a function over the states that requests find.
func (c chain) asked(of func(b int) float64) float64 {
	var sum, asked float64
	c.each(func(b int, weight float64) {
		w := weight * c.ask(b)
		asked += w
		sum += w * of(b)
	})
	if asked == 0 { // every session holds a port: nobody asks
		return 0
	}
	return sum / asked
}
