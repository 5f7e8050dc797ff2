package simulate

import (
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Wherever contention binds, four fifths of the planned ports break the
// objective when they are played, and the planned ones keep it; one port fewer
// breaks it by the model, always. The last two workloads are those of PROOF.md.
func TestPlannedPortsAreTheFewest(t *testing.T) {
	load := func(rate float64, connect, transfer time.Duration) *sizing.Traffic {
		return &sizing.Traffic{Rate: rate, Connect: connect, Transfer: transfer}
	}
	for _, w := range []sizing.Workload{
		{Sessions: 60, Traffic: load(12, 200*time.Millisecond, time.Second), Objective: sizing.Objective{Refused: 1e-2, Squatted: 1}},
		{Sessions: 400, Traffic: load(60, 200*time.Millisecond, time.Second), Objective: sizing.Objective{Refused: 1e-3, Squatted: 1}},
		{Sessions: 150, Traffic: load(80, 50*time.Millisecond, 5*time.Millisecond), Objective: sizing.Objective{Refused: 1e-2, Squatted: 1}},
		{Sessions: 150, Traffic: load(240, 50*time.Millisecond, 5*time.Millisecond), Objective: sizing.Objective{Refused: 1e-2, Squatted: 1}},
	} {
		for _, server := range []string{"vsftpd", "apache", "ftpserverlib", "sftpgo", "pyftpdlib", "filezilla", "proftpd"} {
			fewest(t, lookup(t, server), w)
		}
	}
}

func fewest(t *testing.T, p sizing.Profile, w sizing.Workload) {
	t.Helper()
	wanted := w.Objective.Refused
	planned, err := sizing.Size(p, w)
	if err != nil || planned.Ports < 5 || planned.Binding != sizing.BoundContention && planned.Binding != sizing.BoundListenRace {
		t.Fatalf("%s: %+v %v", p.Name, planned, err)
	}
	if one := sizing.Refused(p, w, planned.Ports-1); one <= wanted || planned.Refused > wanted {
		t.Errorf("%s: the model says %g on %d ports and %g on one fewer, objective %g", p.Name, planned.Refused, planned.Ports, one, wanted)
	}
	config := Config{Profile: p, Workload: w, Ports: planned.Ports * 4 / 5, Seed: 7, Shape: Constant, Requests: 5000}
	if fewer := run(t, config); fewer.Refused.Low <= wanted {
		t.Errorf("%s: %d of %d ports refuse %+v, objective %g", p.Name, config.Ports, planned.Ports, fewer.Refused, wanted)
	}
	config.Ports = planned.Ports
	if r := run(t, config); r.Refused.Low > wanted {
		t.Errorf("%s: all %d ports refuse %+v, objective %g", p.Name, planned.Ports, r.Refused, wanted)
	}
}

// An address that asks for more than its ports can serve: those who wait too
// long leave, and what is lost is what the model says, or a little less.
func TestOverloadedAddressLosesWhatTheModelSays(t *testing.T) {
	p := lookup(t, "embedded")
	for _, ports := range []int{1, 2, 4, 8, 12} {
		w := sizing.Workload{
			Sessions:  150,
			Traffic:   &sizing.Traffic{Rate: 240, Connect: 50 * time.Millisecond, Transfer: 5 * time.Millisecond},
			Objective: sizing.Objective{Refused: 1e-2, MaxWait: 200 * time.Millisecond},
		}
		bound := sizing.Refused(p, w, ports)
		r := run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 17, Shape: Constant, Arrivals: Open, Requests: 10_000, Split: SplitNever})
		if r.Refused.Low > bound || ports <= 8 && r.Refused.High < 0.95*bound {
			t.Errorf("%d ports: at most %.4f by the model, played %+v", ports, bound, r.Refused)
		}
	}
}

