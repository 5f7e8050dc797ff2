package sizing

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// t draws with replacement, in the worst case: ⌈(S−1+k)/refused^(1/t)⌉.
func TestWorstCaseOfDrawsHasAClosedForm(t *testing.T) {
	for _, tries := range []int{1, 2, 9, 10, 40} {
		for _, sessions := range []int{2, 7, 400, 9999} {
			for _, squatted := range []int{0, 1, 5} {
				for _, refused := range []float64{0.1, 1e-3, 1e-6, 1e-12} {
					want := math.Ceil(float64(sessions-1+squatted)/math.Pow(refused, 1/float64(tries)) - 1e-6)
					p := Profile{Hold: HoldTransfer, Pick: PickRandom, Tries: tries, Scope: ScopePort, WhenFull: FullRefuses}
					w := Workload{Sessions: sessions, Objective: Objective{Refused: refused, Squatted: squatted}}
					r, err := Size(p, w)
					if want > MaxPorts {
						if err == nil {
							t.Errorf("%d sessions, %d draws, %g: %d ports, want none to do", sessions, tries, refused, r.Ports)
						}
						continue
					}
					if got := float64(r.Ports); err != nil || got != want {
						t.Errorf("%d sessions, %d squatted, %d draws, %g: %g ports, want %g (%v)", sessions, squatted, tries, refused, got, want, err)
					}
				}
			}
		}
	}
}

// randomCase is a profile and a workload of every kind.
func randomCase(r *rand.Rand) (Profile, Workload) {
	all := Profiles()
	p := all[r.IntN(len(all))]
	w := Workload{
		Sessions:  1 + int(math.Exp(r.Float64()*math.Log(3000))),
		Objective: Objective{Refused: math.Pow(10, -1-9*r.Float64()), MaxWait: time.Duration(r.IntN(3000)) * time.Millisecond, Squatted: r.IntN(3)},
	}
	w.SessionsPerAddress = 1 + r.IntN(w.Sessions)
	if r.IntN(4) > 0 {
		tr := &Traffic{
			Connect:     time.Duration(1+r.IntN(500)) * time.Millisecond,
			Transfer:    time.Duration(r.IntN(10000)) * time.Millisecond,
			ClientPorts: 1000 + r.IntN(50000),
			PeakFactor:  1 + r.Float64(),
		}
		if r.IntN(2) == 0 {
			tr.Abandoned = r.Float64() * 0.02
		}
		w.Traffic = tr
		busy := (&load{abandoned: tr.Abandoned, connect: tr.Connect.Seconds(), transfer: tr.Transfer.Seconds(),
			abandonedHold: p.AbandonedHold.Seconds()}).busy()
		tr.Rate = float64(w.Sessions) / busy / tr.PeakFactor * r.Float64() * 0.9
	}
	return p, w
}

// withoutStart is the refused share without what the listen race takes of a
// start of all sessions: without traffic it sizes no range.
func withoutStart(t *testing.T, p Profile, w Workload, ports int) float64 {
	t.Helper()
	s, err := newSite(p, w)
	if err != nil {
		t.Fatal(err)
	}
	if s.rated() {
		return s.refused(ports)
	}
	return max(0, s.refused(ports)-s.race(ports))
}

// The minimum is the minimum: the objective is met by it and broken by one
// port less, wherever a bound on the refused share binds.
func TestMinimumIsTheMinimum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	binding := map[string]int{}
	for range 400 {
		p, w := randomCase(r)
		got, err := Size(p, w)
		if err != nil {
			continue
		}
		if refused := withoutStart(t, p, w, got.Ports); refused > w.Objective.Refused*(1+1e-9) {
			t.Errorf("%s %+v: %d ports refuse %g", p.Name, w, got.Ports, refused)
		}
		for _, b := range got.Bounds {
			if b.Ports > got.Ports || b.Why == "" {
				t.Errorf("%s %+v: %+v in %d ports", p.Name, w, b, got.Ports)
			}
		}
		binding[got.Binding]++
		if got.Binding != BoundContention && got.Binding != BoundPerAddress {
			continue
		}
		if less := Refused(p, w, got.Ports-1); less <= w.Objective.Refused {
			t.Errorf("%s %+v: %d ports, but one less refuses %g", p.Name, w, got.Ports, less)
		}
	}
	if binding[BoundContention] < 20 || binding[BoundPerAddress] < 20 {
		t.Errorf("too few cases of a kind: %v", binding)
	}
}

