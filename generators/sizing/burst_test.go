package sizing

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// burstCase is a random workload with traffic and a burst, and not too large
// for a range.
func burstCase(r *rand.Rand) (Profile, Workload) {
	for {
		p, w := randomCase(r)
		if w.Traffic == nil || p.FixedPorts > 0 {
			continue
		}
		n := 1 + r.IntN(w.Sessions)
		if r.IntN(3) == 0 {
			n = w.Sessions
		}
		w.Traffic.Bursts = Bursts{{
			Sessions: n, Connections: 1 + r.IntN(5),
			Within: time.Duration(math.Exp(r.Float64()*math.Log(1e5)) * float64(time.Millisecond)),
		}}
		return p, w
	}
}

// burstPorts is the bound of a workload's only burst, with that change to it;
// 0 if there is none.
func burstPorts(p Profile, w Workload, change func(*Workload, *Traffic, *Burst)) int {
	t := *w.Traffic
	b := t.Bursts[0]
	change(&w, &t, &b)
	t.Bursts = Bursts{b}
	w.Traffic = &t
	r, err := Size(p, w)
	var far *UnreachableError
	if err != nil && !errors.As(err, &far) {
		return 0
	}
	return r.bound(BoundBurst).Ports
}

// The bound of a burst never falls with its sessions, its connections, 1/T, the
// rate or the sessions, and is never above the worst case's.
func TestBurstIsMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	seen := map[string]int{}
	for range 250 {
		p, w := burstCase(r)
		base := burstPorts(p, w, func(*Workload, *Traffic, *Burst) {})
		if base == 0 {
			continue
		}
		seen[p.Name]++
		for name, change := range map[string]func(*Workload, *Traffic, *Burst){
			"sessions of the burst": func(w *Workload, _ *Traffic, b *Burst) { b.Sessions = min(w.Sessions, b.Sessions+1+b.Sessions/10) },
			"connections":           func(_ *Workload, _ *Traffic, b *Burst) { b.Connections++ },
			"1/T":                   func(_ *Workload, _ *Traffic, b *Burst) { b.Within = b.Within * 3 / 4 },
			"rate":                  func(_ *Workload, t *Traffic, _ *Burst) { t.Rate *= 1.05 },
			"sessions and rate": func(w *Workload, t *Traffic, _ *Burst) {
				t.Rate *= float64(w.Sessions+1) / float64(w.Sessions)
				w.Sessions++
			},
		} {
			if got := burstPorts(p, w, change); got != 0 && got < base {
				t.Errorf("%s: more %s need %d ports instead of %d: %+v %+v", p.Name, name, got, base, w, *w.Traffic)
			}
		}
		worst := w
		worst.Objective.WorstCase = true
		if all, err := Size(p, worst); err == nil && base > all.Ports {
			t.Errorf("%s: a burst needs %d ports, the worst case %d: %+v %+v", p.Name, base, all.Ports, w, *w.Traffic)
		}
	}
	if seen["embedded"] < 5 || seen["vsftpd"] < 5 || seen["pureftpd"] < 5 {
		t.Errorf("too few cases of a server: %v", seen)
	}
}

// All sessions in the same instant are the worst case where the server refuses,
// and a burst as slow as the traffic needs about what the traffic does.
func TestEndsOfABurst(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		p, w := burstCase(r)
		everybody := func(within time.Duration) func(w *Workload, _ *Traffic, b *Burst) {
			return func(w *Workload, _ *Traffic, b *Burst) { b.Sessions, b.Within = w.Sessions, within }
		}
		worst := w
		worst.Objective.WorstCase = true
		all, err := Size(p, worst)
		if err != nil || w.Traffic.Rate == 0 {
			continue
		}
		atOnce := burstPorts(p, w, everybody(time.Nanosecond))
		if want := max(all.bound(BoundContention).Ports, all.bound(BoundPerAddress).Ports); p.WhenFull != FullWaits && atOnce != want {
			t.Errorf("%s: all at once need %d ports, the worst case %d", p.Name, atOnce, want)
		}
		m := w.Traffic.Bursts[0].Connections
		slow := time.Duration(float64(w.Sessions*m) / (w.Traffic.Rate * w.Traffic.PeakFactor) * float64(time.Second))
		got := burstPorts(p, w, everybody(slow))
		steady := w
		alone := *w.Traffic
		alone.Bursts = Bursts{}
		steady.Traffic = &alone
		s, err := Size(p, steady)
		if err != nil {
			continue
		}
		want := max(s.bound(BoundContention).Ports, s.bound(BoundPerAddress).Ports)
		// With objectives of several percent, what is refused would thin the
		// others out, which the bound of the burst does not count on.
		if got < want || w.Objective.Refused < 0.01 && got > want+max(3, want/20) {
			t.Errorf("%s: a burst at the traffic's pace needs %d ports, the traffic %d: %+v %+v", p.Name, got, want, w, alone)
		}
	}
}

