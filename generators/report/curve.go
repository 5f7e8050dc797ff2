package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// point is the refused share with a number of ports.
type point struct {
	Ports int
	Share float64
}

// step is the ratio of neighbouring points of a curve, where the curve is not flat.
const step = 1.12

// curveOf follows a refused share from the ports that a site needs, to fewer until
// everything is refused, and to more until next to nothing is.
func curveOf(refused func(int) float64, need int) []point {
	at := func(n int) point { return point{n, refused(n)} }
	all := []point{at(need)}
	for n := need; n > 1 && all[len(all)-1].Share < 0.98; {
		n = max(1, min(n-1, int(float64(n)/step)))
		if n < need-1 && all[len(all)-1].Ports == need {
			n = need - 1 // the plan says that this is too few
		}
		all = append(all, at(n))
	}
	slices.Reverse(all)
	for n := need; n < sizing.MaxPorts && all[len(all)-1].Share > leastShare; {
		n = min(sizing.MaxPorts, max(n+1, int(float64(n)*step)))
		all = append(all, at(n))
	}
	return all
}

// path is a curve in a figure: from all refused to none refused.
func path(points []point, b box) string {
	var d strings.Builder
	command := byte('M')
	to := func(x, y float64) {
		fmt.Fprintf(&d, "%c%v %v", command, coordinate(x), coordinate(y))
		command = 'L'
	}
	to(b.left, b.y(points[0].Share))
	for _, p := range points {
		to(b.x(p.Ports), b.y(p.Share))
	}
	if last := points[len(points)-1]; last.Share > leastShare {
		to(b.right, b.y(last.Share))
	}
	return d.String()
}

// plot is where the curves are.
var plot = box{left: 78, top: 18, right: figureWidth - 4, bottom: 178}

// figure is the curves of one site: the refused share against the ports.
type figure struct {
	Number    int // from 1, of its ids
	Title     string
	Desc      string
	Own       string // path
	Others    []line
	Objective coordinate
	AtMost    string
	Planned   label
	PlannedY  coordinate
	Letters   []label
	Guesses   []label
	Points    []point
}

// line is the curve of one or more servers that need the same.
type line struct {
	Dash    int // its dash pattern and colour
	Path    string
	Letters string
	end     float64
}

// letterOf is the letter of the n-th known server.
func letterOf(n int) string { return string(rune('A' + n)) }

// drawn is what a site's card shows of servers and guesses. Equal sites share it.
type drawn struct {
	Figure  figure
	Servers []need
	Rules   []explain.Rule
}

// need is what a server needs for the site.
type need struct {
	Letter, Title string
	Own           bool
	Dash          int // of its line; -1: none
	Ports         int
	Refused       float64 // with the site's data ports
	Err           string
}

// drawnOf computes and draws. Without others it draws the site's own server only.
func drawnOf(s *plan.Site, others bool) drawn {
	refused := sizing.Curve(s.Profile, s.Workload)
	d := drawn{Rules: explain.Rules(s, refused)}
	f := &d.Figure
	f.Points = curveOf(refused, s.Sizing.Ports)
	f.Own = path(f.Points, plot)
	f.Objective, f.AtMost = coordinate(plot.y(s.Sizing.Objective)), sizing.Share(s.Sizing.Objective)
	n := s.DataPorts.Count()
	f.Planned = label{Text: fmt.Sprintf("%s: %s", s.Profile.Title, sizing.Plural(n, "port")), At: coordinate(plot.x(n))}
	placed, _ := spread([]label{f.Planned}, 0, figureWidth, 1)
	f.Planned, f.PlannedY = placed[0], coordinate(plot.y(s.Refused))
	for i, r := range d.Rules {
		f.Guesses = append(f.Guesses, label{At: coordinate(plot.x(r.Ports)), Text: fmt.Sprint(i + 1)})
	}
	f.Guesses, _ = spread(f.Guesses, plot.left, figureWidth, 2)
	var lines []line
	for i, c := range sizing.Compare(s.Profile, s.Workload) {
		needed := need{Letter: letterOf(i), Title: c.Profile.Title, Own: c.Profile.Name == s.Profile.Name, Dash: -1, Ports: c.Result.Ports}
		switch {
		case needed.Own:
		case c.Err != nil:
			needed.Err = c.Err.Error()
		case others:
			curve := sizing.Curve(c.Profile, c.Workload)
			points := curveOf(curve, c.Result.Ports)
			needed.Refused = curve(n)
			var l *line
			lines, l = joined(lines, line{Path: path(points, plot), end: plot.x(points[len(points)-1].Ports)})
			l.Letters += needed.Letter
			needed.Dash = l.Dash
		}
		d.Servers = append(d.Servers, needed)
	}
	f.Others = lines
	for _, l := range lines {
		f.Letters = append(f.Letters, label{At: coordinate(l.end), Text: l.Letters})
	}
	f.Letters, _ = spread(f.Letters, plot.left, figureWidth, 2)
	slices.SortStableFunc(d.Servers, func(a, b need) int {
		switch {
		case a.Err == "" && b.Err != "":
			return -1
		case a.Err != "" && b.Err == "":
			return 1
		}
		return a.Ports - b.Ports
	})
	f.describe(s, d)
	return d
}

// joined is the line of l's path among lines, to which it is added if it is new.
func joined(lines []line, l line) ([]line, *line) {
	for i := range lines {
		if lines[i].Path == l.Path {
			return lines, &lines[i]
		}
	}
	l.Dash = len(lines)
	lines = append(lines, l)
	return lines, &lines[len(lines)-1]
}

// describe says in words what the figure shows.
func (f *figure) describe(s *plan.Site, d drawn) {
	f.Title = fmt.Sprintf("Refused share against ports, %s", s.Profile.Title)
	text := fmt.Sprintf("With %s, %s refuses %s of the data connections; at most %s may be refused.",
		sizing.Plural(s.DataPorts.Count(), "port"), s.Profile.Title, sizing.Share(s.Refused), f.AtMost)
	if need := s.Sizing.Ports; need > 1 {
		for _, p := range f.Points {
			if p.Ports == need-1 {
				text += fmt.Sprintf(" With %s it refuses %s.", sizing.Plural(p.Ports, "port"), sizing.Share(p.Share))
			}
		}
	}
	text += fmt.Sprintf(" One port %s.", s.Sizing.OnePort.Verdict)
	f.Desc = text
}
