package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// portMap is a host's ports: all of them to scale, and the parts around its
// sites enlarged.
type portMap struct {
	Number      int // from 1, of its ids
	Data        int // data ports of all sites, which may share some on different addresses
	Title, Desc string
	Legend      string // what the bands' fillings are
	Bars        []bar
	Height      coordinate
	Uses        []use
}

// use is a range of ports and what it is for.
type use struct {
	Ports spec.PortRange
	Kind  string // one of fillings
	What  string
	Site  string // "" if it is not a site's
}

// fillings are what tells the kinds apart without colour, in the legend's order.
var fillings = []struct{ kind, filling string }{
	{"data", "filled: data ports"}, {"ephemeral", "hatched: ephemeral ports"},
	{"avoided", "crossed: avoided"}, {"reserved", "dotted: reserved for others"}, {"known", "ruled: well-known ports"},
}

// bar is a part of the ports, drawn to scale.
type bar struct {
	Window spec.PortRange
	Whole  bool // all ports
	Y      coordinate
	Bands  []band
	Labels []label
}

// band is a use in a bar.
type band struct {
	Kind       string
	X, Y, W, H coordinate
}

const (
	barLeft, barRight = 3.0, figureWidth - 3.0
	barHeight         = 20.0
	labelRow          = 13.0
	labelRows         = 5
	// clusterGap is the number of free ports that part two clusters of sites, and
	// mostClusters how many are enlarged.
	clusterGap   = 2000
	mostClusters = 6
	avoidedApart = 70 // figure units between two labels of avoided ports
)

// cluster is sites whose ranges are near each other.
type cluster struct {
	ports spec.PortRange
	sites []*plan.Site
}

func (c cluster) name() string {
	if len(c.sites) == 1 {
		return c.sites[0].Name
	}
	return sizing.Plural(len(c.sites), "site")
}

// window is the cluster's ports with a margin.
func (c cluster) window() spec.PortRange {
	margin := max(4, c.ports.Count()/8)
	return spec.PortRange{First: uint16(max(1, int(c.ports.First)-margin)), Last: uint16(min(65535, int(c.ports.Last)+margin))}
}

// clusters are the sites of a host by their place, from the lowest port up.
func clusters(h *plan.Host) []cluster {
	sites := slices.Clone(h.Sites)
	slices.SortStableFunc(sites, func(a, b *plan.Site) int { return int(a.DataPorts.First) - int(b.DataPorts.First) })
	var all []cluster
	for _, s := range sites {
		if last := len(all) - 1; last >= 0 && int(s.DataPorts.First)-int(all[last].ports.Last) < clusterGap {
			all[last].ports.Last = max(all[last].ports.Last, s.DataPorts.Last)
			all[last].sites = append(all[last].sites, s)
			continue
		}
		all = append(all, cluster{s.DataPorts, []*plan.Site{s}})
	}
	return all
}

// usesOf are all uses of a host's ports, by their first port.
func usesOf(h *plan.Host, around []cluster) []use {
	all := []use{
		{Ports: spec.PortRange{First: 1, Last: 1023}, Kind: "known", What: "well-known ports"},
		{Ports: h.EphemeralPorts, Kind: "ephemeral", What: "ephemeral ports, for the host's outgoing connections"},
	}
	for _, r := range h.AvoidPorts {
		all = append(all, use{Ports: r, Kind: "avoided", What: "avoided, as the spec says"})
	}
	for _, r := range h.ReservedPorts {
		all = append(all, use{Ports: r, Kind: "reserved", What: "reserved for others, as the spec says"})
	}
	for _, s := range h.Sites {
		all = append(all, use{Ports: s.DataPorts, Kind: "data", Site: s.Name,
			What: fmt.Sprintf("%s, control port %d", sizing.Plural(s.DataPorts.Count(), "data port"), s.Port)})
	}
	for _, port := range plan.Services() {
		r := spec.PortRange{First: port, Last: port}
		if slices.ContainsFunc(around, func(c cluster) bool { return c.window().Contains(port) }) {
			all = append(all, use{Ports: r, Kind: "known", What: plan.ServiceIn(r)})
		}
	}
	slices.SortStableFunc(all, func(a, b use) int { return int(a.Ports.First) - int(b.Ports.First) })
	return all
}

// mapOf draws the ports of a host.
func mapOf(h *plan.Host, number int) portMap {
	around := clusters(h)
	m := portMap{Number: number, Uses: usesOf(h, around), Title: "Ports of host " + h.Name}
	m.Bars = append(m.Bars, wholeBar(h, m.Uses, around))
	hidden := max(0, len(around)-mostClusters)
	for _, c := range around[:len(around)-hidden] {
		m.Bars = append(m.Bars, enlarged(c, m.Uses))
	}
	y := labelRow
	for i := range m.Bars {
		b := &m.Bars[i]
		b.Y = coordinate(y)
		rows := 0
		for _, l := range b.Labels {
			rows = max(rows, l.Row+1)
		}
		y += barHeight + labelRow*float64(rows+1) + 14
	}
	m.Height = coordinate(y - labelRow)
	m.describe(h, hidden)
	return m
}

