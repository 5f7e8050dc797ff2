package report

import (
	"fmt"
	"slices"
	"sort"
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

// nearlyAll is a share that is drawn as all.
const nearlyAll = 0.98

// curveOf follows a refused share from the ports that a site needs, to fewer until
// everything is refused, and to more until next to nothing is.
func curveOf(refused func(int) float64, need int) []point {
	at := func(n int) point { return point{n, refused(n)} }
	all := []point{at(need)}
	for n := need; n > 1 && all[len(all)-1].Share < nearlyAll; {
		n = max(1, min(n-1, int(float64(n)/step)))
		if n < need-1 && all[len(all)-1].Ports == need {
			n = need - 1 // the plan says that this is too few
		}
		all = append(all, at(n))
	}
	if last := len(all) - 1; last > 0 && all[last].Share >= nearlyAll { // where it begins to fall
		low, high := all[last].Ports, all[last-1].Ports
		n := low + sort.Search(high-low, func(i int) bool { return refused(low+i) < nearlyAll })
		all[last] = at(n - 1)
		if n < high {
			all = append(all[:last], at(n), all[last])
		}
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
	if points[0].Ports > 1 {
		to(b.left, b.y(points[0].Share))
	}
	for _, p := range points {
		to(b.x(p.Ports), b.y(p.Share))
	}
	if last := points[len(points)-1]; last.Share > leastShare {
		to(b.right, b.y(last.Share))
	}
	return d.String()
}

// plot is where the curves are.
var plot = box{left: 78, top: 20, right: figureWidth - 14, bottom: 178}

// beside is how far right of a curve's foot its letter is.
const beside = 7

// axes are those of all curves, for the template.
type axes struct {
	Left, Top, Right, Bottom coordinate
	X, Y                     []label
}

func newAxes() axes {
	a := axes{Left: coordinate(plot.left), Top: coordinate(plot.top), Right: coordinate(plot.right), Bottom: coordinate(plot.bottom)}
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		a.X = append(a.X, label{At: coordinate(plot.x(n)), Text: sizing.Count(n)})
	}
	for _, share := range []float64{1, 1e-3, 1e-6, 1e-9} {
		a.Y = append(a.Y, label{At: coordinate(plot.y(share)), Text: sizing.Share(share)})
	}
	return a
}

// figure is the curves of one site: the refused share against the ports.
type figure struct {
	Number      int // from 1, of its id
	Brief       bool
	Title, Desc string
	Own         string // path
	Others      []line
	Objective   coordinate
	AtMost      label
	Planned     label
	PlannedY    coordinate
	Letters     []label // of the lines that end at the bottom
	Beside      []label // of those that end at the right
	Guesses     []label
	Points      []point
}

// line is the curve of one or more servers, apart from the site's own.
type line struct {
	Dash   int // its dash pattern and colour
	Letter string
	Path   string
	need   int
	last   point
}

// drawn is what a site's card shows of servers and guesses. Equal sites share it.
type drawn struct {
	Figure  figure
	Servers []need
	Rules   []explain.Rule
	Steady  float64 // refused with the site's data ports, a start of all sessions apart
}

// need is what a server needs for the site.
type need struct {
	sizing.Comparison
	Own     bool
	Line    *line   // nil: not drawn
	Same    bool    // its curve is the same as that of the site's own server
	Refused float64 // with the site's data ports, if it is drawn
}

// drawnOf computes and draws. Without others it draws the site's own server only.
func drawnOf(s *plan.Site, others bool) drawn {
	refused := sizing.Steady(s.Profile, s.Workload)
	d := drawn{Rules: explain.Rules(s, refused), Servers: needs(s), Steady: refused(s.DataPorts.Count())}
	f := &d.Figure
	f.Brief = !others
	f.Points = curveOf(refused, s.Sizing.Ports)
	f.Own = path(f.Points, plot)
	if others {
		f.compare(d.Servers, s.DataPorts.Count())
	}
	f.mark(s, d)
	f.describe(s, d.Steady)
	return d
}

// needs are all known servers and the site's own, the fewest ports first, those without a range last.
func needs(s *plan.Site) []need {
	compared := sizing.Compare(s.Profile, s.Workload)
	own := func(c sizing.Comparison) bool { return c.Profile.Name == s.Profile.Name }
	if !slices.ContainsFunc(compared, own) { // a profile of the spec's own
		compared = append(compared, sizing.Comparison{Profile: s.Profile, Workload: s.Workload, Result: s.Sizing})
	}
	sizing.FewestFirst(compared)
	var all []need
	for _, c := range compared {
		all = append(all, need{Comparison: c, Own: own(c)})
	}
	return all
}

// compare draws the curves of other servers: one line for those that are equal.
func (f *figure) compare(servers []need, ports int) {
	lines := map[string]*line{}
	for i := range servers {
		n := &servers[i]
		if n.Own || n.Err != nil {
			continue
		}
		curve := sizing.Steady(n.Profile, n.Workload)
		points := curveOf(curve, n.Result.Ports)
		way := path(points, plot)
		n.Refused = curve(ports)
		if n.Same = way == f.Own; n.Same {
			continue
		}
		if lines[way] == nil {
			number := len(lines)
			lines[way] = &line{Dash: number, Letter: string(rune('A' + number)), Path: way, need: n.Result.Ports, last: points[len(points)-1]}
			f.Others = append(f.Others, *lines[way])
		}
		n.Line = lines[way]
	}
}

// mark places the labels of the lines, of the range and of the guesses.
func (f *figure) mark(s *plan.Site, d drawn) {
	f.Objective = coordinate(plot.y(s.Sizing.Objective))
	f.AtMost = f.objective(s)
	n := s.DataPorts.Count()
	at := coordinate(plot.x(n))
	planned, _ := spread([]label{{Text: short(s.Profile.Title, 18) + ": " + sizing.Plural(n, "port"), At: at}}, plot.left, figureWidth, 1)
	f.Planned, f.PlannedY = planned[0], coordinate(plot.y(d.Steady))
	for _, l := range f.Others {
		if l.last.Share > leastShare {
			f.Beside = append(f.Beside, label{At: coordinate(plot.y(l.last.Share)), Text: l.Letter})
		} else {
			f.Letters = append(f.Letters, label{At: coordinate(plot.x(l.last.Ports) + beside), Text: l.Letter})
		}
	}
	f.Letters, _ = spread(f.Letters, plot.left, figureWidth, 2)
	f.Beside = stacked(f.Beside)
	for i, r := range d.Rules {
		f.Guesses = append(f.Guesses, label{At: coordinate(plot.x(r.Ports)), Text: fmt.Sprint(i + 1)})
	}
	f.Guesses, _ = spread(f.Guesses, plot.left-10, figureWidth, 2)
}

// objective is the label of the share that may be refused: it goes where most room
// is between the curves, which cross its line at the ports that each server needs.
func (f *figure) objective(s *plan.Site) label {
	l := label{Text: "≤ " + sizing.Share(s.Sizing.Objective)}
	at := []float64{plot.left, plot.x(s.Sizing.Ports), plot.x(s.DataPorts.Count()), plot.right}
	for _, other := range f.Others {
		at = append(at, plot.x(other.need))
	}
	slices.Sort(at)
	from, room := plot.left, 0.0
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] > room {
			from, room = at[i-1], at[i]-at[i-1]
		}
	}
	l.X = coordinate(min(max(from+room/2, plot.left+l.width()/2), plot.right-l.width()/2))
	return l
}

// describe says in words what the figure shows.
func (f *figure) describe(s *plan.Site, steady float64) {
	f.Title = fmt.Sprintf("Refused share against ports, %s", s.Profile.Title)
	text := fmt.Sprintf("With %s, %s refuses %s of the data connections; at most %s may be refused.",
		sizing.Plural(s.DataPorts.Count(), "port"), s.Profile.Title, sizing.Share(steady), sizing.Share(s.Sizing.Objective))
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
