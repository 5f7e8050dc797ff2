package plan

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Sensitivities says, for each of p.Sites in turn, what its range would be were
// one of the spec's figures 30 % smaller or larger, the figure that matters
// most first. It takes some fifteen times as long as Build; equal sites are
// asked about once.
func (p *Plan) Sensitivities() [][]sizing.Influence {
	influences := once(p.Sites, func(s *Site) question { return questionOf(s.Site, 0) },
		func(s *Site) []sizing.Influence { return sizing.Sensitivity(s.Profile, s.Workload) })
	all := make([][]sizing.Influence, len(p.Sites))
	gaps := map[*spec.Host]int{}
	for _, h := range p.Hosts {
		gaps[h.Host] = gapBeside(h.Host, h.Sites, nil)
	}
	for i, s := range p.Sites {
		all[i] = *influences[i]
		most := 0
		for _, d := range all[i] {
			most = max(most, d.Less, d.More)
		}
		if most > gaps[s.Host] { // then its own range may help
			all[i] = placeable(all[i], s, gapBeside(s.Host, p.Sites, s))
		}
	}
	return all
}

// gapBeside is the size of the largest range that a host has room for beside
// the sites, without the data ports of one of them. Only those sites count
// that share an address with it.
func gapBeside(h *spec.Host, sites []*Site, but *Site) int {
	taken := banned(h)
	for _, o := range sites {
		if but != nil && !slices.ContainsFunc(o.Addresses, func(a netip.Addr) bool { return slices.Contains(but.Addresses, a) }) {
			continue
		}
		taken.add(one(o.Port))
		if o != but && o.DataPorts.Count() > 0 {
			taken.add(o.DataPorts)
		}
	}
	return largestGap([]*portSet{taken}).Count()
}

// placeable turns ranges into errors for which there is no room.
func placeable(doubts []sizing.Influence, s *Site, room int) []sizing.Influence {
	fits := func(ports *int, why *string) {
		if *ports > room {
			*why = fmt.Sprintf("%s, for which host %q has no room", sizing.Plural(*ports, "port"), s.Host.Name)
			*ports = 0
		}
	}
	doubts = slices.Clone(doubts)
	for i := range doubts {
		fits(&doubts[i].Less, &doubts[i].LessError)
		fits(&doubts[i].More, &doubts[i].MoreError)
	}
	slices.SortStableFunc(doubts, func(a, b sizing.Influence) int { return b.Spread() - a.Spread() })
	return doubts
}
