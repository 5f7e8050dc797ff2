package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// played is what the embedded daemon loses, by the shape of the connect times,
// one in a thousand of which lost its SYN.
func played(t *testing.T, w sizing.Workload, ports, requests int, shape Shape, arrivals Arrivals) Estimate {
	t.Helper()
	return run(t, Config{Profile: lookup(t, "embedded"), Workload: w, Ports: ports, Seed: 18, Shape: shape,
		LostSYNs: sizing.LostSYN, Arrivals: arrivals, Requests: requests, Replications: 8, Split: SplitNever}).Refused
}

// 20 sessions that ask once a second in all, 200 ms and then 1 s of transfer:
// on one port exponential connect times lose 2.5e-3 and lognormal ones 1.0e-2
// where constant ones lose 1e-6.
func TestSpreadOfConnectTimes(t *testing.T) {
	w := sizing.Workload{
		Sessions:  20,
		Traffic:   &sizing.Traffic{Rate: 1, Connect: 200 * time.Millisecond, Transfer: time.Second},
		Objective: sizing.Objective{Refused: 1e-6, MaxWait: time.Second},
	}
	p := lookup(t, "embedded")
	for shape, want := range map[Shape]float64{Constant: 0, Exponential: 2.5e-3, Lognormal: 1.0e-2} {
		r := run(t, Config{Profile: p, Workload: w, Ports: 1, Seed: 18, Shape: shape, Requests: 20_000, Replications: 8, Split: SplitNever})
		agrees(t, string(shape), r.Refused, want)
		if bound := sizing.Refused(p, w, 1); r.Refused.Low > bound || shape == Lognormal && bound > 5*r.Refused.High {
			t.Errorf("%s: at most %g by the model, played %+v", shape, bound, r.Refused)
		}
	}
	// By long simulations 3 ports keep 1e-6 there, and 7 at 20/s.
	for _, c := range []struct {
		sessions int
		rate     float64
		fewest   int
	}{{20, 1, 3}, {100, 20, 7}} {
		w.Sessions, w.Traffic.Rate = c.sessions, c.rate
		planned, err := sizing.Size(p, w)
		if err != nil || planned.Ports < c.fewest || planned.Ports > c.fewest+2 {
			t.Errorf("%g/s: %d ports, want %d to %d (%v)", c.rate, planned.Ports, c.fewest, c.fewest+2, err)
		}
	}
}

// Whatever the workload, the planned ports keep the objective for every shape
// of connect times, and they are at most 2 or a quarter above the fewest that do
// where requests arrive independently, as the bound takes them.
func TestPlannedPortsKeepTheObjectiveForEveryShape(t *testing.T) {
	random := rand.New(rand.NewPCG(19, 20))
	p := lookup(t, "embedded")
	for range 14 {
		w := randomAddress(random)
		w.Objective.Refused = []float64{1e-2, 1e-3}[random.IntN(2)]
		planned, err := sizing.Size(p, w)
		if err != nil {
			t.Fatal(err)
		}
		bound := sizing.Refused(p, w, planned.Ports)
		for _, shape := range shapes {
			if r := played(t, w, planned.Ports, 4000, shape, Finite); r.Low > bound {
				t.Errorf("%+v %+v: %d ports are said to lose at most %g, %s times lose %+v", w, w.Traffic, planned.Ports, bound, shape, r)
			}
		}
		least := planned.Ports - max(3, int(math.Ceil(0.2*float64(planned.Ports)))+1)
		if least < 1 {
			continue
		}
		if r := played(t, w, least, 4000, Lognormal, Open); r.High <= w.Objective.Refused {
			t.Errorf("%+v %+v: %d ports are planned, and %d lose only %+v", w, w.Traffic, planned.Ports, least, r)
		}
	}
}