// The refused share falls with the ports, and rises with the sessions, the
// squatted ports, the hold and the rate.
func TestRefusedIsMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rises := func(what string, p Profile, low, high float64) {
		t.Helper()
		if high < low*(1-1e-9)-1e-14 {
			t.Errorf("%s: %s falls from %g to %g", what, p.Name, low, high)
		}
	}
	for range 600 {
		p, w := randomCase(r)
		ports := 1 + r.IntN(2*w.Sessions+10)
		base := Refused(p, w, ports)
		what := func(s string) string { return fmt.Sprintf("%s at %d ports of %+v %+v", s, ports, w, w.Traffic) }
		rises(what("one port less"), p, base, Refused(p, w, ports-1))
		more := w
		more.Objective.Squatted++
		rises(what("squatted"), p, base, Refused(p, more, ports))
		if w.Traffic == nil {
			more = w
			more.Sessions++
			rises(what("sessions"), p, base, Refused(p, more, ports))
			continue
		}
		for name, change := range map[string]func(*Traffic){
			"connect":   func(t *Traffic) { t.Connect += t.Connect / 50 },
			"transfer":  func(t *Traffic) { t.Transfer += t.Transfer / 50 },
			"rate":      func(t *Traffic) { t.Rate *= 1.02 },
			"peak":      func(t *Traffic) { t.PeakFactor *= 1.02 },
			"abandoned": func(t *Traffic) { t.Abandoned *= 1.02 },
		} {
			more, changed := w, *w.Traffic
			change(&changed)
			more.Traffic = &changed
			if name == "transfer" && p.Hold == HoldListen || name == "abandoned" && p.AbandonedHold < changed.Connect+changed.Transfer {
				continue
			}
			rises(what(name), p, base, Refused(p, more, ports))
		}
		more = w // more sessions that each ask as often
		more.Sessions, more.SessionsPerAddress = 2*w.Sessions, 2*w.SessionsPerAddress
		changed := *w.Traffic
		changed.Rate *= 2
		more.Traffic = &changed
		if p.WhenFull != FullWaits {
			rises(what("sessions"), p, base, Refused(p, more, ports))
		}
	}
}

// From one session to 100,000 and from 1e-1 to 1e-12 every server gets a range
// that meets the objective and that one port less breaks, or an error.
func TestSizeOverTheWholeRange(t *testing.T) {
	for _, p := range Profiles() {
		for _, sessions := range []int{1, 2, 10, 100, 1000, 100_000} {
			for _, refused := range []float64{1e-1, 1e-6, 1e-12} {
				for _, utilised := range []float64{0.01, 0.9} {
					w := Workload{
						Sessions: sessions,
						Traffic: &Traffic{Connect: 200 * time.Millisecond, Transfer: time.Second, Abandoned: 0.002,
							Rate: float64(sessions) * utilised / (0.998*1.2 + 0.002*p.AbandonedHold.Seconds())},
						Objective: Objective{Refused: refused, MaxWait: time.Second, Squatted: 1},
					}
					r, err := Size(p, w)
					what := fmt.Sprintf("%s, %d sessions %g busy, refused %g", p.Name, sessions, utilised, refused)
					var far *UnreachableError
					if errors.As(err, &far) {
						if far.Bound == BoundListenRace && (far.Refused <= refused || far.Limit > 2*sessions+1) {
							t.Errorf("%s: %v", what, err)
						}
						if far.Refused <= refused && far.Bound != BoundServer && far.Bound != BoundFourTuples {
							t.Errorf("%s: %v, but %d ports refuse %g", what, err, far.Limit, far.Refused)
						}
						continue
					}
					if err != nil || !(r.Refused <= refused*(1+1e-9)) || math.IsNaN(r.Refused) {
						t.Errorf("%s: %d ports by %s refuse %g (%v)", what, r.Ports, r.Binding, r.Refused, err)
					}
					if r.Binding != BoundServer && r.Binding != BoundFourTuples && r.Ports > 1 && Refused(p, w, r.Ports-1) <= refused {
						t.Errorf("%s: %d ports by %s are not the fewest", what, r.Ports, r.Binding)
					}
				}
			}
		}
	}
}
