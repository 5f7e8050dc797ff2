package simulate

import (
	"context"
	"errors"
	"math"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// run simulates, and fails the test on an error.
func run(t *testing.T, c Config) Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// agrees fails where want is further from the estimate than twice its 95 %
// interval, which chance does once in 10,000 times; it reports whether want lies
// in the interval.
func agrees(t *testing.T, what string, e Estimate, want float64) bool {
	t.Helper()
	half := math.Max(e.High-e.Mean, e.Mean-e.Low)
	if math.Abs(want-e.Mean) > 2*half {
		t.Errorf("%s: %.6g, simulated %.6g (%.6g to %.6g)", what, want, e.Mean, e.Low, e.High)
	}
	return e.Holds(want)
}

// agreements counts how many of the agreements lie in their 95 % intervals.
type agreements struct{ inside, all int }

func (a *agreements) add(inside bool) {
	a.all++
	if inside {
		a.inside++
	}
}

func (a *agreements) check(t *testing.T, share float64) {
	t.Helper()
	if float64(a.inside) < share*float64(a.all) {
		t.Errorf("only %d of %d lie in their 95 %% intervals", a.inside, a.all)
	}
}

// server is a profile that scans, holds for the transfer and refuses.
func server(edit func(*sizing.Profile)) sizing.Profile {
	p := sizing.Profile{
		Name: "test", Title: "test",
		Hold: sizing.HoldTransfer, Pick: sizing.PickScan, Scope: sizing.ScopePort, WhenFull: sizing.FullRefuses,
		AbandonedHold: 15 * time.Minute, MinPorts: 1, Strangers: sizing.StrangersServed,
	}
	if edit != nil {
		edit(&p)
	}
	return p
}

func lookup(t *testing.T, name string) sizing.Profile {
	t.Helper()
	p, ok := sizing.Lookup(name)
	if !ok {
		t.Fatal(name)
	}
	return p
}

// load is a workload of that many sessions that offer that many Erlang in
// holds of 1.05 s, of which 50 ms go by before the client connects.
func load(sessions int, erlang float64) sizing.Workload {
	return sizing.Workload{
		Sessions:  sessions,
		Traffic:   &sizing.Traffic{Rate: erlang / 1.05, Connect: 50 * time.Millisecond, Transfer: time.Second},
		Objective: sizing.Objective{Refused: 1e-4, MaxWait: time.Second},
	}
}

func erlangB(ports int, offered float64) float64 {
	b := 1.0
	for n := 1; n <= ports; n++ {
		b = offered * b / (float64(n) + offered*b)
	}
	return b
}

func engset(ports, sources int, offered float64) float64 {
	term, sum := 1.0, 1.0
	for i := 1; i <= ports; i++ {
		term *= float64(sources-i) / float64(i) * offered
		sum += term
	}
	return term / sum
}

var shapes = []Shape{Constant, Exponential, Lognormal}

// Erlang's loss formula holds whatever the shape of the hold: insensitivity.
func TestOpenArrivalsAreErlangB(t *testing.T) {
	var a agreements
	for _, c := range []struct {
		ports  int
		erlang float64
	}{{1, 4.49}, {4, 3.79}, {8, 12.7}, {16, 11.9}} {
		for _, shape := range shapes {
			r := run(t, Config{Profile: server(nil), Workload: load(100_000, c.erlang), Ports: c.ports,
				Seed: 1, Shape: shape, Arrivals: Open, Requests: 5000, Split: SplitNever})
			a.add(agrees(t, string(shape), r.Refused, erlangB(c.ports, c.erlang)))
			carried := c.erlang * (1 - erlangB(c.ports, c.erlang))
			agrees(t, "ports held", r.Held, carried)
		}
	}
	a.check(t, 0.8)
}

// So does Engset's, for the sessions of a site.
func TestFiniteSourcesAreEngset(t *testing.T) {
	var a agreements
	for _, c := range []struct {
		sessions, ports int
		erlang          float64
	}{{3, 1, 0.9}, {10, 4, 5}, {60, 12, 9}} {
		offered := c.erlang / (float64(c.sessions) - c.erlang)
		for _, shape := range shapes {
			r := run(t, Config{Profile: server(nil), Workload: load(c.sessions, c.erlang), Ports: c.ports,
				Seed: 2, Shape: shape, Requests: 5000, Split: SplitNever})
			a.add(agrees(t, string(shape), r.Refused, engset(c.ports, c.sessions, offered)))
		}
	}
	a.check(t, 0.8)
}

// The waits of a queue with exponential service are Erlang C's.
func TestWaitsAreErlangC(t *testing.T) {
	p := lookup(t, "embedded")
	for _, c := range []struct {
		ports  int
		erlang float64
	}{{1, 0.5}, {3, 2.1}, {8, 6}} {
		w := sizing.Workload{
			Sessions:  1_000_000,
			Traffic:   &sizing.Traffic{Rate: c.erlang * 10, Connect: 100 * time.Millisecond},
			Objective: sizing.Objective{Refused: 1e-4, MaxWait: 20 * time.Second},
		}
		r := run(t, Config{Profile: p, Workload: w, Ports: c.ports, Seed: 3, Arrivals: Open, Requests: 15_000, Split: SplitNever})
		b := erlangB(c.ports, c.erlang)
		n := float64(c.ports)
		waits := b / (1 - c.erlang/n*(1-b))
		mean := waits * 0.1 / (n - c.erlang)
		if got := r.Waits.Mean; math.Abs(got-mean) > 0.05*mean {
			t.Errorf("%d ports, %g Erlang: mean wait %g s, want %g", c.ports, c.erlang, got, mean)
		}
		// P(W > t) = C e^(−(n−A)t/h): its 95th percentile.
		p95 := math.Max(0, math.Log(waits/0.05)*0.1/(n-c.erlang))
		if got := r.Waits.P95; math.Abs(got-p95) > 0.06*p95+0.002 {
			t.Errorf("%d ports, %g Erlang: 95 %% wait at most %g s, want %g", c.ports, c.erlang, got, p95)
		}
	}
}

// Each server's own way of drawing ports, against the chain of package sizing,
// in open arrivals and finite ones.
func TestDrawsAgreeWithTheChain(t *testing.T) {
	var a agreements
	for _, c := range []struct {
		server string
		ports  int
		erlang float64
	}{
		{"vsftpd", 16, 12.4}, {"vsftpd", 4, 3.8}, {"vsftpd", 40, 12.4}, {"ftpserverlib", 8, 7}, {"ftpserverlib", 16, 13},
		{"sftpgo", 16, 11}, {"sftpgo", 6, 3}, {"apache", 12, 9}, {"goftp", 12, 3}, {"pyftpdlib", 3, 1.2}, {"proftpd", 8, 4},
	} {
		p := lookup(t, c.server)
		w := load(2000, c.erlang)
		if p.Hold == sizing.HoldListen {
			w.Traffic.Connect, w.Traffic.Transfer = 1050*time.Millisecond, 0
		}
		w.Objective.Squatted = 1
		for _, shape := range []Shape{Constant, Lognormal} {
			r := run(t, Config{Profile: p, Workload: w, Ports: c.ports, Seed: 4, Shape: shape, Requests: 5000, Split: SplitNever})
			a.add(agrees(t, c.server+" "+string(shape), r.Refused, sizing.Refused(p, w, c.ports)))
		}
	}
	a.check(t, 0.8)
}

// Splitting sees what direct runs cannot, and sees the same where both can.
func TestSplittingAgreesWithTheChain(t *testing.T) {
	var a agreements
	for _, c := range []struct {
		name    string
		profile sizing.Profile
		ports   int
		erlang  float64
	}{
		{"a scan, frequent", server(nil), 14, 8},
		{"a scan, rare", server(nil), 30, 8},
		{"nine draws", lookup(t, "vsftpd"), 60, 8},
		{"a draw a port", lookup(t, "sftpgo"), 26, 8},
	} {
		w := load(200, c.erlang)
		for _, shape := range []Shape{Constant, Exponential} {
			r := run(t, Config{Profile: c.profile, Workload: w, Ports: c.ports, Seed: 5, Shape: shape,
				Requests: 2000, Replications: 20, Split: SplitAlways})
			want := sizing.Refused(c.profile, w, c.ports)
			t.Logf("%s, %s: %.3g, simulated %.3g (%.3g to %.3g), %s, %d requests", c.name, shape, want,
				r.Refused.Mean, r.Refused.Low, r.Refused.High, r.Method, r.Requests)
			a.add(agrees(t, c.name, r.Refused, want))
			if width := r.Refused.High - r.Refused.Low; width > 2*want {
				t.Errorf("%s, %s: the interval is %g wide about %g", c.name, shape, width, want)
			}
		}
	}
	a.check(t, 0.7)
}

func TestResultDoesNotDependOnTheProcessors(t *testing.T) {
	c := Config{Profile: lookup(t, "vsftpd"), Workload: load(50, 5), Ports: 30, Seed: 6, Requests: 1000, Replications: 8}
	many := run(t, c)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if one := run(t, c); !reflect.DeepEqual(one, many) {
		t.Errorf("on one processor %+v, on several %+v", one, many)
	}
	c.Seed++
	if other := run(t, c); other.Refused == many.Refused {
		t.Error("another seed gives the same result")
	}
}

func TestRunReportsAndStops(t *testing.T) {
	c := Config{Profile: lookup(t, "apache"), Workload: load(50, 5), Ports: 10, Requests: 1000, Replications: 6}
	var seen []int
	c.Progress = func(done, total int) {
		if total != 6 {
			t.Errorf("of %d", total)
		}
		seen = append(seen, done)
	}
	run(t, c)
	if !reflect.DeepEqual(seen, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("progress %v", seen)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.Requests = 1_000_000
	c.Progress = func(int, int) { cancel() }
	if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Ports = 0 },
		func(c *Config) { c.Replications = 1 },
		func(c *Config) { c.Requests = 1 },
		func(c *Config) { c.Shape = "square" },
		func(c *Config) { c.Arrivals = "never" },
		func(c *Config) { c.Split = "hairs" },
		func(c *Config) { c.Workload.Sessions = 0 },
		func(c *Config) { c.Workload.Traffic.Rate = 1e6 },
		func(c *Config) { c.Profile.Hold, c.Arrivals = sizing.HoldSession, Open },
	} {
		bad := Config{Profile: lookup(t, "apache"), Workload: load(50, 5), Ports: 10}
		spoil(&bad)
		if _, err := Run(context.Background(), bad); err == nil {
			t.Errorf("no error for %+v", bad)
		}
	}
}

func TestIntervalOfAShareEndsAtOne(t *testing.T) {
	var tallies []*tally
	for _, refused := range []float64{2, 2, 2, 2, 1} {
		tallies = append(tallies, &tally{asked: count{weight: 2, hits: 2}, full: count{weight: refused}})
	}
	var r Result
	if r.add(tallies, &setup{patience: -1}); r.Refused.Mean != 0.9 || r.Refused.High != 1 {
		t.Errorf("%+v", r.Refused)
	}
	var none Result
	if none.add([]*tally{{asked: count{weight: 1, hits: 1}}, {asked: count{weight: 1, hits: 1}}}, &setup{patience: -1}); none.Refused.High != 1 {
		t.Errorf("%+v", none.Refused)
	}
}

func TestStudent(t *testing.T) {
	for freedom, want := range map[float64]float64{1: 12.706, 3: 3.182, 4: 2.776, 9: 2.262, 19: 2.093, 100: 1.984} {
		if got := Student(freedom); math.Abs(got-want) > 0.004 {
			t.Errorf("%g degrees of freedom: %g, want %g", freedom, got, want)
		}
	}
}
