package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/pasvctl/pasvctl/generators/change"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/templates"
)

// mostDrawn is the number of sites up to which each card has the curves of all
// servers; with more it has its own server's only, and the page stays small.
const mostDrawn = 100

type page struct {
	Title    string
	Tiles    []tile
	Change   *change.Page // nil: none is asked for
	Guesses  []guess
	Hosts    []host
	Cards    []card
	Most     int    // sites with curves of all servers; 0: all have them
	Data     int    // ports
	Need     int    // of them
	Services string // path
	axes
}

// tile is a figure that a reader sees first, and what it is.
type tile struct{ Figure, Text string }

type host struct {
	*plan.Host
	Map  portMap
	Many bool
}

// mostListed is the number of uses up to which a host's ports are listed openly.
const mostListed = 20

type card struct {
	*plan.Site
	*drawn
	First    bool // of the cards that share what is drawn
	Binding  string
	Starts   string
	Prose    []string
	Firewall []string
}

// HTML is the page of a plan, with at least one site, and of what has changed since
// an earlier one, unless c is nil.
func HTML(p *plan.Plan, c *change.Change) []byte {
	brief := len(p.Sites) > mostDrawn
	figures := plan.Each(p, func(s *plan.Site) drawn { return drawnOf(s, !brief) })
	pg := page{Title: "FTP ports: what is open, and why"}
	if brief {
		pg.Most = mostDrawn
	}
	if p.SpecName != "" {
		pg.Title = "FTP ports of " + p.SpecName + ": what is open, and why"
	}
	numbers := map[*drawn]int{}
	for i, s := range p.Sites {
		pg.Data += s.DataPorts.Count()
		pg.Need += s.Sizing.Ports
		d := figures[i]
		first := numbers[d] == 0
		if first {
			numbers[d] = len(numbers) + 1
			d.Figure.Number = numbers[d]
		}
		one := s.Sizing.OnePort
		shown := card{
			Site: s, drawn: d, First: first, Binding: explain.Binding(s), Starts: explain.Starts(s), Firewall: explain.Firewall(s.Policy),
			Prose: []string{explain.Why(s), fmt.Sprintf("One port %s: %s.", one.Verdict, one.Why), explain.Refused(s)},
		}
		for _, g := range p.Gateways {
			if forwarded := explain.Forwarded(g, s); forwarded != "" {
				shown.Firewall = append(shown.Firewall, forwarded)
			}
		}
		if brief {
			shown.Prose = append(shown.Prose, d.needsInWords(), d.guessesInWords(s), d.pointsInWords(s))
		}
		pg.Cards = append(pg.Cards, shown)
	}
	for i, h := range p.Hosts {
		ports := mapOf(h, i+1)
		pg.Hosts = append(pg.Hosts, host{h, ports, len(ports.Uses) > mostListed})
	}
	pg.axes, pg.Services = newAxes(), servicesPath()
	if c != nil {
		words := c.Page()
		pg.Change = &words
	}
	pg.Guesses = guesses(p.Sites, figures)
	pg.Tiles = pg.tiles(p, figures)
	return rendered("page.html", pg)
}

// rendered executes a template. It and its data are both ours, so that a
// disagreement is a bug and panics.
func rendered(template string, data any) []byte {
	text, err := templates.HTML(template, functions, data)
	if err != nil {
		panic(err)
	}
	return bytes.Map(printed, text)
}

// printed drops what is not seen and can change what is: control characters, and
// those that turn the direction of the text.
func printed(r rune) rune {
	if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' {
		return -1
	}
	return r
}

