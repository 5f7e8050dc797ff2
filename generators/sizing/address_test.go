package sizing

import (
	"errors"
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

// The bound on waits is above the exact solution for constant holds, and next to
// that for exponential ones, where neither batches nor finite sources matter.
func TestQueueBoundsTheExactOne(t *testing.T) {
	for _, servers := range []int{1, 2, 5, 20} {
		for _, rho := range []float64{0.05, 0.3, 0.6, 0.9} {
			for _, wait := range []float64{0, 0.5, 1, 2.5, 5} { // in service times
				rate := rho * float64(servers)
				exact := mdc(rate, 1, servers, wait)
				q := newQueue(&load{addressRate: rate, connect: 1, parallel: 1, open: true}, wait)
				got := 0.0 // nobody leaves
				for i := range q.shapes {
					got = max(got, q.lateOn(&q.shapes[i], servers))
				}
				what := fmt.Sprintf("%d servers at %g, wait %g", servers, rho, wait)
				if got < exact*(1-1e-6)-1e-13 {
					t.Errorf("%s: bound %g below the exact %g", what, got, exact)
				}
				// Erlang's C formula is exact for exponential holds; the grid of
				// the wait adds a little.
				blocked := erlangB(servers, rate)
				blocked /= 1 - rho*(1-blocked)
				exact = blocked * math.Exp(-float64(servers)*(1-rho)*wait)
				if got := q.lateOn(&q.shapes[1], servers); exact > 1e-13 && (got < exact*(1-1e-6) || got > exact*1.5) {
					t.Errorf("%s: %g, by Erlang's C formula %g", what, got, exact)
				}
			}
		}
	}
}

// σ is the one whose 99th percentile is stated.
func TestSpreadHasItsPercentile(t *testing.T) {
	for _, p99 := range []time.Duration{200, 210, 400, 1242, 2900} {
		tr := Traffic{Connect: 200 * time.Millisecond, ConnectP99: p99 * time.Millisecond}
		near(t, "p99", float64(tr.ConnectP99OrDefault()), float64(p99*time.Millisecond), 1e-8)
	}
	near(t, "σ unless told", (&Traffic{Connect: time.Second}).ConnectSpread(), 1, 0)
	for p99, wrong := range map[time.Duration]bool{0: false, 199: true, 200: false, 2980: false, 2981: true} {
		w := edi()
		w.Traffic.Connect, w.Traffic.ConnectP99 = 200*time.Millisecond, p99*time.Millisecond
		var bad *WorkloadError
		if _, err := Size(mustLookup(t, "embedded"), w); errors.As(err, &bad) != wrong || wrong && bad.Attribute != "traffic.connect_time_p99" {
			t.Errorf("p99 %d ms of a mean of 200 ms: %v", p99, err)
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

// Wider connect times, a shorter patience, more rate and more sessions at once
// never take fewer ports.
func TestSpreadTakesPorts(t *testing.T) {
	p := mustLookup(t, "embedded")
	ports := func(change func(*Workload)) int {
		w := Workload{Sessions: 100, Traffic: &Traffic{Rate: 20, Connect: 200 * time.Millisecond, Transfer: time.Second},
			Objective: Objective{Refused: 1e-6, MaxWait: time.Second}}
		change(&w)
		return size(t, p, w).Ports
	}
	usual := ports(func(*Workload) {})
	narrow := ports(func(w *Workload) { w.Traffic.ConnectP99 = 210 * time.Millisecond })
	wide := ports(func(w *Workload) { w.Traffic.ConnectP99 = 2900 * time.Millisecond })
	patient := ports(func(w *Workload) { w.Objective.MaxWait = 5 * time.Second })
	t.Logf("%d ports; with p99 of 210 ms %d, of 2.9 s %d; with 5 s of patience %d", usual, narrow, wide, patient)
	if !(narrow < usual && usual < wide && patient < usual) {
		t.Errorf("%d ports; narrow %d, wide %d, patient %d", usual, narrow, wide, patient)
	}
}

// A generous cap on the site's sessions does not shrink the range: the busiest
// address may ask for all that its sessions carry, with more of them or fewer.
func TestBusiestAddressMayAskForAll(t *testing.T) {
	p, ports, rates := mustLookup(t, "embedded"), map[int]bool{}, map[float64]bool{}
	for _, sessions := range []int{50, 100, 200, 400, 1000, 5000} {
		w := Workload{Sessions: sessions, SessionsPerAddress: 50,
			Traffic:   &Traffic{Rate: 10, Connect: 200 * time.Millisecond, Transfer: time.Second},
			Objective: Objective{Refused: 1e-6, MaxWait: time.Second}}
		rate, carried := AddressRate(p, w)
		near(t, "carried", carried, 0.9*50/1.2, 1e-12)
		rates[rate], ports[size(t, p, w).Ports] = true, true
	}
	if len(ports) != 1 || len(rates) != 1 || !rates[10] {
		t.Errorf("ports %v at rates %v", ports, rates)
	}
	w := Workload{Sessions: 400, SessionsPerAddress: 5, Traffic: &Traffic{Rate: 40, Connect: 120 * time.Millisecond, Transfer: 2 * time.Second, Abandoned: 0.001}}
	rate, carried := AddressRate(p, w)
	near(t, "rate of 5 sessions", rate, 0.9*5/(0.999*2.12+0.001*32), 1e-12)
	near(t, "carried", carried, rate, 0)
	w.Traffic.RatePerAddress = 41
	var wrong *WorkloadError
	if _, err := Size(p, w); !errors.As(err, &wrong) || wrong.Attribute != "traffic.transfers_per_second_per_address" {
		t.Errorf("one address asks for more than all: %v", err)
	}
	w.Traffic.RatePerAddress = 3
	var overload *OverloadError
	if _, err := Size(p, w); !errors.As(err, &overload) || !overload.PerAddress {
		t.Errorf("5 sessions that carry 2.3/s ask for 3: %v", err)
	}
}

// More sessions, of the site or of an address, more rate, more squatted ports
// and a stricter objective never take fewer ports.
func TestPortsAreMonotone(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 24))
	for range 60 {
		p, w := randomCase(random)
		before, err := Size(p, w)
		if err != nil {
			continue
		}
		for name, change := range map[string]func(*Workload, *Traffic){
			"sessions": func(w *Workload, _ *Traffic) { w.Sessions += 1 + w.Sessions/10 },
			"sessions per address": func(w *Workload, _ *Traffic) {
				w.SessionsPerAddress = min(w.Sessions, w.SessionsPerAddress+1+w.Sessions/10)
			},
			"refused":  func(w *Workload, _ *Traffic) { w.Objective.Refused /= 3 },
			"squatted": func(w *Workload, _ *Traffic) { w.Objective.Squatted++ },
			"rate":     func(_ *Workload, t *Traffic) { t.Rate *= 1.05 },
		} {
			more, traffic := w, w.trafficCopy()
			if w.Traffic != nil {
				more.Traffic = traffic
			}
			change(&more, traffic)
			if after, err := Size(p, more); err == nil && after.Ports < before.Ports {
				t.Errorf("%s: more %s take %d ports, not %d: %+v %+v", p.Name, name, after.Ports, before.Ports, w, w.Traffic)
			}
		}
	}
}
