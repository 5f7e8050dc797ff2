package simulate

import (
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// With foreign_data all sessions queue for the ports, whatever their address:
// the planned ports keep the objective when that is played, and half do not.
func TestForeignDataIsPlayed(t *testing.T) {
	p := lookup(t, "embedded")
	p.AbandonedHold = 10 * time.Second
	for _, abandoned := range []float64{0, 0.02} {
		w := sizing.Workload{
			Sessions: 200, SessionsPerAddress: 5, ForeignData: true,
			Traffic:   &sizing.Traffic{Rate: 40, Connect: 50 * time.Millisecond, Transfer: 100 * time.Millisecond, Abandoned: abandoned},
			Objective: sizing.Objective{Refused: 1e-2, MaxWait: 200 * time.Millisecond},
		}
		planned, err := sizing.Size(p, w)
		if err != nil || planned.Binding != sizing.BoundContention {
			t.Fatalf("%+v, %v", planned, err)
		}
		c := Config{Profile: p, Workload: w, Ports: planned.Ports, Seed: 8, Shape: Constant, Requests: 5000, Split: SplitNever}
		if r := run(t, c); r.Refused.Low > planned.Refused || r.Waits == nil {
			t.Errorf("abandoned %g: %d ports are said to lose %g, played %+v", abandoned, planned.Ports, planned.Refused, r.Refused)
		}
		if c.Ports = planned.Ports / 2; run(t, c).Refused.High <= 1e-2 {
			t.Errorf("abandoned %g: half of the %d ports would do", abandoned, planned.Ports)
		}
	}
}
