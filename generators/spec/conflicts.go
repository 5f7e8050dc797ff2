package spec

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// claim is a site's use of ports on an address.
type claim struct {
	site  *Site
	ports PortRange
	pin   bool // data_ports; else the control port
	// shift is the gateway that gives the control port another number; nil: none.
	shift *Gateway
}

// checkPorts finds the ports that two sites want on one address, and the pins
// that lie where other programs take ports.
func (l *loader) checkPorts() {
	reserving, reserved := l.reserving()
	byAddress := map[netip.Addr][]claim{}
	var addrs []netip.Addr
	for _, s := range l.spec.Sites {
		l.checkPin(s, reserving, reserved)
		for _, addr := range s.Addresses {
			if byAddress[addr] == nil {
				addrs = append(addrs, addr)
			}
			byAddress[addr] = append(byAddress[addr], claims(s)...)
		}
	}
	reported := map[[2]claim]bool{}
	for _, addr := range addrs {
		l.checkClaims(byAddress[addr], "address "+addr.String(), reported)
	}
	// A gateway forwards each port to one place.
	for _, g := range l.spec.Gateways {
		var all []claim
		for _, s := range g.Sites {
			own := claims(s)
			if outer := g.ControlPort(s); outer != s.Port {
				own[0].ports, own[0].shift = PortRange{outer, outer}, g
			}
			all = append(all, own...)
		}
		l.checkClaims(all, fmt.Sprintf("gateway %q", g.Name), reported)
	}
}

func claims(s *Site) []claim {
	own := []claim{{s, PortRange{s.Port, s.Port}, false, nil}}
	if s.DataPorts.Count() > 0 {
		own = append(own, claim{s, s.DataPorts, true, nil})
	}
	return own
}

// checkClaims sweeps over the claims in the order of their ports, comparing
// each with the one that reaches farthest so far, which finds an overlap
// wherever there is one without comparing all pairs.
func (l *loader) checkClaims(all []claim, where string, reported map[[2]claim]bool) {
	sort.SliceStable(all, func(i, j int) bool { return all[i].ports.First < all[j].ports.First })
	if len(all) == 0 {
		return
	}
	farthest := all[0]
	for _, next := range all[1:] {
		if next.ports.Overlaps(farthest.ports) {
			l.reportOverlap(farthest, next, where, reported)
		}
		if next.ports.Last > farthest.ports.Last {
			farthest = next
		}
	}
}

func (l *loader) reportOverlap(a, b claim, where string, reported map[[2]claim]bool) {
	// The site that comes later in the spec is the one to change, and of one
	// site's own ports it is the pin.
	if l.later(a, b) {
		a, b = b, a
	}
	pair := [2]claim{a, b}
	if reported[pair] {
		return
	}
	reported[pair] = true
	blk := &block{l: l, title: `site "` + b.site.Name + `"`, ranges: b.site.Ranges, failed: new(bool)}
	shifted, other := b, a
	if b.shift == nil {
		shifted, other = a, b
	}
	if g := shifted.shift; g != nil {
		gateway := &block{l: l, title: `gateway "` + g.Name + `"`, ranges: g.Ranges, failed: new(bool)}
		gateway.err("control_ports", finding.PortsOverlap, "port %s leads to the control port of site %q, and %s on the gateway is site %q's already. A gateway forwards each port to one place: choose another, like %s = %d.",
			shifted.ports, shifted.site.Name, other.ports, other.site.Name, shifted.site.Name, l.freePort())
		return
	}
	switch {
	case a.site == b.site:
		blk.err("data_ports", finding.PortsOverlap, "data_ports %s contains the site's own control port %d. Choose a range without it, or remove data_ports to let pasvctl choose.", b.site.DataPorts, b.site.Port)
	case !a.pin && !b.pin:
		free := l.freePort()
		remedy := fmt.Sprintf(", like port = %d", free)
		if strings.HasPrefix(where, "gateway ") {
			remedy = fmt.Sprintf(" there, like control_ports = { %s = %d } in the gateway", b.site.Name, free)
		}
		blk.err("port", finding.ControlPortTaken, "port %d on %s belongs to site %q (%s). Give one of them another%s.", b.site.Port, where, a.site.Name, place(*a.site.Ranges.Of("port")), remedy)
	case a.pin && b.pin:
		blk.err("data_ports", finding.PortsOverlap, "data_ports %s overlaps %s of site %q (%s) on %s. Move one of the two ranges, or remove data_ports to let pasvctl choose.", b.ports, a.ports, a.site.Name, place(*a.site.Ranges.Of("data_ports")), where)
	case b.pin:
		blk.err("data_ports", finding.PortsOverlap, "data_ports %s contains the control port %s of site %q (%s) on %s. Choose a range without it, or remove data_ports to let pasvctl choose.", b.ports, a.ports, a.site.Name, place(*a.site.Ranges.Of("port")), where)
	default:
		blk.err("port", finding.PortsOverlap, "port %s is in the data_ports %s of site %q (%s) on %s. Choose another port, or move that range.", b.ports, a.ports, a.site.Name, place(*a.site.Ranges.Of("data_ports")), where)
	}
}

