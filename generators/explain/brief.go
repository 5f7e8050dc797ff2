package explain

import (
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Answer says in a few sentences what a site's range is and what it refuses. It is
// the first section of an Explanation and takes no comparison.
func Answer(s *plan.Site) string {
	return strings.Join((&derivation{s: s, w: s.Workload}).answer(), " ")
}

// Why is why the bound that binds asks for as many ports as it does.
func Why(s *plan.Site) string {
	for _, b := range s.Sizing.Bounds {
		if b.Name == s.Sizing.Binding {
			return sentence(b.Why)
		}
	}
	return ""
}

// Starts says what the range does if many sessions start together.
func Starts(s *plan.Site) string {
	d := derivation{s: s, w: s.Workload}
	for _, r := range s.Remarks {
		if r.Name == plan.RemarkTogether || r.Name == sizing.BoundListenRace {
			return sentence(r.Summary)
		}
	}
	switch {
	case d.w.ScopeOn(s.Profile) == sizing.ScopeTLS:
		return "Any number of sessions may start together: they share the port."
	case d.worst():
		return "All sessions may ask at the same moment: the range is sized for that."
	case len(d.w.Traffic.Bursts.All()) > 0:
		return "The range is sized for the bursts that the spec names."
	}
	return fmt.Sprintf("A start of all %s within a second refuses no more than %s, as far as a simulation shows.",
		sizing.Plural(s.Sessions, "session"), sizing.Share(s.Sizing.Objective))
}
