package explain

import (
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Need is how many ports a server needs for this site, or why no range is
// enough.
type Need struct {
	Server  string `json:"server"`
	Ports   int    `json:"ports,omitempty"`
	Binding string `json:"binding,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Rule is what a rule of thumb opens, and the share that this site's server
// refuses with it.
type Rule struct {
	sizing.Rule
	Refused float64 `json:"refused"`
	Verdict string  `json:"-"` // in words: 1,757 too few, refuses 93.4 %
}

// Rules holds the rules of thumb against what the site needs; refused is its
// sizing.Curve.
func Rules(s *plan.Site, refused func(ports int) float64) []Rule {
	need, all := s.Sizing.Ports, []Rule{}
	for _, thumb := range sizing.RulesOfThumb(s.Workload) {
		r := Rule{thumb, refused(thumb.Ports), "just right"}
		switch {
		case r.Ports > need:
			r.Verdict = sizing.Count(r.Ports-need) + " more than needed"
		case r.Ports < need:
			r.Verdict = sizing.Count(need-r.Ports) + " too few"
			if r.Refused > s.Sizing.Objective {
				r.Verdict += ", refuses " + Share(r.Refused)
			}
		}
		all = append(all, r)
	}
	return all
}

// figures adds what the sections say as numbers.
func (d *derivation) figures(e *Explanation) {
	e.Sensitivity, e.Remarks, e.Advice, e.Theft = d.doubt, d.s.Remarks, d.advice, d.odds
	for _, c := range d.compared {
		need := Need{Server: c.Profile.Name}
		if c.Err != nil {
			need.Error = c.Err.Error()
		} else {
			need.Ports, need.Binding = c.Result.Ports, c.Result.Binding
		}
		e.Servers = append(e.Servers, need)
	}
	e.RulesOfThumb = d.judged
	e.Ceiling = sizing.Ceiling(d.s.Profile, d.w)
}
