package report

import (
	"fmt"
	"slices"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// portMap is a host's ports: all of them to scale, and the parts around its
// sites enlarged.
type portMap struct {
	Number int
	Title  string
	Desc   string
	Bars   []bar
	Height coordinate
	Uses   []use
	Hidden int // clusters of sites without a bar of their own
}

// use is a range of ports and what it is for.
type use struct {
	Ports spec.PortRange
	Kind  string // class of the band
	What  string
	Link  string // the site's, or ""
}

// bar is a part of the ports, drawn to scale.
type bar struct {
	Window  spec.PortRange
	Y       coordinate // of its top
	Bands   []band
	Labels  []label
	Without int
}

// band is a use in a bar.
type band struct {
	Kind string
	X, W coordinate
	Y, H coordinate
}

const (
	barLeft, barRight = 3.0, figureWidth - 3.0
	barHeight         = 20.0
	labelRow          = 13.0
	// clusterGap is the number of free ports that part two clusters of sites, and
	// mostClusters how many are enlarged.
	clusterGap   = 2000
	mostClusters = 6
	labelRows    = 5
)

// usesOf are all uses of a host's ports, by their first port.
func usesOf(h *plan.Host) []use {
	all := []use{{Ports: spec.PortRange{First: 1, Last: 1023}, Kind: "known", What: "well-known ports, privileged"}}
	if h.EphemeralPorts.Count() > 0 {
		all = append(all, use{Ports: h.EphemeralPorts, Kind: "ephemeral", What: "ephemeral: for the host's outgoing connections"})
	}
	for _, r := range h.AvoidPorts {
		all = append(all, use{Ports: r, Kind: "avoided", What: "avoided by the spec"})
	}
	for _, r := range h.ReservedPorts {
		all = append(all, use{Ports: r, Kind: "reserved", What: "reserved by the spec for others"})
	}
	for _, s := range h.Sites {
		link := "#site-" + s.Name
		all = append(all,
			use{Ports: spec.PortRange{First: s.Port, Last: s.Port}, Kind: "control", What: "control port of " + s.Name, Link: link},
			use{Ports: s.DataPorts, Kind: "data", What: s.Name, Link: link})
	}
	slices.SortStableFunc(all, func(a, b use) int { return int(a.Ports.First) - int(b.Ports.First) })
	return all
}

// mapOf draws the ports of a host.
func mapOf(h *plan.Host, number int) portMap {
	m := portMap{Number: number, Uses: usesOf(h), Title: "Ports of host " + h.Name}
	windows := []spec.PortRange{{First: 1, Last: 65535}}
	around := clusters(h)
	if len(around) > mostClusters {
		m.Hidden = len(around) - mostClusters
		around = around[:mostClusters]
	}
	y := 2.0
	for i, w := range append(windows, around...) {
		b := barOf(w, m.Uses, y, i > 0)
		m.Bars = append(m.Bars, b)
		rows := 0
		for _, l := range b.Labels {
			rows = max(rows, l.Row+1)
		}
		y += barHeight + labelRow*float64(rows+1) + 12
	}
	m.Height = coordinate(y)
	data := 0
	for _, s := range h.Sites {
		data += s.DataPorts.Count()
	}
	m.Desc = fmt.Sprintf("Of 65,535 TCP ports %s carry data of %s: %s.", sizing.Count(data), sizing.Plural(len(h.Sites), "site"), rangesOf(h.Sites))
	return m
}

// rangesOf names the ranges of sites, a few of them.
func rangesOf(sites []*plan.Site) string {
	var names []string
	for _, s := range sites {
		names = append(names, s.Name+" "+s.DataPorts.String())
	}
	if more := len(names) - 8; more > 1 {
		names = append(names[:8], sizing.Plural(more, "more site"))
	}
	return spec.List(names, "and")
}

// clusters are the parts of the ports around a host's sites, with a margin.
func clusters(h *plan.Host) []spec.PortRange {
	sites := slices.Clone(h.Sites)
	slices.SortFunc(sites, func(a, b *plan.Site) int { return int(a.DataPorts.First) - int(b.DataPorts.First) })
	var all []spec.PortRange
	for _, s := range sites {
		if last := len(all) - 1; last >= 0 && int(s.DataPorts.First)-int(all[last].Last) < clusterGap {
			all[last].Last = max(all[last].Last, s.DataPorts.Last)
			continue
		}
		all = append(all, s.DataPorts)
	}
	for i, c := range all {
		margin := max(4, c.Count()/8)
		all[i] = spec.PortRange{First: uint16(max(1, int(c.First)-margin)), Last: uint16(min(65535, int(c.Last)+margin))}
	}
	return all
}

// barOf draws what is in a window of the ports.
func barOf(w spec.PortRange, uses []use, y float64, enlarged bool) bar {
	b := bar{Window: w, Y: coordinate(y)}
	x := func(port int) float64 {
		return barLeft + (barRight-barLeft)*float64(port-int(w.First))/float64(w.Count())
	}
	var labels []label
	for _, u := range uses {
		if !u.Ports.Overlaps(w) {
			continue
		}
		from, to := x(int(max(u.Ports.First, w.First))), x(int(min(u.Ports.Last, w.Last))+1)
		d := band{Kind: u.Kind, X: coordinate(from), W: coordinate(max(0.6, to-from)), Y: coordinate(y), H: barHeight}
		b.Bands = append(b.Bands, d)
		if text := u.label(enlarged); text != "" {
			labels = append(labels, label{At: coordinate((from + to) / 2), Text: text})
		}
	}
	b.Labels, b.Without = spread(labels, 0, figureWidth, labelRows)
	return b
}

// label is what stands at the use's band.
func (u use) label(enlarged bool) string {
	switch {
	case u.Kind == "data" && enlarged:
		return u.What + " " + u.Ports.String()
	case u.Kind == "data":
		return u.What
	case enlarged || u.Kind == "control":
		return ""
	case u.Kind == "known":
		return "1-1023"
	}
	return u.Kind
}
