package simulate

import (
	"math"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// together is a workload with such a hold or connect time.
func together(sessions int, rate float64, connect, transfer time.Duration) sizing.Workload {
	return sizing.Workload{
		Sessions:  sessions,
		Traffic:   &sizing.Traffic{Rate: rate, Connect: connect, Transfer: transfer},
		Objective: sizing.Objective{Refused: 1e-3, MaxWait: time.Second, Squatted: 1},
	}
}

// What a range for independent clients refuses of those that start together:
// 300 EDI partners with four files each, and 200 cameras in step. The figures
// are another simulator's, of holds that are exponential as a whole.
func TestBurstsArePlayed(t *testing.T) {
	edi := together(300, 4, 0, 2150*time.Millisecond)
	cameras := together(200, 20, 0, 600*time.Millisecond)
	waiting := together(200, 20, 100*time.Millisecond, 500*time.Millisecond)
	waiting.Objective.Squatted = 0
	for _, c := range []struct {
		server      string
		w           sizing.Workload
		ports       int
		connections int
		within      time.Duration
		shape       Shape
		want        float64
	}{
		{"vsftpd", edi, 64, 4, time.Second, Exponential, 0.52},
		{"vsftpd", edi, 64, 4, 10 * time.Second, Exponential, 0.37},
		{"vsftpd", edi, 64, 4, time.Minute, Exponential, 0.022},
		{"vsftpd", cameras, 74, 1, 50 * time.Millisecond, Exponential, 0.61},
		{"vsftpd", cameras, 74, 1, time.Second, Exponential, 0.24},
		{"embedded", waiting, 3, 1, 50 * time.Millisecond, Constant, 0.84},
		{"embedded", waiting, 3, 1, time.Second, Constant, 0.70},
	} {
		b := sizing.Burst{Sessions: c.w.Sessions, Within: c.within, Connections: c.connections}
		r := run(t, Config{Profile: lookup(t, c.server), Workload: c.w, Ports: c.ports, Seed: 21, Shape: c.shape, Requests: 4000, Replications: 10, Burst: &b})
		// Half a unit of the last digit, and what both simulators are unsure of.
		unit := math.Pow(10, math.Floor(math.Log10(c.want))-1)
		if off := math.Max(c.want-r.Refused.High, r.Refused.Low-c.want); off > unit/2+1e-9 {
			t.Errorf("%s, %+v: %+v refused, want %g", c.server, b, r.Refused, c.want)
		}
		if bound, _ := sizing.RefusedInBurst(lookup(t, c.server), c.w, c.ports, b); bound < r.Refused.High {
			t.Errorf("%s, %+v: the bound is %g, played %+v", c.server, b, bound, r.Refused)
		}
	}
}

// A range that is planned for a burst keeps the objective whatever the shape of
// the connect and transfer times, on servers that refuse and that wait, and is
// not far from the smallest that does.
func TestPlannedForBursts(t *testing.T) {
	for _, c := range []struct {
		server string
		w      sizing.Workload
		n, m   int
		within time.Duration
	}{
		{server: "vsftpd", w: together(100, 1, 100*time.Millisecond, 400*time.Millisecond), n: 60, m: 3, within: 5 * time.Second},
		{server: "apache", w: together(300, 4, 150*time.Millisecond, 2*time.Second), n: 300, m: 2, within: 30 * time.Second},
		{server: "embedded", w: together(200, 20, 100*time.Millisecond, 500*time.Millisecond), n: 200, m: 1, within: 50 * time.Millisecond},
		{server: "embedded", w: together(200, 20, 100*time.Millisecond, 500*time.Millisecond), n: 200, m: 1, within: time.Second},
		{server: "embedded", w: together(300, 4, 150*time.Millisecond, 2*time.Second), n: 300, m: 4, within: 10 * time.Second},
		{server: "embedded", w: together(300, 4, 150*time.Millisecond, 0), n: 150, m: 4, within: 3 * time.Second},
		{server: "embedded", w: together(50, 1, 1500*time.Millisecond, 0), n: 50, m: 1, within: 10 * time.Second},
	} {
		b := sizing.Burst{Sessions: c.n, Within: c.within, Connections: c.m}
		c.w.Traffic.Bursts = sizing.Bursts{b}
		if c.server == "embedded" {
			c.w.Objective.Squatted = 0
		}
		p := lookup(t, c.server)
		planned, err := sizing.Size(p, c.w)
		if err != nil {
			t.Fatal(err)
		}
		play := func(ports int, shape Shape) Estimate {
			return run(t, Config{Profile: p, Workload: c.w, Ports: ports, Seed: 22, Shape: shape, Requests: 1500, Replications: 10, Burst: &b}).Refused
		}
		for _, shape := range []Shape{Constant, Exponential, Lognormal} {
			if r := play(planned.Ports, shape); r.Low > c.w.Objective.Refused {
				t.Errorf("%s, %+v, %s: %d ports refuse %+v", c.server, b, shape, planned.Ports, r)
			}
		}
		if r := play(planned.Ports/2, Exponential); r.High < c.w.Objective.Refused {
			t.Errorf("%s, %+v: half of the %d ports would do: %+v", c.server, b, planned.Ports, r)
		}
	}
}

// A session that asks again instead of going on asks more often and gets more.
func TestRefusedSessionsMayAskAgain(t *testing.T) {
	w := together(40, 1, 0, time.Second)
	b := sizing.Burst{Sessions: 40, Within: 100 * time.Millisecond, Connections: 2}
	play := func(server string, retry time.Duration) Result {
		return run(t, Config{Profile: lookup(t, server), Workload: w, Ports: 21, Seed: 23, Requests: 800, Replications: 5, Burst: &b, Retry: retry})
	}
	once, again := play("apache", 0), play("apache", time.Second)
	served := func(r Result) float64 { return float64(r.Requests) * (1 - r.Refused.Mean) }
	if once.Requests != 5*800 || again.Requests <= once.Requests {
		t.Errorf("asked %d times, %d with retries", once.Requests, again.Requests)
	}
	// Each burst ends with all of its 80 data connections served.
	if rate := served(again) / float64(again.Requests); rate <= served(once)/float64(once.Requests) {
		t.Errorf("%g of the requests are served with retries, %g without", rate, served(once)/float64(once.Requests))
	}
	if dropped := play("vsftpd", time.Second); dropped.Refused.Mean == 0 || dropped.Requests > 5*880 {
		t.Errorf("a session that is dropped asks again: %+v", dropped)
	}
}
