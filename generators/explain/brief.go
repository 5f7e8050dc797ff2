package explain

import (
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Refused says what a site's range refuses, and what one port fewer would. It takes
// no comparison with other servers.
func Refused(s *plan.Site) string {
	return (&derivation{s: s, w: s.Workload}).refusedNow()
}

// Why says why the bound that binds asks for as many ports as it does.
func Why(s *plan.Site) string { return sentence(s.Sizing.Why()) }

// boundWords are what the bounds are about.
var boundWords = map[string]string{
	sizing.BoundContention: "sessions that want a port at once",
	sizing.BoundPerAddress: "sessions of one client address that want a port at once",
	sizing.BoundListenRace: "sessions that choose the same port at once",
	sizing.BoundFourTuples: "the source ports of one client address",
	sizing.BoundBurst:      "sessions that start together",
	sizing.BoundServer:     "what the server itself demands",
}

// Binding says in a few words what sets the size of a site's range.
func Binding(s *plan.Site) string {
	return strings.ReplaceAll(s.Sizing.Binding, "_", " ") + ": " + boundWords[s.Sizing.Binding]
}

// Together are sentences on what is refused beyond the objective if many sessions start
// together; none if nothing is known to be.
func Together(s *plan.Site) (all []string) {
	for _, r := range s.Remarks {
		if r.Name == plan.RemarkTogether || r.Name == sizing.BoundListenRace && r.Attribute != "objective.refused" {
			all = append(all, sentence(r.Summary))
		}
	}
	return all
}

// Starts says what the range does if many sessions start together.
func Starts(s *plan.Site) string {
	d := derivation{s: s, w: s.Workload}
	known := Together(s)
	switch {
	case len(known) > 0:
		return strings.Join(known, " ")
	case d.w.ScopeOn(s.Profile) == sizing.ScopeTLS:
		return "Any number of sessions may start together: they share the port."
	case d.worst():
		return "All sessions may ask at the same moment: the range is sized for that."
	case len(d.w.Traffic.Bursts.All()) > 0:
		return "The range is sized for the bursts that the spec names."
	}
	return fmt.Sprintf("If all %s start within a second, no more than %s is known to be refused.",
		sizing.Plural(s.Sessions, "session"), sizing.Share(s.Sizing.Objective))
}
