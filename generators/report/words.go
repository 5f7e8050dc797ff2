package report

import (
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// needsInWords is the table of servers as a sentence.
func (d *drawn) needsInWords() string {
	var fit, none []string
	for _, n := range d.Servers {
		switch {
		case n.Own:
		case n.Err != nil:
			none = append(none, n.Profile.Title)
		default:
			fit = append(fit, n.Profile.Title+" "+sizing.Count(n.Result.Ports))
		}
	}
	text := "Ports on other servers: " + spec.List(fit, "and") + "."
	if len(none) > 0 {
		text += " No range is enough on " + spec.List(none, "and") + "."
	}
	return text
}

// refuse is the verb of a count.
func refuse(n int) string {
	if n == 1 {
		return "refuses"
	}
	return "refuse"
}

// guessesInWords is the table of guesses as a sentence.
func (d *drawn) guessesInWords(s *plan.Site) string {
	few, worst, more := 0, 0.0, 0
	for _, r := range d.Rules {
		more = max(more, r.Ports-s.Sizing.Ports)
		if r.Ports < s.Sizing.Ports && r.Refused > s.Sizing.Objective {
			few, worst = few+1, max(worst, r.Refused)
		}
	}
	var parts []string
	if few > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s of thumb %s up to %s", sizing.Count(few), sizing.Plural(len(d.Rules), "rule"), refuse(few), explain.Share(worst)))
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("the largest guess opens %s more than needed", sizing.Plural(more, "port")))
	}
	return "Guesses: " + strings.Join(parts, ", and ") + "."
}

// pointsInWords is the table of a curve as a sentence: what is around the ports that
// the site needs.
func (d *drawn) pointsInWords(s *plan.Site) string {
	var all []string
	for i, p := range d.Figure.Points {
		if p.Ports >= s.Sizing.Ports-1 && p.Ports <= s.Sizing.Ports || i%8 == 0 || i == len(d.Figure.Points)-1 {
			all = append(all, sizing.Count(p.Ports)+": "+sizing.Share(p.Share))
		}
	}
	return "Refused by ports: " + strings.Join(all, "; ") + "."
}
