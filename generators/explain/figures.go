package explain

import (
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Advice is a change that shrinks the range.
type Advice struct {
	Change    string `json:"change"`
	Attribute string `json:"attribute,omitempty"` // of the spec
	Ports     int    `json:"ports"`
	Saves     int    `json:"saves"`
}

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
	Name    string  `json:"name"`
	Says    string  `json:"says"`
	Source  string  `json:"source"`
	Ports   int     `json:"ports"`
	Refused float64 `json:"refused"`
}

// Theft says what a blind connection to a port of the range gains.
type Theft struct {
	Hit          float64 `json:"hit"` // probability that the port waits for a client
	Takes        bool    `json:"takes"`
	FromAnywhere bool    `json:"from_anywhere"`
	Spoils       bool    `json:"spoils"`
	Why          string  `json:"why"`
}

// figures fills in what the sections say in prose.
func (t *teller) figures(e *Explanation) {
	e.Sensitivity, e.Remarks, e.Advice = plan.Influences(t.doubt), plan.Remarks(t.s.Remarks), []Advice{}
	for _, a := range t.advice {
		e.Advice = append(e.Advice, Advice(a))
	}
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
		e.RulesOfThumb = append(e.RulesOfThumb, Rule{r.Name, r.Says, r.Source, r.Ports, sizing.Refused(t.s.Profile, t.w, r.Ports)})
	}
	e.Theft = Theft(t.odds)
	e.Ceiling = sizing.Ceiling(t.s.Profile, t.w)
}