func (m *portMap) describe(h *plan.Host, hidden int) {
	var names []string
	var ranges []spec.PortRange
	for _, s := range h.Sites {
		m.Data += s.DataPorts.Count()
		ranges = append(ranges, s.DataPorts)
		names = append(names, s.Name+" "+s.DataPorts.String())
	}
	if more := len(names) - 8; more > 1 {
		names = append(names[:8], sizing.Plural(more, "more site"))
	}
	data := 0
	for _, r := range spec.Merged(ranges) {
		data += r.Count()
	}
	m.Desc = fmt.Sprintf("Of 65,535 ports %s carry data: %s. The host's ephemeral ports are %s.", sizing.Count(data), spec.List(names, "and"), h.EphemeralPorts)
	var kinds []string
	for _, f := range fillings {
		if slices.ContainsFunc(m.Uses, func(u use) bool { return u.Kind == f.kind }) {
			kinds = append(kinds, f.filling)
		}
	}
	m.Legend = "All ports to scale, then enlarged around the sites; " + strings.Join(kinds, ", ") + "; short strokes: control ports."
	if hidden > 0 {
		m.Legend += fmt.Sprintf(" The table also has the sites of %s of ports.", sizing.Plural(hidden, "more part"))
	}
}

// scaled adds a use to the bar.
func (b *bar) scaled(u use) band {
	x := func(port int) float64 {
		return barLeft + (barRight-barLeft)*float64(port-int(b.Window.First))/float64(b.Window.Count())
	}
	from, to := x(int(max(u.Ports.First, b.Window.First))), x(int(min(u.Ports.Last, b.Window.Last))+1)
	return band{Kind: u.Kind, X: coordinate(from), W: coordinate(max(0.6, to-from)), H: barHeight}
}

// middle is where a band's label is about.
func (d band) middle() coordinate { return d.X + d.W/2 }

// wholeBar has all ports, with the control ports as strokes. Its labels name
// clusters and kinds.
func wholeBar(h *plan.Host, uses []use, around []cluster) bar {
	b := bar{Window: spec.PortRange{First: 1, Last: 65535}, Whole: true}
	var labels []label
	avoided := coordinate(-avoidedApart)
	var data []spec.PortRange
	for _, u := range uses {
		if u.Kind == "data" {
			data = append(data, u.Ports)
			continue
		}
		d := b.scaled(u)
		b.Bands = append(b.Bands, d)
		switch {
		case u.Ports.First == 1:
			labels = append(labels, label{At: d.middle(), Text: "well-known"})
		case u.Kind == "ephemeral":
			labels = append(labels, label{At: d.middle(), Text: u.Kind})
		case u.Kind == "avoided" && d.middle() >= avoided+avoidedApart:
			avoided = d.middle()
			labels = append(labels, label{At: d.middle(), Text: u.Kind})
		}
	}
	for _, r := range spec.Merged(data) { // else the gaps between hundreds of them would be most of the ink
		b.Bands = append(b.Bands, b.scaled(use{Ports: r, Kind: "data"}))
	}
	for _, s := range h.Sites {
		b.Bands = append(b.Bands, b.scaled(use{Ports: spec.PortRange{First: s.Port, Last: s.Port}, Kind: "control"}))
	}
	for _, c := range around {
		labels = append(labels, label{At: b.scaled(use{Ports: c.ports}).middle(), Text: c.name()})
	}
	b.Labels = sample(labels, 0, figureWidth, labelRows)
	return b
}

// enlarged is the part of the ports around a cluster. Sites on different addresses
// may share ports: their bands are below each other.
func enlarged(c cluster, uses []use) bar {
	b := bar{Window: c.window()}
	var labels []label
	for _, u := range uses {
		if u.Kind != "data" && u.Ports.Overlaps(b.Window) {
			b.Bands = append(b.Bands, b.scaled(u))
		}
	}
	lanes := []int{} // the last port of each
	var of []int
	for _, s := range c.sites {
		lane := slices.IndexFunc(lanes, func(last int) bool { return last < int(s.DataPorts.First) })
		if lane < 0 {
			lane, lanes = len(lanes), append(lanes, 0)
		}
		lanes[lane] = int(s.DataPorts.Last)
		of = append(of, lane)
	}
	height := coordinate(barHeight / float64(len(lanes)))
	for i, s := range c.sites {
		d := b.scaled(use{Ports: s.DataPorts, Kind: "data"})
		d.Y, d.H = height*coordinate(of[i]), height
		b.Bands = append(b.Bands, d)
		labels = append(labels, label{At: d.middle(), Text: s.Name + " " + s.DataPorts.String()})
	}
	b.Labels = sample(labels, 0, figureWidth, labelRows)
	return b
}

// servicesPath is a stroke for each well-known service in a bar of all ports.
func servicesPath() string {
	b := bar{Window: spec.PortRange{First: 1, Last: 65535}}
	var d strings.Builder
	for _, port := range plan.Services() {
		fmt.Fprintf(&d, "M%v 0v%v", b.scaled(use{Ports: spec.PortRange{First: port, Last: port}}).middle(), coordinate(barHeight))
	}
	return d.String()
}
