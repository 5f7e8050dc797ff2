package change

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Firewall is a host's firewall, or a gateway's table of forwards, that treats
// new connections otherwise.
type Firewall struct {
	Host        string       `json:"host,omitempty"`
	Gateway     string       `json:"gateway,omitempty"`
	Opens       []Passage    `json:"opens"`
	Shuts       []Passage    `json:"shuts"`
	Limits      []Limit      `json:"limits,omitempty"`
	Differences []Difference `json:"differences,omitempty"` // of the host: where its rules hold
}

// Limit is what a site takes of one client address, if the firewall counts it otherwise.
type Limit struct {
	Site string `json:"site"`
	Difference
}

// Passage is a set of new TCP connections that a firewall passes in one of two
// plans and not in the other: those of each of Networks with each of Ports of each of
// Addresses of the same family.
type Passage struct {
	Site string `json:"site"`
	// What is "control" or "data" for connections to the site, "active" for those
	// that its server opens from Ports, and "forward" for a gateway's.
	What      string         `json:"what"`
	Addresses []netip.Addr   `json:"addresses"` // the site's, or the gateway's
	Ports     []plan.Ports   `json:"ports"`
	Networks  []netip.Prefix `json:"networks,omitempty"` // clients; none for a gateway, which asks nobody
	// Gated: only for clients that have a control connection with the site.
	Gated bool `json:"gated,omitempty"`
	// GateOnly: these clients have the ports in both plans, but in the other one
	// only if they have a control connection with the site.
	GateOnly bool           `json:"gate_only,omitempty"`
	To       netip.AddrPort `json:"to,omitzero"` // where a gateway forwards the first of Ports
}

// whats are what Passage.What can be, in order.
var whats = []string{"control", "data", "active", "forward"}

// Count is how many ports the passage has, whatever the number of addresses.
func (p Passage) Count() (n int) {
	for _, r := range p.Ports {
		n += r.Count
	}
	return n
}

// claim is one range of one address that a site's policy opens.
type claim struct {
	site, what string
	ports      spec.PortRange
	clients    []netip.Prefix // of the address's family
	gated      bool
}

// place is an address and the direction of connections: those of active mode go out.
type place struct {
	address netip.Addr
	out     bool
}

// claims are what a host's policy opens; nil has none.
func claims(h *plan.Host) map[place][]claim {
	all := map[place][]claim{}
	if h == nil {
		return all
	}
	for _, s := range h.Sites {
		p := s.Policy
		for _, a := range slices.Concat(p.Addresses4, p.Addresses6) {
			clients := p.Clients4
			if a.Is6() {
				clients = p.Clients6
			}
			in, out := place{a, false}, place{a, true}
			all[in] = append(all[in], claim{s.Name, "control", spec.PortRange{First: p.Control, Last: p.Control}, clients, false},
				claim{s.Name, "data", p.Data, clients, p.Gate})
			if p.Active.First > 0 {
				all[out] = append(all[out], claim{s.Name, "active", p.Active, clients, false})
			}
		}
	}
	return all
}

// firewalls compares the policy of each host and the forwards of each gateway.
func firewalls(was, is *plan.Plan) []Firewall {
	all := []Firewall{}
	for _, h := range pairs(was.Hosts, is.Hosts, func(h *plan.Host) string { return h.Name }) {
		older, newer := claims(h.was), claims(h.is)
		f := Firewall{Host: cmp.Or(h.is, h.was).Name, Opens: beyond(newer, older), Shuts: beyond(older, newer)}
		if h.was != nil && h.is != nil {
			f.Differences = differences(hostFields, h.was, h.is)
		}
		all = append(all, f)
	}
	for _, g := range pairs(was.Gateways, is.Gateways, func(g *plan.Gateway) string { return g.Name }) {
		all = append(all, Firewall{Gateway: cmp.Or(g.is, g.was).Name, Opens: forwards(g.is, g.was), Shuts: forwards(g.was, g.is)})
	}
	return slices.DeleteFunc(all, func(f Firewall) bool { return len(f.Opens)+len(f.Shuts)+len(f.Differences) == 0 })
}

// pair is what has one name in both plans, or in one.
type pair[T any] struct{ was, is *T }