// The bound on the waits of a busy address lies above what is played, with
// finite sources and abandoned PASVs, and not so far above that it is no use.
func TestWaitsOfABusyAddressStayUnderTheBound(t *testing.T) {
	p := lookup(t, "embedded")
	for _, c := range []struct {
		sessions  int
		rate      float64
		connect   time.Duration
		abandoned float64
		wait      time.Duration
		refused   float64
		timeout   time.Duration
	}{
		{50, 5, 200 * time.Millisecond, 0, 500 * time.Millisecond, 1e-3, 10 * time.Second},
		{50, 20, 200 * time.Millisecond, 0, 500 * time.Millisecond, 1e-3, 10 * time.Second},
		{50, 5, 200 * time.Millisecond, 0.01, time.Second, 1e-2, 10 * time.Second},
		{50, 5, 200 * time.Millisecond, 0.05, time.Second, 1e-2, 10 * time.Second},
		{200, 40, 50 * time.Millisecond, 0.02, 200 * time.Millisecond, 1e-2, 10 * time.Second},
		{30, 1, time.Second, 0.1, 0, 1e-2, 10 * time.Second},
		{30, 1, time.Second, 0.1, 5 * time.Second, 1e-2, 10 * time.Second},
		{12, 3, 500 * time.Millisecond, 0.02, 2 * time.Second, 1e-2, 10 * time.Second},
		{50, 20, 200 * time.Millisecond, 0.2, 500 * time.Millisecond, 1e-2, time.Second},
		{50, 20, 200 * time.Millisecond, 0.2, 2 * time.Second, 1e-2, time.Second},
		{80, 40, 100 * time.Millisecond, 0.1, time.Second, 1e-2, 400 * time.Millisecond},
		{300, 100, 50 * time.Millisecond, 0.05, time.Second, 1e-2, 2 * time.Second},
	} {
		p.AbandonedHold = c.timeout
		w := sizing.Workload{
			Sessions: c.sessions,
			Traffic: &sizing.Traffic{Rate: c.rate, Connect: c.connect, Transfer: 100 * time.Millisecond,
				Abandoned: c.abandoned},
			Objective: sizing.Objective{Refused: c.refused, MaxWait: c.wait},
		}
		planned, err := sizing.Size(p, w)
		if err != nil {
			t.Fatal(err)
		}
		for ports := planned.Ports; ports > 0 && ports > planned.Ports-3; ports-- {
			bound := sizing.Refused(p, w, ports)
			r := run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 8, Shape: Constant, Requests: 5000, Split: SplitNever})
			t.Logf("%+v: %d ports: bound %.3g, played %.3g (%.3g to %.3g)", c, ports, bound, r.Refused.Mean, r.Refused.Low, r.Refused.High)
			if r.Refused.Low > bound {
				t.Errorf("%+v: %d ports are said to lose at most %g, played %+v", c, ports, bound, r.Refused)
			}
		}
		// Half the ports are not enough, however careful the bound is, except with
		// a timeout so short that a session may wait for it.
		if half := planned.Ports / 2; planned.Ports >= 4 && c.timeout >= 5*c.wait {
			r := run(t, Config{Profile: p, Workload: w, Ports: half, Seed: 9, Shape: Lognormal, Requests: 5000, Split: SplitNever})
			if r.Refused.High <= c.refused {
				t.Errorf("%+v: half of the %d ports would do: %+v", c, planned.Ports, r.Refused)
			}
		}
	}
}

// The listen race, played, is λδ over the free ports, as long as λδ is small:
// where much is lost, the formula says a little more than is.
func TestRaceAgreesWithItsFormula(t *testing.T) {
	p := lookup(t, "proftpd")
	p.RaceWindow = 150 * time.Microsecond
	for _, ports := range []int{16, 24, 32} {
		w := sizing.Workload{
			Sessions:  5000,
			Traffic:   &sizing.Traffic{Rate: 240, Connect: 50 * time.Millisecond},
			Objective: sizing.Objective{Refused: 0.1},
		}
		r := run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 10, Requests: 20_000, Split: SplitNever})
		agrees(t, "listen race", r.Refused, sizing.Refused(p, w, ports))
		if r.Race <= 0 || ports == 32 && r.Race < 10*r.Full {
			t.Errorf("%d ports: %+v", ports, r)
		}
		r = run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 10, Requests: 1000, Split: SplitAlways})
		agrees(t, "listen race, split", r.Refused, sizing.Refused(p, w, ports))
	}
}

