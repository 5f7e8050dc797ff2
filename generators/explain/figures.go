package explain

import "github.com/pasvctl/pasvctl/generators/sizing"

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
	for _, r := range sizing.RulesOfThumb(d.w) {
		e.RulesOfThumb = append(e.RulesOfThumb, Rule{r, sizing.Refused(d.s.Profile, d.w, r.Ports)})
	}
	e.Ceiling = sizing.Ceiling(d.s.Profile, d.w)
}