// A site with bursts is sized as fast as one without: on the embedded daemon in
// 8 ms with 1,000 sessions and 27 ms with 100,000, measured on an idle processor.
func BenchmarkSizeWithBursts(b *testing.B) {
	for _, server := range []string{"vsftpd", "proftpd", "embedded", "ftpserverlib"} {
		for _, sessions := range []int{1000, 100_000} {
			p := mustLookup(b, server)
			w := Workload{
				Sessions: sessions,
				Traffic: &Traffic{Rate: float64(sessions) / 10, Connect: 200 * time.Millisecond, Transfer: time.Second, Abandoned: 0.001,
					Bursts: Bursts{{Sessions: sessions / 2, Within: 10 * time.Second, Connections: 4}, {Sessions: sessions, Within: time.Minute}}},
				Objective: Objective{MaxWait: time.Second, Squatted: 1},
			}
			b.Run(fmt.Sprintf("%s/%d", server, sessions), func(b *testing.B) {
				for b.Loop() {
					_, _ = Size(p, w)
				}
			})
		}
	}
}

// The last asker's share, by every way in which the others can hold ports.
func TestBurstByEnumeration(t *testing.T) {
	p := mustLookup(t, "vsftpd")
	w := Workload{
		Sessions:  9,
		Traffic:   &Traffic{Rate: 2, Connect: 100 * time.Millisecond, Transfer: 400 * time.Millisecond},
		Objective: Objective{Squatted: 1},
	}
	b := Burst{Sessions: 5, Within: 2 * time.Second, Connections: 2}
	const inBurst, outside = 2 * 0.5 / 2, 2 * 0.5 / 9 // m·h/T, λh/S
	for _, ports := range []int{3, 5, 8} {
		want := 0.0
		for held := range 1 << 8 { // a bit a session, the first four in the burst
			probability, n := 1.0, 0
			for i := range 8 {
				share := outside
				if i < 4 {
					share = inBurst
				}
				if held>>i&1 == 1 {
					probability *= share
					n++
				} else {
					probability *= 1 - share
				}
			}
			want += probability * min(1, math.Pow(float64(n+1)/float64(ports), 9))
		}
		if got, _ := RefusedInBurst(p, w, ports, b); math.Abs(got-want) > 1e-12 {
			t.Errorf("%d ports: %g, want %g", ports, got, want)
		}
	}
}

// A burst on a server with the listen race: the race is a remark with its
// figure, at the burst's rate, and neither sizes nor refuses.
func TestRaceInABurst(t *testing.T) {
	for _, server := range []string{"proftpd", "pureftpd"} {
		p := mustLookup(t, server)
		w := Workload{
			Sessions: 50,
			Traffic: &Traffic{Rate: 1, Connect: 100 * time.Millisecond, Transfer: time.Second,
				Bursts: Bursts{{Sessions: 50, Within: 300 * time.Millisecond}}},
			Objective: Objective{Refused: 1e-2, Squatted: 1},
		}
		r := size(t, p, w)
		without := p
		without.RaceWindow = 0
		if got := size(t, without, w).bound(BoundBurst).Ports; r.bound(BoundBurst).Ports != got {
			t.Errorf("%s: a burst takes %d ports with the race and %d without", server, r.bound(BoundBurst).Ports, got)
		}
		_, raced := RefusedInBurst(p, w, r.Ports, w.Traffic.Bursts[0])
		if raced < 1e-4 || raced > 0.02 || r.Refused > r.Objective {
			t.Errorf("%s: %g raced, %g refused", server, raced, r.Refused)
		}
		var found bool
		for _, m := range Remarks(p, w, r) {
			found = found || m.Name == BoundListenRace && strings.Contains(m.Summary, Share(raced)) && !m.Serious
		}
		if !found {
			t.Errorf("%s: no remark on the race of a burst: %+v", server, Remarks(p, w, r))
		}
	}
}

// The figures of a burst are inputs whose influence is told.
func TestSensitivityToBursts(t *testing.T) {
	w := Workload{
		Sessions: 300,
		Traffic: &Traffic{Rate: 4, PeakFactor: 2, Connect: 150 * time.Millisecond, Transfer: 2 * time.Second,
			Bursts: Bursts{{Sessions: 200, Within: 30 * time.Second, Connections: 4}}},
		Objective: Objective{Squatted: 1},
	}
	seen := map[string]Influence{}
	for _, i := range Sensitivity(mustLookup(t, "vsftpd"), w) {
		seen[i.Attribute] = i
	}
	for _, name := range []string{"sessions", "connections"} {
		if i := seen["traffic.burst."+name]; i.Less == 0 || i.Less >= i.More {
			t.Errorf("%s: %+v", name, i)
		}
	}
	if i, known := seen["traffic.peak_factor"]; !known || i.Less > i.More {
		t.Errorf("peak_factor: %+v", i)
	}
	if i := seen["traffic.burst.within"]; i.More == 0 || i.More >= i.Less {
		t.Errorf("within: %+v", i)
	}
}