// freePort is a control port that no site has or was offered.
func (l *loader) freePort() int {
	taken := func(port uint16) bool {
		return slices.ContainsFunc(l.spec.Sites, func(s *Site) bool {
			return slices.ContainsFunc(claims(s), func(c claim) bool { return c.ports.Overlaps(PortRange{port, port}) })
		}) || slices.ContainsFunc(l.spec.Gateways, func(g *Gateway) bool { return slices.Contains(slices.Collect(maps.Values(g.ControlPorts)), port) })
	}
	l.offered = max(l.offered+1, 2121)
	for l.suggestions < maxSuggestions && l.offered < maxPort && taken(uint16(l.offered)) {
		l.suggestions++
		l.offered++
	}
	return min(l.offered, maxPort)
}

// later reports whether a is to be blamed rather than b.
func (l *loader) later(a, b claim) bool {
	if a.site == b.site {
		return a.pin
	}
	x, y := a.site.Ranges[""], b.site.Ranges[""]
	return cmp.Or(strings.Compare(x.Filename, y.Filename), x.Start.Byte-y.Start.Byte) > 0
}

// checkPin checks one site's data_ports against its host.
func (l *loader) checkPin(s *Site, reserving *TargetKind, reserved bool) {
	pin := s.DataPorts
	if pin.Count() == 0 {
		return
	}
	b := &block{l: l, title: `site "` + s.Name + `"`, ranges: s.Ranges, failed: new(bool)}
	if pin.First < 1024 {
		b.err("data_ports", finding.DataPortsPrivileged, "data_ports %s starts below 1024; a server that has dropped root cannot bind those ports. Choose a range above 1023.", pin)
	}
	for _, avoid := range s.Host.AvoidPorts {
		if pin.Overlaps(avoid) {
			b.err("data_ports", finding.DataPortsAvoided, "data_ports %s overlaps %s, which host %q lists in avoid_ports (%s). Move the range, or take it off that list.", pin, avoid, s.Host.Name, place(*s.Host.Ranges.Of("avoid_ports")))
		}
	}
	if eph := s.Host.EphemeralPorts; pin.Overlaps(eph) {
		if reserved {
			b.warn("data_ports", finding.DataPortsEphemeral, "data_ports %s overlaps host %q's ephemeral ports %s. They are safe only while the file of target %q reserves them; a range outside needs no such care.", pin, s.Host.Name, eph, reserving.Name)
			return
		}
		remedy := ""
		if reserving != nil {
			remedy = fmt.Sprintf(", or add target %q {}, which reserves them", reserving.Name)
		}
		b.err("data_ports", finding.DataPortsEphemeral, "data_ports %s overlaps host %q's ephemeral ports %s, so its own outgoing connections will take some of them. Move the range%s.", pin, s.Host.Name, eph, remedy)
	}
}