// In the worst case all sessions but the one that asks hold a port.
func TestWorstCaseIsPlayed(t *testing.T) {
	w := sizing.Workload{Sessions: 40, Objective: sizing.Objective{Refused: 1e-6, Squatted: 1}}
	for _, server := range []string{"vsftpd", "sftpgo", "apache"} {
		p := lookup(t, server)
		planned, err := sizing.Size(p, w)
		if err != nil {
			t.Fatal(err)
		}
		for _, ports := range []int{planned.Ports, planned.Ports - 1, 30} {
			r := run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 11, Requests: 200})
			want := sizing.Refused(p, w, ports)
			if diff := r.Refused.Mean - want; diff > 1e-9*want+1e-15 || diff < -1e-9*want-1e-15 {
				t.Errorf("%s on %d ports: %g, played %+v", server, ports, want, r.Refused)
			}
		}
	}
	// The race of a start within a second, whose formula is an upper bound.
	for _, ports := range []int{41, 60} {
		p := lookup(t, "proftpd")
		r, bound := run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 11, Requests: 20_000}), sizing.Refused(p, w, ports)
		if r.Full != 0 || r.Refused.Low > bound || r.Refused.High < bound/1.3 {
			t.Errorf("ProFTPD on %d ports: bound %g, played %+v", ports, bound, r)
		}
	}
	// Neighbouring ports: they cluster, and the model errs on the safe side.
	window := server(func(p *sizing.Profile) { p.Pick, p.Tries = sizing.PickScanPartial, 4 })
	for _, ports := range []int{50, 60, 80} {
		r := run(t, Config{Profile: window, Workload: w, Ports: ports, Seed: 12, Requests: 5000})
		if bound := sizing.Refused(window, w, ports); r.Refused.Low > bound || r.Refused.High < bound/3 {
			t.Errorf("window on %d ports: bound %g, played %+v", ports, bound, r.Refused)
		}
	}
}

// Clients that ask with several sessions in the same instant. The model is the
// larger of what exponential holds and constant ones refuse, so that no shape
// refuses more, and it is no more than one of them does by half.
func TestBatchesArePlayed(t *testing.T) {
	for _, parallel := range []int{2, 4} {
		for _, server := range []string{"apache", "vsftpd"} {
			p := lookup(t, server)
			w := load(100_000, 8)
			w.Traffic.Parallel = parallel
			w.Traffic.Connect, w.Traffic.Transfer = 0, 1050*time.Millisecond
			model, most := sizing.Refused(p, w, 16), 0.0
			for _, shape := range []Shape{Exponential, Constant, Lognormal} {
				r := run(t, Config{Profile: p, Workload: w, Ports: 16, Seed: 13, Arrivals: Open, Requests: 10_000, Shape: shape, Split: SplitNever})
				if r.Refused.Low > model {
					t.Errorf("%s, %d at once, %s holds: %+v refused, the model says %g", server, parallel, shape, r.Refused, model)
				}
				most = max(most, r.Refused.High)
			}
			if model > 1.5*most {
				t.Errorf("%s, %d at once: the model says %g, and no shape of hold refuses more than %g", server, parallel, model, most)
			}
		}
	}
}

// A server that keeps each session's port needs as many as sessions, and
// refuses most once there are fewer.
func TestSessionsThatKeepTheirPort(t *testing.T) {
	p := lookup(t, "pureftpd")
	p.RaceWindow = 0
	w := load(40, 4)
	r := run(t, Config{Profile: p, Workload: w, Ports: 40, Seed: 14, Requests: 2000, Split: SplitNever})
	if r.Refused.Mean != 0 {
		t.Errorf("40 sessions on 40 ports: %+v", r.Refused)
	}
	r = run(t, Config{Profile: p, Workload: w, Ports: 16, Seed: 14, Requests: 2000, Split: SplitNever})
	if r.Refused.Low < 0.3 || r.Held.Mean < 15 {
		t.Errorf("40 sessions on 16 ports: %+v", r)
	}
}