// Sessions that wait or hold a port do not ask: if they are few and busy, they
// take fewer ports than an open stream. The bound lies at most 2 ports or a
// quarter above the fewest that keep the objective.
func TestFiniteSourcesNeedFewerPorts(t *testing.T) {
	for _, c := range []struct {
		sessions   int
		rate       float64
		parallel   int
		wait       time.Duration
		refused    float64
		most, high int // ports that are planned at most, and some that are too few
	}{
		{87, 29, 1, 200, 1e-3, 11, 9}, // 10 by simulation
		{87, 29, 1, 200, 1e-4, 13, 9}, // 11
		{87, 29, 1, 400, 1e-3, 10, 8}, // 9
		{87, 29, 1, 1000, 1e-4, 8, 6},
		{26, 9, 7, 200, 1e-3, 11, 9},
		{26, 9, 7, 1000, 1e-3, 5, 4},
		{26, 14, 7, 500, 1e-3, 8, 6},
	} {
		w := sizing.Workload{
			Sessions:  c.sessions,
			Traffic:   &sizing.Traffic{Rate: c.rate, Connect: 200 * time.Millisecond, Transfer: time.Second, Parallel: c.parallel},
			Objective: sizing.Objective{Refused: c.refused, MaxWait: c.wait * time.Millisecond},
		}
		planned, err := sizing.Size(lookup(t, "embedded"), w)
		if err != nil || planned.Ports > c.most {
			t.Errorf("%+v: %d ports (%v)", c, planned.Ports, err)
		}
		most := 0.0
		for _, shape := range shapes {
			r := played(t, w, planned.Ports-1, 5000, shape, Finite)
			if bound := sizing.Refused(lookup(t, "embedded"), w, planned.Ports-1); r.Low > bound {
				t.Errorf("%+v: at most %g by the model, %s times lose %+v", c, bound, shape, r)
			}
			most = max(most, played(t, w, c.high, 5000, shape, Finite).High)
		}
		if most <= c.refused {
			t.Errorf("%+v: %d ports lose only %g", c, c.high, most)
		}
	}
}

// Sessions of one address that are few, busy, or ask at once lose no more than
// the bound says, for every shape.
func TestFiniteSourcesAreOnTheSafeSide(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	for i := range 24 {
		w := randomAddress(random)
		w.Sessions = 4 + random.IntN(40)
		busy := (w.Traffic.Connect + w.Traffic.Transfer).Seconds()
		w.Traffic.Rate = float64(w.Sessions) / busy * (0.2 + 0.7*random.Float64())
		if i%2 == 0 {
			w.Traffic.Parallel = 2 + random.IntN(6)
		}
		w.Objective.Refused = 1e-2
		planned, err := sizing.Size(lookup(t, "embedded"), w)
		if err != nil {
			t.Fatal(err)
		}
		for ports := max(1, planned.Ports-1); ports <= planned.Ports; ports++ {
			bound := sizing.Refused(lookup(t, "embedded"), w, ports)
			for _, shape := range shapes {
				if r := played(t, w, ports, 1500, shape, Finite); r.Low > bound {
					t.Errorf("%+v %+v: %d ports are said to lose at most %g, %s times lose %+v", w, w.Traffic, ports, bound, shape, r)
				}
			}
		}
	}
}

// randomAddress is a workload of one client address, of which up to 60 % is used.
func randomAddress(random *rand.Rand) sizing.Workload {
	w := sizing.Workload{Sessions: 8 + random.IntN(120), Traffic: &sizing.Traffic{
		Connect:  time.Duration(20+random.IntN(400)) * time.Millisecond,
		Transfer: time.Duration(200+random.IntN(3000)) * time.Millisecond,
	}}
	if random.IntN(3) == 0 {
		w.Traffic.ConnectP99 = time.Duration((2 + 8*random.Float64()) * float64(w.Traffic.Connect))
	}
	busy := (w.Traffic.Connect + w.Traffic.Transfer).Seconds()
	w.Traffic.Rate = float64(w.Sessions) / busy * (0.05 + 0.55*random.Float64())
	w.Objective.MaxWait = time.Duration(100+random.IntN(1500)) * time.Millisecond
	return w
}
