package generators

import (
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// TestEveryBoundHasWords sizes loads of every kind: the bounds that the sizes
// name are all of those that a file may have to explain.
func TestEveryBoundHasWords(t *testing.T) {
	w := sizing.Workload{
		Sessions: 400, SessionsPerAddress: 50,
		Traffic:   &sizing.Traffic{Rate: 20, PeakFactor: 1, Connect: 150 * time.Millisecond, Transfer: 2 * time.Second, ClientPorts: 28232, Bursts: sizing.Bursts{{Sessions: 100, Within: time.Minute}}},
		Objective: sizing.Objective{Refused: 1e-3, MaxWait: time.Second},
	}
	seen := map[string]bool{}
	for _, p := range sizing.Profiles() {
		result, err := sizing.Size(p, w)
		if err != nil {
			continue
		}
		for _, b := range result.Bounds {
			seen[b.Name] = true
			if boundWords[b.Name] == "" {
				t.Errorf("%s: no words for bound %q", p.Name, b.Name)
			}
		}
	}
	if len(seen) != len(boundWords) {
		t.Errorf("saw %v, and there are words for %v", seen, boundWords)
	}
}

func TestReasonOfARange(t *testing.T) {
	for _, c := range []struct {
		ports   spec.PortRange
		binding string
		pinned  bool
		want    string
	}{
		{spec.PortRange{First: 61000, Last: 62856}, sizing.BoundContention, false, "1,857 data ports: contention"},
		{spec.PortRange{First: 61000, Last: 61193}, sizing.BoundListenRace, false, "194 data ports: the listen race"},
		{spec.PortRange{First: 61000, Last: 61000}, sizing.BoundServer, false, "1 data port: the server's own limit"},
		{spec.PortRange{First: 61000, Last: 61001}, sizing.BoundContention, true, "2 data ports: pinned"},
	} {
		s := handSite(handHost("edge1", "203.0.113.10"), "a", "vsftpd", 21, c.ports, func(s *plan.Site) {
			s.Sizing.Binding, s.Pinned = c.binding, c.pinned
		})
		if got := rangeReason(s); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