// A port that rests in TIME_WAIT is Erlang's with the longer hold.
func TestRestingPortsArePlayed(t *testing.T) {
	p := server(func(p *sizing.Profile) { p.PortRest = 10 * time.Second })
	w := load(1000, 1)
	w.Traffic.Rate = 2
	r := run(t, Config{Profile: p, Workload: w, Ports: 24, Seed: 15, Requests: 10_000, Shape: Constant, Split: SplitNever})
	agrees(t, "resting ports", r.Refused, erlangB(24, 2*11.05))
	// In the worst case everybody holds one, too.
	w.Objective.WorstCase, w.Sessions = true, 20
	r = run(t, Config{Profile: p, Workload: w, Ports: 45, Seed: 15, Requests: 10_000})
	agrees(t, "resting ports at worst", r.Refused, sizing.Refused(p, w, 45))
}

// The old question: one port, 200 sessions. From 200 addresses the daemon
// refuses nobody, a server that goes by the port alone most of them.
func TestOnePort(t *testing.T) {
	w := sizing.Workload{
		Sessions: 200, SessionsPerAddress: 1,
		Traffic:   &sizing.Traffic{Rate: 100, Connect: 50 * time.Millisecond, Transfer: time.Second},
		Objective: sizing.Objective{Refused: 1e-6, MaxWait: time.Second},
	}
	embedded := lookup(t, "embedded")
	r := run(t, Config{Profile: embedded, Workload: w, Ports: 1, Seed: 16, Requests: 5000, Split: SplitNever})
	if r.Refused.Mean != 0 || r.Waits.Longest != 0 {
		t.Errorf("200 addresses: %+v, %+v", r, r.Waits)
	}
	r = run(t, Config{Profile: server(nil), Workload: w, Ports: 1, Seed: 16, Requests: 5000, Split: SplitNever})
	if r.Refused.Low < 0.95 {
		t.Errorf("by the port alone: %+v", r)
	}
	// All 200 behind one address: they queue. M/D/1 at 15/s of 50 ms waits
	// ρh/2(1−ρ) = 75 ms on average (Pollaczek and Khinchine).
	w.SessionsPerAddress, w.Traffic.Rate = 200, 15
	r = run(t, Config{Profile: embedded, Workload: w, Ports: 1, Seed: 16, Shape: Constant, Arrivals: Open, Requests: 20_000, Split: SplitNever})
	if mean := r.Waits.Mean; mean < 0.071 || mean > 0.079 {
		t.Errorf("one address: mean wait %g s", mean)
	}
	w.MarkedSessions = true
	r = run(t, Config{Profile: embedded, Workload: w, Ports: 1})
	if r.Refused.Mean != 0 || r.Refused.High != 0 {
		t.Errorf("marked sessions: %+v", r)
	}
}

// Draws that also end after so many different ports: the model adds what the
// two ways to fail lose, which is on the safe side.
func TestDrawsThatEndAfterDifferentPorts(t *testing.T) {
	p := server(func(p *sizing.Profile) { p.Pick, p.Tries, p.DistinctTries = sizing.PickRandom, 8, 4 })
	for _, ports := range []int{6, 9, 14} {
		w := load(2000, 6)
		r := run(t, Config{Profile: p, Workload: w, Ports: ports, Seed: 17, Requests: 10_000, Split: SplitNever})
		if bound := sizing.Refused(p, w, ports); r.Refused.Low > bound || r.Refused.High < bound/2 {
			t.Errorf("%d ports: bound %g, played %+v", ports, bound, r.Refused)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	p, _ := sizing.Lookup("vsftpd")
	w := sizing.Workload{
		Sessions:  400,
		Traffic:   &sizing.Traffic{Rate: 40, Connect: 120 * time.Millisecond, Transfer: 2 * time.Second},
		Objective: sizing.Objective{Refused: 1e-4, Squatted: 1},
	}
	for _, split := range []Split{SplitNever, SplitAlways} {
		b.Run(string(split), func(b *testing.B) {
			requests := 0
			for b.Loop() {
				r, err := Run(b.Context(), Config{Profile: p, Workload: w, Ports: 247, Replications: 8, Requests: 2000, Split: split})
				if err != nil {
					b.Fatal(err)
				}
				requests += r.Requests
			}
			b.ReportMetric(float64(requests)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
