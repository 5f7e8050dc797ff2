package sizing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// mdc is P(W > wait) in M/D/c as C. D. Crommelin had it: the number of
// customers, seen every D, goes from L to (L−c)⁺ + Poisson(λD), for in a time
// D exactly those in service leave. An arrival waits longer than mD + u where
// (L−c)⁺ and the arrivals of the D−u before it together are c(m+1) or more.
func mdc(rate, service float64, servers int, wait float64) float64 {
	const states = 1200
	a := rate * service
	arrive := poisson(a, states)
	pi := make([]float64, states)
	pi[0] = 1
	for range 20000 {
		next := make([]float64, states)
		for l, p := range pi {
			if p < 1e-18 {
				continue
			}
			from := max(0, l-servers)
			for k := 0; from+k < states && arrive[k] > 1e-18 || k < int(a); k++ {
				if from+k < states {
					next[from+k] += p * arrive[k]
				}
			}
		}
		moved := 0.0
		for i := range pi {
			moved += math.Abs(next[i] - pi[i])
		}
		pi = next
		if moved < 1e-13 {
			break
		}
	}
	m := math.Floor(wait / service)
	before := poisson(rate*(service-(wait-m*service)), states)
	late := 0.0
	for l, p := range pi {
		need := servers*(int(m)+1) - max(0, l-servers)
		tail := 1.0
		if need > 0 {
			tail = 0
			for k := need; k < states; k++ {
				tail += before[k]
			}
		}
		late += p * tail
	}
	return late
}

func poisson(mean float64, n int) []float64 {
	p := make([]float64, n)
	for k := range p {
		l, _ := math.Lgamma(float64(k) + 1)
		p[k] = math.Exp(float64(k)*math.Log(mean) - mean - l)
	}
	return p
}

// The bound on waits is above the exact solution, and close enough that it
// costs a port or none.
func TestWaitsBoundTheExactQueue(t *testing.T) {
	for _, servers := range []int{1, 2, 5, 20} {
		for _, rho := range []float64{0.05, 0.3, 0.6, 0.9} {
			for _, wait := range []float64{0, 0.5, 1, 2.5, 5} { // in service times
				rate := rho * float64(servers)
				exact := mdc(rate, 1, servers, wait)
				got := waits(rate, 1, servers, wait, 1)
				what := fmt.Sprintf("%d servers at %g, wait %g", servers, rho, wait)
				if got < exact*(1-1e-6)-1e-13 {
					t.Errorf("%s: bound %g below the exact %g", what, got, exact)
				}
				if exact > 1e-12 && got > 12*exact {
					t.Errorf("%s: bound %g far above the exact %g", what, got, exact)
				}
			}
		}
	}
}

// Customers who leave: with no patience Erlang's loss formula, with a lot of it
// all that the servers cannot carry, and between them the queue itself, played.
func TestLeavesAgreesWithItsQueue(t *testing.T) {
	for _, servers := range []int{1, 2, 7, 40} {
		for _, a := range []float64{0.3, 1, 6.9, 7, 7.1, 60} {
			b := 1.0
			for n := 1; n <= servers; n++ {
				b = a * b / (float64(n) + a*b)
			}
			near(t, fmt.Sprintf("Erlang B, %d servers, %g Erlang", servers, a), leaves(a*3, 1.0/3, servers, 0), b, 1e-9)
			if over := 1 - float64(servers)/a; over > 0 {
				near(t, "overload", leaves(a, 1, servers, 1e4), over, 2e-3)
			}
		}
	}
	for _, c := range []struct {
		rate    float64
		servers int
		wait    float64
	}{{0.7, 1, 2}, {1.3, 1, 1.5}, {3, 3, 1}, {5, 3, 0.5}} {
		near(t, fmt.Sprintf("%+v", c), leaves(c.rate, 1, c.servers, c.wait), leavesByRecord(c.rate, c.servers, c.wait), 0.02)
	}
	if got := leaves(1, 1, 0, 1); got != 1 {
		t.Errorf("no server: %g", got)
	}
}

// leavesByRecord plays the queue: each server is free again at a time, and an
// arrival leaves where the first of them is free too late.
func leavesByRecord(rate float64, servers int, wait float64) float64 {
	random := rand.New(rand.NewPCG(1, 2))
	free := make([]float64, servers)
	const arrivals = 400_000
	now, left := 0.0, 0
	for range arrivals {
		now += random.ExpFloat64() / rate
		first := 0
		for i, at := range free {
			if at < free[first] {
				first = i
			}
		}
		if free[first]-now > wait {
			left++
			continue
		}
		free[first] = max(free[first], now) + random.ExpFloat64()
	}
	return float64(left) / arrivals
}

func TestPoissonTail(t *testing.T) {
	for _, mean := range []float64{0.01, 1, 17.5, 400} {
		p := poisson(mean, 2000)
		for _, m := range []int{1, 2, 20, 60, 500, 700} {
			if float64(m) <= mean {
				continue
			}
			want := 0.0
			for k := len(p) - 1; k >= m; k-- {
				want += p[k]
			}
			got := poissonTail(mean, float64(m))
			if want > 1e-29 {
				near(t, fmt.Sprintf("P(Poisson(%g) >= %d)", mean, m), got, want, 1e-8)
			}
		}
	}
}

// A busy address needs far fewer ports where requests may wait than sessions.
func TestWaitingSavesPorts(t *testing.T) {
	w := Workload{
		Sessions: 400, SessionsPerAddress: 50,
		Traffic:   &Traffic{Rate: 40, Connect: 120 * time.Millisecond, Transfer: 2 * time.Second},
		Objective: Objective{Refused: 1e-6, MaxWait: time.Second},
	}
	embedded := mustLookup(t, "embedded")
	last := 0
	for _, c := range []struct {
		abandoned float64
		wait      time.Duration
	}{{0, 5 * time.Second}, {0, time.Second}, {0, 0}, {0.01, time.Second}, {0.1, time.Second}} {
		w.Traffic.Abandoned, w.Objective.MaxWait = c.abandoned, c.wait
		r, err := Size(embedded, w)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("abandoned %g, wait %s: %d ports, %s", c.abandoned, c.wait, r.Ports, r.Bounds[1].Why)
		if r.Ports < last || r.Ports >= 50 {
			t.Errorf("abandoned %g, wait %s: %d ports after %d", c.abandoned, c.wait, r.Ports, last)
		}
		last = r.Ports
	}
}
