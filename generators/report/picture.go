package report

import (
	"fmt"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// picture is one site's curves with their legend, as an image of its own.
type picture struct {
	Title   string
	Figure  figure
	Height  coordinate
	Lines   []entry // of servers
	Guessed []entry
	GuessY  coordinate
	axes
}

// entry is a line of a legend.
type entry struct {
	Y      coordinate
	Letter string
	Dash   string // "" for the site's own server
	Text   string
}

const entryRow = 15.0

// SVG is a picture of a site's curves that needs no page around it.
func SVG(s *plan.Site, title string) []byte {
	d := drawnOf(s, true)
	p := picture{Title: title, Figure: d.Figure, axes: newAxes()}
	y := coordinate(44)
	next := func() coordinate { y += entryRow; return y }
	for i, n := range d.Servers {
		switch {
		case n.Own:
			p.Lines = append(p.Lines, entry{Y: next(), Text: fmt.Sprintf("%s: %s", n.Profile.Title, sizing.Count(n.Result.Ports))})
		case n.Line == nil:
		default:
			names, ports := sharing(d.Servers, i)
			if names != "" {
				p.Lines = append(p.Lines, entry{Y: next(), Letter: n.Line.Letter, Dash: fmt.Sprint(n.Line.Dash), Text: names + ": " + ports})
			}
		}
	}
	p.GuessY = next() + 4
	y += 4
	for i, r := range d.Rules {
		words := sizing.Count(r.Ports-s.Sizing.Ports) + " more than needed"
		if r.Ports < s.Sizing.Ports {
			words = "refuses " + explain.Share(r.Refused)
		}
		p.Guessed = append(p.Guessed, entry{Y: next(), Letter: fmt.Sprint(i + 1), Text: fmt.Sprintf("%s: %s, %s", r.Name, sizing.Count(r.Ports), words)})
	}
	p.Height = max(280, y+12)
	return rendered("picture.html", p)
}

// sharing names the servers that share the line of the i-th one, and what they
// need; "" if an earlier one has named it.
func sharing(all []need, i int) (names, ports string) {
	others := 0
	for j, n := range all {
		switch {
		case n.Line != all[i].Line:
		case j < i:
			return "", ""
		case j > i:
			others++
		}
	}
	names = all[i].Profile.Title
	if others > 0 {
		names += fmt.Sprintf(" and %s", sizing.Plural(others, "other"))
	}
	return names, sizing.Count(all[i].Result.Ports)
}
