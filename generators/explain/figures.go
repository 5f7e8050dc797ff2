package explain

import "github.com/pasvctl/pasvctl/generators/sizing"

// Need is what a server would need for this site, or why no range would do.
type Need struct {
	Server  string `json:"server"`
	Ports   int    `json:"ports,omitempty"`
	Binding string `json:"binding,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Rule is what a rule of thumb would open, and the share that this site's
// server would refuse with it.
type Rule struct {
	sizing.Rule
	Refused float64 `json:"refused"`
}

// figures fills in what the sections say in prose.
func (t *teller) figures(e *Explanation) {
	e.Sensitivity, e.Remarks, e.Advice, e.Theft = t.doubt, t.s.Remarks, t.advice, t.odds
	for _, c := range t.compared {
		need := Need{Server: c.Profile.Name}
		if c.Err != nil {
			need.Error = c.Err.Error()
		} else {
			need.Ports, need.Binding = c.Result.Ports, c.Result.Binding
		}
		e.Servers = append(e.Servers, need)
	}
	for _, r := range sizing.RulesOfThumb(t.w) {
		e.RulesOfThumb = append(e.RulesOfThumb, Rule{r, sizing.Refused(t.s.Profile, t.w, r.Ports)})
	}
	e.Ceiling = sizing.Ceiling(t.s.Profile, t.w)
}