// pairs joins what has the same name, sorted by it.
func pairs[T any](was, is []*T, name func(*T) string) []pair[T] {
	byName := map[string]pair[T]{}
	for _, v := range was {
		byName[name(v)] = pair[T]{was: v}
	}
	for _, v := range is {
		byName[name(v)] = pair[T]{byName[name(v)].was, v}
	}
	var all []pair[T]
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	return all
}

// beyond is what claims let through that others do not, or only with a
// control connection.
func beyond(more, less map[place][]claim) []Passage {
	var all []Passage
	for at, list := range more {
		for _, c := range list {
			all = append(all, c.beyond(at.address, less[at])...)
		}
	}
	return joined(all)
}

// beyond splits the claim's ports where the others' begin and end, and
// subtracts from its clients those that the others let through there.
func (c claim) beyond(address netip.Addr, others []claim) (all []Passage) {
	edges := []int{int(c.ports.First), int(c.ports.Last) + 1}
	var near []claim
	for _, o := range others {
		if !o.ports.Overlaps(c.ports) {
			continue
		}
		if o.ports.First <= c.ports.First && c.ports.Last <= o.ports.Last && (c.gated || !o.gated) && slices.Equal(o.clients, c.clients) {
			return nil
		}
		near = append(near, o)
		edges = append(edges, max(int(o.ports.First), edges[0]), min(int(o.ports.Last)+1, edges[1]))
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	for i, first := range edges[:len(edges)-1] {
		ports := spec.PortRange{First: uint16(first), Last: uint16(edges[i+1] - 1)}
		var any, free []netip.Prefix
		for _, o := range near {
			if o.ports.Contains(ports.First) {
				any = append(any, o.clients...)
				if !o.gated {
					free = append(free, o.clients...)
				}
			}
		}
		p := Passage{Site: c.site, What: c.what, Addresses: []netip.Addr{address}, Ports: []plan.Ports{plan.PortsOf(ports)}, Gated: c.gated}
		if p.Networks = without(c.clients, any); len(p.Networks) > 0 {
			all = append(all, p)
		}
		if c.gated {
			continue
		}
		p.GateOnly = true
		if p.Networks = without(c.clients, append(p.Networks, free...)); len(p.Networks) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// without are the addresses of networks that are in none of others, as networks.
func without(networks, others []netip.Prefix) []netip.Prefix {
	var b netipx.IPSetBuilder
	for _, n := range networks {
		b.AddPrefix(n)
	}
	for _, n := range others {
		b.RemovePrefix(n)
	}
	set, err := b.IPSet()
	if err != nil {
		panic("policy with an invalid network: " + err.Error()) // package plan makes only valid ones
	}
	return set.Prefixes()
}

// joined makes as few passages as possible of many of one address and range
// each, without another connection among them, and sorts them.
func joined(all []Passage) []Passage {
	all = grouped(all, func(p Passage) string { return fmt.Sprint(p.Addresses, p.Networks) }, func(into *Passage, p Passage) {
		var ranges []spec.PortRange
		for _, r := range append(into.Ports, p.Ports...) {
			ranges = append(ranges, r.PortRange)
		}
		into.Ports = nil
		for _, r := range spec.Merged(ranges) {
			into.Ports = append(into.Ports, plan.PortsOf(r))
		}
	})
	all = grouped(all, func(p Passage) string { return fmt.Sprint(p.Ports, p.Networks) }, func(into *Passage, p Passage) {
		into.Addresses = append(into.Addresses, p.Addresses...)
		slices.SortFunc(into.Addresses, netip.Addr.Compare)
	})
	// One of IPv4 and one of IPv6 are one: a network has only its own family's addresses.
	families := map[string][2]int{}
	key := func(p Passage) string { return fmt.Sprint(p.Site, p.What, p.Gated, p.GateOnly, p.Ports) }
	for _, p := range all {
		n := families[key(p)]
		n[family(p)]++
		families[key(p)] = n
	}
	return grouped(all, func(p Passage) string {
		if families[key(p)] == [2]int{1, 1} {
			return fmt.Sprint(p.Ports)
		}
		return fmt.Sprint(p.Ports, p.Addresses, p.Networks)
	}, func(into *Passage, p Passage) {
		if family(p) < family(*into) {
			*into, p = p, *into
		}
		into.Addresses = append(into.Addresses, p.Addresses...)
		into.Networks = append(into.Networks, p.Networks...)
	})
}

// family is 0 for a passage of IPv4 and 1 for one of IPv6.
func family(p Passage) int {
	if p.Addresses[0].Is4() {
		return 0
	}
	return 1
}

// grouped joins passages of one kind that have the same key, in a fixed order.
func grouped(all []Passage, key func(Passage) string, join func(into *Passage, p Passage)) []Passage {
	slices.SortStableFunc(all, func(a, b Passage) int {
		return cmp.Or(strings.Compare(a.Site, b.Site), slices.Index(whats, a.What)-slices.Index(whats, b.What), number(a.GateOnly)-number(b.GateOnly), number(a.Gated)-number(b.Gated),
			a.Addresses[0].Compare(b.Addresses[0]), cmp.Compare(a.Ports[0].First, b.Ports[0].First), strings.Compare(fmt.Sprint(a.Networks), fmt.Sprint(b.Networks)))
	})
	groups := []Passage{}
	at := map[string]int{}
	for _, p := range all {
		k := fmt.Sprint(p.Site, p.What, p.Gated, p.GateOnly, key(p))
		if i, known := at[k]; known {
			join(&groups[i], p)
			continue
		}
		at[k] = len(groups)
		groups = append(groups, p)
	}
	return groups
}

// forwards are the gateway's forwards that the other state does not have, which
// may be nil as the gateway may.
func forwards(more, less *plan.Gateway) []Passage {
	all := []Passage{}
	if more == nil {
		return all
	}
	for _, f := range more.Forwards {
		left := []spec.PortRange{f.Ports}
		if less != nil && less.Address == more.Address {
			for _, o := range less.Forwards {
				if o.To == f.To && int(o.ToPorts.First)-int(o.Ports.First) == int(f.ToPorts.First)-int(f.Ports.First) {
					left = cut(left, o.Ports)
				}
			}
		}
		for _, r := range left {
			all = append(all, Passage{Site: f.Site.Name, What: "forward", Addresses: []netip.Addr{more.Address}, Ports: []plan.Ports{plan.PortsOf(r)},
				To: netip.AddrPortFrom(f.To, r.First-f.Ports.First+f.ToPorts.First)})
		}
	}
	return all
}

// cut takes the ports of a range out of others.
func cut(ranges []spec.PortRange, out spec.PortRange) (left []spec.PortRange) {
	for _, r := range ranges {
		if !r.Overlaps(out) {
			left = append(left, r)
			continue
		}
		if r.First < out.First {
			left = append(left, spec.PortRange{First: r.First, Last: out.First - 1})
		}
		if out.Last < r.Last {
			left = append(left, spec.PortRange{First: out.Last + 1, Last: r.Last})
		}
	}
	return left
}

// limit adds what the hosts' firewalls limit otherwise at sites that stay there.
func (c *Change) limit() {
	for _, s := range c.Sites {
		if s.was == nil || s.is == nil || s.was.Host.Name != s.is.Host.Name {
			continue
		}
		for _, name := range []string{"sessions_per_address", "ipv6_client_prefix"} {
			d := s.difference(name)
			if d.Name == "" || name == "ipv6_client_prefix" && min(len(s.was.Policy.Addresses6), len(s.is.Policy.Addresses6)) == 0 {
				continue
			}
			f := c.firewall(s.is.Host.Name)
			f.Limits = append(f.Limits, Limit{s.Name, d})
		}
	}
}

// firewall is that of a host, which is added if nothing else of it differs.
func (c *Change) firewall(host string) *Firewall {
	at := slices.IndexFunc(c.Firewalls, func(f Firewall) bool { return f.Gateway != "" || f.Host >= host })
	if at < 0 {
		at = len(c.Firewalls)
	}
	if at == len(c.Firewalls) || c.Firewalls[at].Host != host {
		c.Firewalls = slices.Insert(c.Firewalls, at, Firewall{Host: host, Opens: []Passage{}, Shuts: []Passage{}})
	}
	return &c.Firewalls[at]
}
