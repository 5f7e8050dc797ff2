package plan

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// gateways resolves the gateways of a spec and their DNAT entries. That each
// site has an address of its gateway's family, and that no two pins or control
// ports meet there, package spec has checked; placement keeps the rest apart.
func gateways(declared []*spec.Gateway, sites []*Site) []*Gateway {
	bySpec := make(map[*spec.Site]*Site, len(sites))
	for _, s := range sites {
		bySpec[s.Site] = s
	}
	var all []*Gateway
	for _, d := range declared {
		g := &Gateway{Gateway: d}
		for _, s := range d.Sites {
			if site := bySpec[s]; site != nil {
				g.Sites = append(g.Sites, site)
			}
		}
		slices.SortFunc(g.Sites, func(a, b *Site) int { return strings.Compare(a.Name, b.Name) })
		for _, s := range g.Sites {
			if to, ok := inFamily(s.Addresses, d.Address); ok {
				g.Forwards = append(g.Forwards, Forward{s, one(d.ControlPort(s.Site)), to, one(s.Port)}, Forward{s, s.DataPorts, to, s.DataPorts})
			}
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Gateway) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// inFamily returns the first address that has the family of like.
func inFamily(addresses []netip.Addr, like netip.Addr) (netip.Addr, bool) {
	for _, a := range addresses {
		if a.Is4() == like.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}
