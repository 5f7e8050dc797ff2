package sizing

import (
	"fmt"
	"testing"
	"time"
)

// refusedInBatches solves the chain of batches as a set of linear equations,
// every possible step of it written out.
func refusedInBatches(m batches) float64 {
	states := m.top() + 1
	balance := make([][]float64, states)
	for i := range balance {
		balance[i] = make([]float64, states+1)
	}
	lost, asked := make([]float64, states), make([]float64, states)
	for b := range states {
		if b > 0 {
			balance[b-1][b] += float64(b)
			balance[b][b] -= float64(b)
		}
		rate, requests := m.rate(b)
		var follow func(taken, left int, probability float64)
		follow = func(taken, left int, probability float64) {
			if left == 0 {
				balance[b+taken][b] += rate * probability
				balance[b][b] -= rate * probability
				return
			}
			no := m.pool.refuses(b + taken + m.squatted)
			lost[b] += rate * probability * no
			asked[b] += rate * probability
			if no > 0 {
				follow(taken, left-1, probability*no)
			}
			if no < 1 {
				follow(taken+1, left-1, probability*(1-no))
			}
		}
		follow(0, requests, 1)
	}
	all, none := 0.0, 0.0
	for b, p := range stationary(balance) {
		all += p * asked[b]
		none += p * lost[b]
	}
	return none / all
}

func TestBatchesAgreeWithTheirEquations(t *testing.T) {
	for _, p := range []pool{scan(7), {PickRandom, 2, 9, 0}, {PickRandom, 9, 12, 0}, {PickDistinct, 3, 8, 0}} {
		for _, size := range []int{1, 2, 3, 5} {
			for _, sources := range []int{0, 5, 30} {
				for _, offered := range []float64{0.05, 0.7} {
					m := batches{chain{pool: p, squatted: 1, sources: sources, offered: offered}, size}
					want := refusedInBatches(m)
					what := fmt.Sprintf("%d of %d sources of %g on %+v", size, sources, offered, p)
					if want < 1e-13 {
						continue
					}
					near(t, what, m.oneByOne(), want, 1e-7)
				}
			}
		}
	}
}

// Batches that give their ports back together, on a scan of as many ports as
// fit n batches, are Erlang's system of n servers, with batches for customers.
func TestBatchesThatEndTogetherAreErlangs(t *testing.T) {
	for _, size := range []int{2, 4} {
		for _, n := range []int{1, 3, 10} {
			const offered = 8.0 // requests
			m := batches{chain{pool: scan(n * size), offered: offered}, size}
			near(t, fmt.Sprintf("%d batches of %d", n, size), m.together(), erlangB(n, offered/float64(size)), 1e-12)
		}
	}
}

// Clients that ask with several sessions at once need more ports, on servers
// that refuse and on those that let them wait, and never more than sessions.
func TestParallelSessionsNeedMorePorts(t *testing.T) {
	for _, server := range []string{"vsftpd", "pyftpdlib", "embedded"} {
		p, last := mustLookup(t, server), 0
		for _, parallel := range []int{0, 2, 4, 16} {
			w := edi()
			w.Objective.MaxWait = 200 * time.Millisecond
			w.Traffic.Parallel = parallel
			r := size(t, p, w)
			if r.Ports <= last || r.Ports > 1500 {
				t.Errorf("%s, %d at once: %d ports after %d", server, parallel, r.Ports, last)
			}
			if Refused(p, w, r.Ports-1) <= w.Objective.Refused {
				t.Errorf("%s, %d at once: %d ports are not the fewest", server, parallel, r.Ports)
			}
			last = r.Ports
		}
	}
}

// A batch on an address of its own waits for its own requests: of ten at once on
// two ports of 1 s each two start at once, and two more every second.
func TestBatchWaitsForItself(t *testing.T) {
	l := load{addressRate: 0.001, connect: 1, parallel: 10, open: true}
	if got := newQueue(&l, 2.5).late(2); got < 0.4 {
		t.Errorf("P(W > 2.5 s) = %g, want 4 of 10 at least", got)
	}
	if got := newQueue(&l, 9.9).late(2); got > 0.1 {
		t.Errorf("P(W > 9.9 s) = %g, want little", got)
	}
}
