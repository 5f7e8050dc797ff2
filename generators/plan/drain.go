package plan

import (
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Drain returns a plan in which sites keep older data ports open beside the
// present ones, as Policy.Draining: was are those that a site has had, by its
// name. A port that anybody on one of the site's addresses has now is that
// site's alone. Gateways are as they were.
func (p *Plan) Drain(was map[string][]spec.PortRange) *Plan {
	drained := &Plan{SpecName: p.SpecName, Gateways: p.Gateways}
	for _, s := range p.Sites {
		copied := *s
		copied.Policy.Draining = without(was[s.Name], claimed(p.Sites, s))
		drained.Sites = append(drained.Sites, &copied)
	}
	drained.Hosts = hosts(drained.Sites)
	return drained
}

// claimed are the ports that sites have on the addresses of s.
func claimed(sites []*Site, s *Site) *[65536]bool {
	var taken [65536]bool
	for _, o := range sites {
		if !slices.ContainsFunc(o.Addresses, func(a netip.Addr) bool { return slices.Contains(s.Addresses, a) }) {
			continue
		}
		taken[o.Port] = true
		for port := int(o.DataPorts.First); port <= int(o.DataPorts.Last); port++ {
			taken[port] = true
		}
	}
	return &taken
}

// without are the ports of some ranges that are not taken, as sorted ranges.
func without(ranges []spec.PortRange, taken *[65536]bool) (left []spec.PortRange) {
	var free [65536]bool
	for _, r := range ranges {
		for port := int(r.First); port <= int(r.Last); port++ {
			free[port] = port > 0 && !taken[port]
		}
	}
	for port := 1; port < len(free); port++ {
		switch n := len(left); {
		case !free[port]:
		case free[port-1]:
			left[n-1].Last = uint16(port)
		default:
			left = append(left, spec.PortRange{First: uint16(port), Last: uint16(port)})
		}
	}
	return left
}
