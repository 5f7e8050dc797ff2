package sizing

import (
	"math/rand/v2"
	"testing"
	"time"
)

// carriesAll is what Capacity is the inverse of.
func carriesAll(p Profile, w Workload, sessions, ports int) bool {
	w.Sessions = sessions
	r, err := Size(p, w)
	return err == nil && r.Ports <= ports && (p.FixedPorts == 0 || p.FixedPorts == ports)
}

// What a range carries it carries, and not one more, on every server and with
// every kind of traffic.
func TestCapacityIsTheInverseOfSize(t *testing.T) {
	const most = 100_000
	r := rand.New(rand.NewPCG(21, 22))
	some, none, unlimited := 0, 0, 0
	for range 400 {
		p, w := randomCase(r)
		if w.Traffic != nil && r.IntN(3) == 0 {
			w.Traffic.Parallel = 1 + r.IntN(4)
			w.Traffic.Bursts[0] = Burst{1 + r.IntN(w.Sessions), time.Duration(1+r.IntN(20_000)) * time.Millisecond, 1 + r.IntN(5)}
		}
		if r.IntN(2) == 0 {
			w.SessionsPerAddress = 0
		}
		if r.IntN(2) == 0 {
			w.Objective.Refused = 0
		}
		ports := 1 + r.IntN(2*w.Sessions+10)
		c := NewCapacity(p, w, most)
		n, err := c.Sessions(ports)
		switch {
		case (n == 0) != (err != nil):
			t.Errorf("%s %+v: %d sessions on %d ports, %v", p.Name, w, n, ports, err)
		case n == 0:
			none++
			if least := c.least(); carriesAll(p, w, least, ports) {
				t.Errorf("%s %+v: %d ports carry %d sessions, not none: %v", p.Name, w, ports, least, err)
			}
			continue
		case n == most:
			unlimited++
		default:
			some++
			if carriesAll(p, w, n+1, ports) {
				t.Errorf("%s %+v: %d ports carry one more than %d sessions", p.Name, w, ports, n)
			}
		}
		if !carriesAll(p, w, n, ports) {
			t.Errorf("%s %+v: %d ports do not carry %d sessions", p.Name, w, ports, n)
		}
		if more, _ := c.Sessions(ports + 10); more < n && p.FixedPorts == 0 {
			t.Errorf("%s %+v: %d ports carry %d sessions, and ten more carry %d", p.Name, w, ports, n, more)
		}
	}
	if some < 100 || none < 20 || unlimited < 20 {
		t.Errorf("too few of a kind: %d some, %d none, %d any number", some, none, unlimited)
	}
}

// In the worst case no number of sessions below the capacity is refused.
func TestWorstCaseHasOneCapacity(t *testing.T) {
	for _, p := range Profiles() {
		for _, ports := range []int{1, 2, 9, 11, 101} {
			w := Workload{Objective: Objective{Squatted: 1}}
			n, _ := NewCapacity(p, w, 1000).Sessions(ports)
			for sessions := 1; sessions <= 150; sessions++ {
				if carriesAll(p, w, sessions, ports) != (sessions <= n) {
					t.Errorf("%s: %d ports carry %d sessions, but not as %d say", p.Name, ports, sessions, n)
				}
			}
		}
	}
}

// A range that only a number in between is too much for carries any number: 72
// ports are too few for 154 sessions that share a rate, and enough for more.
func TestCapacityBeyondARefusedNumber(t *testing.T) {
	p := mustLookup(t, "apache")
	w := Workload{Objective: Objective{Refused: 0.0946, Squatted: 1},
		Traffic: &Traffic{Rate: 110.15, Connect: 248 * time.Millisecond, Transfer: 166 * time.Millisecond, PeakFactor: 1.5267}}
	if carriesAll(p, w, 154, 72) || !carriesAll(p, w, 400, 72) {
		t.Fatal("the sizes are no longer what they were: find another case")
	}
	if n, err := NewCapacity(p, w, 100_000).Sessions(72); n != 100_000 {
		t.Errorf("%d sessions, %v", n, err)
	}
}

// The published ranges of vsftpd carry what plan's own bisection has found.
func TestCapacityOfPublishedRanges(t *testing.T) {
	for ports, want := range map[int]int{6: 1, 11: 2, 25: 5, 31: 6, 71: 15, 101: 21, 1001: 215} {
		if n, err := NewCapacity(mustLookup(t, "vsftpd"), Workload{Objective: Objective{Squatted: 1}}, 100_000).Sessions(ports); n != want {
			t.Errorf("%d ports carry %d sessions, want %d (%v)", ports, n, want, err)
		}
	}
}