// functions are those of the page's template.
var functions = map[string]any{
	"plain":  change.Plain,
	"lower":  lower,
	"count":  sizing.Count,
	"plural": sizing.Plural,
	"share":  sizing.Share,
	"add":    func(a coordinate, b float64) coordinate { return a + coordinate(b) },
	"row":    func(y float64, row int) coordinate { return coordinate(y + labelRow*float64(row)) },
	"up":     func(y float64, row int) coordinate { return coordinate(y - labelRow*float64(row)) },
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

// tiles are the page in a few figures.
func (pg *page) tiles(p *plan.Plan, figures []*drawn) []tile {
	worst, together := 0, 0
	for i, s := range p.Sites {
		if len(explain.Together(s)) > 0 {
			together++
		}
		if figures[i].Steady > figures[worst].Steady {
			worst = i
		}
	}
	open := fmt.Sprintf("%s for %s on %s, and a control port each", noun(pg.Data, "data port"), sizing.Plural(len(p.Sites), "FTP site"), sizing.Plural(len(p.Hosts), "host"))
	if pg.Data > pg.Need {
		open += fmt.Sprintf("; %s more than needed, as the spec or the lock says", sizing.Count(pg.Data-pg.Need))
	}
	most, of := figures[worst].Steady, "of the worst site"
	if len(p.Sites) == 1 {
		of = "of the site"
	}
	refused := fmt.Sprintf("data connections %s are refused at the peak: %s; %s may be", of, sizing.Share(most), sizing.Share(p.Sites[worst].Sizing.Objective))
	if together > 0 {
		refused += "; more if sessions start together"
		if len(p.Sites) > 1 {
			refused += " on " + sizing.Plural(together, "site")
		}
	}
	tiles := []tile{{sizing.Count(pg.Data), open}, {oneIn(most), refused}}
	var few, many *guess
	for i := range pg.Guesses {
		g := &pg.Guesses[i]
		if g.Short > 0 && (few == nil || g.Short > few.Short || g.Short == few.Short && g.Worst > few.Worst) {
			few = g
		}
		if g.Short == 0 && g.More > 0 && (many == nil || g.More > many.More) {
			many = g
		}
	}
	if few != nil {
		text := fmt.Sprintf("of the data connections would be refused if guessed like %s (%s)", few.Name, few.Says)
		if few.Sites > 1 {
			text += fmt.Sprintf(", which is too few on %s of %s", sizing.Count(few.Short), sizing.Plural(few.Sites, "site"))
		}
		tiles = append(tiles, tile{sizing.Share(few.Worst), text})
	}
	if many != nil {
		tiles = append(tiles, tile{sizing.Count(many.More), fmt.Sprintf("%s more than needed if guessed like %s (%s)", noun(many.More, "port"), many.Name, many.Says)})
	}
	return tiles
}

// lower writes a heading of a text table as a page does: Data ports were.
func lower(heading string) string { return heading[:1] + strings.ToLower(heading[1:]) }

// oneIn writes a small share as people read it: 1 in 1,000,000.
func oneIn(share float64) string {
	n := 1 / share
	switch {
	case share == 0:
		return "No"
	case n < 10:
		return sizing.Share(share)
	}
	round := math.Pow(10, math.Floor(math.Log10(n))-1)
	return "1 in " + sizing.Count(int(math.Round(n/round)*round))
}

// noun is the noun of a count.
func noun(n int, of string) string {
	_, word, _ := strings.Cut(sizing.Plural(n, of), " ")
	return word
}

// Ports says how many data ports a card's site has, and needs.
func (c card) Ports() string {
	text := sizing.Plural(c.DataPorts.Count(), "port")
	if c.Spare() > 0 {
		why := "kept by the lock"
		if c.Pinned {
			why = "pinned by the spec"
		}
		text += fmt.Sprintf("; %s, %s are enough", why, sizing.Count(c.Sizing.Ports))
	}
	return text
}

// Words are a guess's result.
func (g guess) Words() string {
	if g.Sites == 1 {
		return g.Verdict
	}
	var parts []string
	if g.Short > 0 {
		parts = append(parts, fmt.Sprintf("%s %s up to %s", sizing.Plural(g.Short, "site"), refuse(g.Short), explain.Share(g.Worst)))
	}
	switch {
	case g.More > 0 && g.Short > 0:
		parts = append(parts, sizing.Count(g.More)+" more than needed on others")
	case g.More > 0:
		parts = append(parts, sizing.Count(g.More)+" more than needed")
	}
	if len(parts) == 0 {
		return "enough"
	}
	return strings.Join(parts, "; ")
}
