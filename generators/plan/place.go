package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// seat is a site that wants a range.
type seat struct {
	*Site
	locked *LockedSite // nil: the lock does not know the site
	// why the site cannot stay where the lock says; "" if it can.
	why string
	// claims are the sets that the site's range becomes a part of: one for
	// each of its addresses, and one for each gateway it stands behind.
	claims []*portSet
	within spec.PortRange // spec.Spec's
	// taken are all sets that the range must stay clear of, claims included.
	taken []*portSet
}

// claim gives the site a range, or a larger one that includes the former.
func (t *seat) claim(r spec.PortRange) {
	t.DataPorts = r
	for _, c := range t.claims {
		c.add(r)
	}
}

// choose gives the site the first fitting range.
func (t *seat) choose() bool {
	for _, zone := range choices {
		if r, ok := firstFit(zone, t.Sizing.Ports, t.taken); ok {
			t.claim(r)
			return true
		}
	}
	return false
}

// seats prepares sites for placement. Ports are taken per address of a host,
// and per gateway, because a gateway forwards a port to one site only.
func seats(sites []*Site, of *spec.Spec, lock *Lock) []*seat {
	type address struct {
		host *spec.Host
		ip   netip.Addr
	}
	var (
		hosts     = map[*spec.Host]*portSet{}
		addresses = map[address]*portSet{}
		behind    = map[*spec.Site][]*portSet{}
	)
	outside, cluster := &portSet{}, &portSet{}
	if of.Within.First > 0 {
		outside.add(spec.PortRange{First: 1, Last: of.Within.First - 1})
		outside.add(spec.PortRange{First: of.Within.Last + 1, Last: highestPort})
	}
	for _, g := range of.Gateways {
		set := &portSet{}
		for _, s := range g.Sites {
			set.add(one(g.ControlPort(s)))
			behind[s] = append(behind[s], set)
		}
	}
	all := make([]*seat, 0, len(sites))
	for _, s := range sites {
		if hosts[s.Host] == nil {
			hosts[s.Host] = banned(s.Host)
		}
		hosts[s.Host].add(one(s.Port))
		s.DataPorts = spec.PortRange{} // pins too are claimed by place
		t := &seat{Site: s, locked: lock.find(s.Name)}
		for _, ip := range s.Addresses {
			at := address{s.Host, ip}
			if addresses[at] == nil {
				addresses[at] = &portSet{}
			}
			t.claims = append(t.claims, addresses[at])
		}
		t.claims = append(t.claims, behind[s.Site]...)
		if of.Within.First > 0 { // a cluster has each node port once, like a gateway
			t.claims, t.within = append(t.claims, cluster), of.Within
			cluster.add(one(s.Port))
		}
		t.taken = append([]*portSet{services, outside, hosts[s.Host]}, t.claims...)
		all = append(all, t)
	}
	return all
}

// banned are the ports of a host where no range is ever placed, except the
// control ports.
func banned(h *spec.Host) *portSet {
	set := &portSet{}
	if h.EphemeralPorts.First != 0 {
		set.add(h.EphemeralPorts)
	}
	for _, r := range h.AvoidPorts {
		set.add(r)
	}
	return set
}

func one(port uint16) spec.PortRange { return spec.PortRange{First: port, Last: port} }

// place gives every site of a spec its range and returns those it has no room
// for. Pins come first, then what the lock says, then the rest: by name, or
// the largest first.
func place(all []*seat, largestFirst bool) (unplaced []*seat) {
	for _, t := range all {
		if t.Pinned {
			t.claim(t.Site.Site.DataPorts)
			t.why = "The spec pins data_ports."
		}
	}
	keep(all)
	var rest []*seat
	for _, t := range all {
		if t.DataPorts.First == 0 {
			rest = append(rest, t)
		}
	}
	if largestFirst {
		slices.SortStableFunc(rest, func(a, b *seat) int { return cmp.Compare(b.Sizing.Ports, a.Sizing.Ports) })
	}
	for _, t := range rest {
		if !t.choose() {
			unplaced = append(unplaced, t)
		}
	}
	return unplaced
}

// keep leaves sites where the lock has them: first all with the ports they had,
// even if fewer would do now, because whoever relies on them has them open; then
// those that need more grow, upwards first.
func keep(all []*seat) {
	var short []*seat
	for _, sameHost := range []bool{true, false} { // who was here stays before who comes
		for _, t := range all {
			if t.locked == nil || t.Pinned || (t.locked.Host == t.Host.Name) != sameHost {
				continue
			}
			r := t.locked.DataPorts
			t.why = obstacle(t, r, all)
			if t.why != "" && r.Count() > t.Sizing.Ports { // what it needs may still be free
				less := spec.PortRange{First: r.First, Last: r.First + uint16(t.Sizing.Ports-1)}
				if free(less, t.taken) {
					t.claim(less)
				}
				continue
			}
			if t.why != "" {
				continue
			}
			t.claim(r)
			if r.Count() < t.Sizing.Ports {
				short = append(short, t)
			}
		}
	}
	var blocked []*seat
	for _, t := range short {
		if !t.growTo(int(t.DataPorts.First)) {
			blocked = append(blocked, t)
		}
	}
	for _, t := range blocked {
		t.grow(all)
	}
}

