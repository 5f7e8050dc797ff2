package report

import (
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/templates"
)

// mostDrawn is the number of sites up to which each card has the curves of all
// servers; with more it has its own server's only, and the page stays small.
const mostDrawn = 100

type page struct {
	Title   string
	Lead    []string
	Guesses []guess
	Hosts   []host
	Cards   []card
	Brief   bool // the cards have no curves of other servers
	Most    int
	Data    int
	Plot    frame
	Ticks   ticks
}

type host struct {
	*plan.Host
	Map   portMap
	Count int // of data ports
}

type card struct {
	*plan.Site
	*drawn
	First    bool // of the cards that share what is drawn
	Answer   string
	Why      string
	OnePort  string
	Starts   string
	Firewall []string
}

// HTML is the page of a plan.
func HTML(p *plan.Plan) []byte {
	brief := len(p.Sites) > mostDrawn
	figures := plan.Each(p, func(s *plan.Site) drawn { return drawnOf(s, !brief) })
	pg := page{Title: "FTP ports", Brief: brief, Most: mostDrawn}
	if p.SpecName != "" {
		pg.Title += " of " + p.SpecName
	}
	numbers := map[*drawn]int{}
	for i, s := range p.Sites {
		d := figures[i]
		first := numbers[d] == 0
		if first {
			numbers[d] = len(numbers) + 1
			d.Figure.Number = numbers[d]
		}
		one := s.Sizing.OnePort
		pg.Cards = append(pg.Cards, card{
			Site: s, drawn: d, First: first,
			Answer: explain.Answer(s), Why: explain.Why(s), Starts: explain.Starts(s),
			OnePort: fmt.Sprintf("One port %s: %s.", one.Verdict, one.Why), Firewall: explain.Firewall(s.Policy),
		})
	}
	for i, h := range p.Hosts {
		n := 0
		for _, s := range h.Sites {
			n += s.DataPorts.Count()
		}
		pg.Hosts = append(pg.Hosts, host{h, mapOf(h, i+1), n})
	}
	for _, s := range p.Sites {
		pg.Data += s.DataPorts.Count()
	}
	pg.Ticks = axes()
	pg.Plot = frame{coordinate(plot.left), coordinate(plot.top), coordinate(plot.right), coordinate(plot.bottom), 232, coordinate(plot.left - 4)}
	pg.Guesses = guesses(p.Sites, figures)
	pg.Lead = lead(p, pg.Guesses)
	text, err := templates.HTML("report/page.html", functions, pg)
	if err != nil {
		panic(err) // template and data are both ours
	}
	return text
}

// functions are those of the page's template.
var functions = map[string]any{
	"count":  sizing.Count,
	"plural": sizing.Plural,
	"share":  sizing.Share,
	"add":    func(a coordinate, b float64) coordinate { return a + coordinate(b) },
	"row":    func(y float64, row int) coordinate { return coordinate(y + labelRow*float64(row)) },
	"next":   func(i int) int { return i + 1 },
}

// guess is a rule of thumb in place of all computed ranges.
type guess struct {
	explain.Rule     // of the last site
	Ports        int // of all sites
	Sites        int // that the rule gives a range
	Short        int // sites that it refuses more than they may
	Worst        float64
	More         int // ports opened without need
}

// guesses sums up what each rule of thumb does to all sites.
func guesses(sites []*plan.Site, figures []*drawn) []guess {
	var all []guess
	at := map[string]int{}
	for i, s := range sites {
		for _, r := range figures[i].Rules {
			n, known := at[r.Name]
			if !known {
				n = len(all)
				at[r.Name] = n
				all = append(all, guess{Rule: r})
			}
			g := &all[n]
			g.Ports += r.Ports
			g.Sites++
			g.More += max(0, r.Ports-s.Sizing.Ports)
			if r.Refused > s.Sizing.Objective && r.Ports < s.Sizing.Ports {
				g.Short++
				g.Worst = max(g.Worst, r.Refused)
			}
		}
	}
	return all
}

// lead is the page in a few sentences.
func lead(p *plan.Plan, all []guess) []string {
	data, spare := 0, 0
	for _, s := range p.Sites {
		data += s.DataPorts.Count()
		spare += s.Spare()
	}
	text := []string{fmt.Sprintf("%s on %s open %s for data connections, and each its control port. Nothing else is opened.",
		sizing.Plural(len(p.Sites), "FTP site"), sizing.Plural(len(p.Hosts), "host"), sizing.Plural(data, "port"))}
	if spare == 0 {
		text = append(text, "Each range is the smallest that refuses no more data connections than the spec allows.")
	} else {
		text = append(text, fmt.Sprintf("%s would be enough; the spec or the lock keeps %s more.", sizing.Count(data-spare), sizing.Count(spare)))
	}
	var few, many *guess
	for i := range all {
		g := &all[i]
		if g.Short > 0 && (few == nil || g.Short > few.Short || g.Short == few.Short && g.Worst > few.Worst) {
			few = g
		}
		if g.Short == 0 && g.More > 0 && (many == nil || g.More > many.More) {
			many = g
		}
	}
	if few != nil {
		worst := sizing.Share(few.Worst)
		if few.Worst == 1 {
			worst = "all"
		}
		text = append(text, fmt.Sprintf("Guessed as %s does (%s), %s of %s would refuse more than that, up to %s of the data connections.",
			few.Name, few.Says, sizing.Count(few.Short), sizing.Plural(few.Sites, "site"), worst))
	}
	if many != nil {
		text = append(text, fmt.Sprintf("Guessed as %s does (%s), %s would be open without need.", many.Name, many.Says, sizing.Plural(many.More, "port")))
	}
	return text
}

// Clients are the card's networks, in words.
func (c card) Clients() string { return explain.Clients(c.Policy) }

// TLS says how the site encrypts.
func (c card) TLSWords() string {
	words := string(c.TLS.Mode)
	if c.TLS.Required {
		words += ", required"
	}
	return strings.ReplaceAll(words, "off", "none")
}

// frame is the plot's box for the template.
type frame struct{ Left, Top, Right, Bottom, XLabels, YLabels coordinate }

// ticks are the labels of both axes.
type ticks struct{ X, Y []label }

func axes() (t ticks) {
	for _, n := range []int{1, 10, 100, 1000, 10000, 65536} {
		text := sizing.Count(n)
		if n == 65536 {
			text = ""
		}
		t.X = append(t.X, label{At: coordinate(plot.x(n)), X: coordinate(plot.x(n)), Text: text})
	}
	for _, share := range []float64{1, 1e-3, 1e-6, 1e-9} {
		t.Y = append(t.Y, label{At: coordinate(plot.y(share)), Text: sizing.Share(share)})
	}
	return t
}

// Below is where the labels of a bar begin, Text where the first one stands.
func (b bar) Below() float64 { return float64(b.Y) + barHeight + labelRow + 4 }
func (b bar) Text() float64  { return b.Below() + 10 }

// Opened is what a guess opens on all sites.
func (g guess) Opened() int { return g.Ports }

// Words are a guess's result.
func (g guess) Words() string {
	var parts []string
	if g.Short > 0 {
		worst := sizing.Share(g.Worst)
		if g.Worst == 1 {
			worst = "all"
		}
		parts = append(parts, fmt.Sprintf("%s refused too much, up to %s", sizing.Plural(g.Short, "site"), worst))
	}
	if g.More > 0 {
		parts = append(parts, fmt.Sprintf("%s open without need", sizing.Plural(g.More, "port")))
	}
	return strings.Join(parts, "; ")
}