// growTo extends a kept range to what the site needs now, from first on, if the
// ports that come to it are free.
func (t *seat) growTo(first int) bool {
	had, last := t.DataPorts, first+t.Sizing.Ports-1
	if first < lowestPort || last > highestPort {
		return false
	}
	below := spec.PortRange{First: uint16(first), Last: had.First - 1}
	above := spec.PortRange{First: had.Last + 1, Last: uint16(last)}
	if first < int(had.First) && !free(below, t.taken) || last > int(had.Last) && !free(above, t.taken) {
		return false
	}
	t.claim(spec.PortRange{First: uint16(first), Last: uint16(last)})
	return true
}

// grow extends a kept range downwards, as little as possible. Where that fails,
// the site is without a range, and its old one stays empty in this plan: clients
// may still be using it, and must not meet another site there.
func (t *seat) grow(all []*seat) {
	had, last := t.DataPorts, int(t.DataPorts.First)+t.Sizing.Ports-1
	for down := 1; down <= t.Sizing.Ports-had.Count(); down++ {
		if t.growTo(int(had.First) - down) {
			return
		}
	}
	var why string
	if last > highestPort {
		why = fmt.Sprintf("there are only %s ports from %d on.", sizing.Count(highestPort-int(had.First)+1), had.First)
	} else {
		why = obstacle(t, spec.PortRange{First: had.Last + 1, Last: uint16(last)}, all)
	}
	t.why = fmt.Sprintf("It needs %s ports instead of %s and cannot grow where it is: %s", sizing.Count(t.Sizing.Ports), sizing.Count(had.Count()), why)
	t.DataPorts = spec.PortRange{}
}

// obstacle says why a site cannot have the ports of r, as the end of a
// sentence; "" if it can.
func obstacle(t *seat, r spec.PortRange, all []*seat) string {
	if free(r, t.taken) {
		return ""
	}
	if e := t.Host.EphemeralPorts; r.Overlaps(e) {
		return fmt.Sprintf("%s overlaps ephemeral_ports %s of host %q.", r, e, t.Host.Name)
	}
	if t.within.First > 0 && (r.First < t.within.First || r.Last > t.within.Last) {
		return fmt.Sprintf("%s is not within %s, which a target needs.", r, t.within)
	}
	for _, a := range t.Host.AvoidPorts {
		if r.Overlaps(a) {
			return fmt.Sprintf("%s overlaps avoid_ports %s of host %q.", r, a, t.Host.Name)
		}
	}
	if service := ServiceIn(r); service != "" {
		return fmt.Sprintf("%s covers %s.", r, service)
	}
	for _, o := range all {
		if o.Host != t.Host && len(t.claims) == len(t.Addresses) {
			continue // another host, and no gateway in front of t
		}
		if r.Contains(o.Port) && (o.Host == t.Host || t.shares(o)) {
			return fmt.Sprintf("%s covers the control port %d of site %q.", r, o.Port, o.Name)
		}
		if o == t || !t.shares(o) {
			continue
		}
		has := o.DataPorts
		if has.First == 0 && o.locked != nil {
			has = o.locked.DataPorts
		}
		if r.Overlaps(has) {
			return fmt.Sprintf("%s %s.", r, o.holding(has, r))
		}
	}
	return fmt.Sprintf("%s is not free.", r)
}

// holding says that the site's range, has, is r or shares ports with it.
func (t *seat) holding(has, r spec.PortRange) string {
	text := fmt.Sprintf("is the range of site %q", t.Name)
	if has != r {
		text = fmt.Sprintf("overlaps the range %s of site %q", has, t.Name)
	}
	if t.Pinned {
		text += ", which the spec pins"
	}
	return text
}

// shares reports whether two sites have an address or a gateway in common.
func (t *seat) shares(o *seat) bool {
	return slices.ContainsFunc(t.claims, func(c *portSet) bool { return slices.Contains(o.claims, c) })
}

// noRoom is the mistake of a site that fits nowhere.
func noRoom(t *seat, locked bool) *hcl.Diagnostic {
	room := "no port left"
	if gap := largestGap(t.taken); gap.First != 0 {
		room = fmt.Sprintf("no larger gap than %s, which has %s", gap, sizing.Count(gap.Count()))
	}
	if t.within.First > 0 {
		room += fmt.Sprintf(" within %s, which a target needs", t.within)
	}
	repack := ""
	if locked {
		repack = ", or delete " + LockFile + " to let pasvctl place all ranges again"
	}
	return wrong(t.Site.Site, "concurrency.sessions", finding.NoRoom, fmt.Sprintf(
		"Site %q needs %s ports side by side, but host %q has %s, clear of ephemeral_ports, avoid_ports, control ports, well-known services and the other sites. "+
			"Lower concurrency.sessions, choose a server that needs fewer ports, narrow ephemeral_ports (and the host's ip_local_port_range with it), "+
			"give the site an address of its own, or pin data_ports%s.",
		t.Name, sizing.Count(t.Sizing.Ports), t.Host.Name, room, repack))
}
