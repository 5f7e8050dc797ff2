package draft

import (
	"fmt"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators/inventory"
)

// client is a network of clients, and the line that names it.
type client struct {
	network netip.Prefix
	at      inventory.At
}

// opens reports whether an opening is for a port of the site.
func (s *Site) opens(o inventory.Opening, port uint16) bool {
	ports := o.Ports
	if o.Inside.First > 0 {
		ports = o.Inside
	}
	if !ports.Contains(port) {
		return false
	}
	return len(o.Destinations) == 0 || slices.ContainsFunc(o.Destinations, func(d netip.Prefix) bool {
		if len(s.Server.Addresses.Value) == 0 {
			return s.Server.Listens(d.Addr())
		}
		return slices.ContainsFunc(s.Server.Addresses.Value, d.Contains)
	})
}

// destinations are the single addresses for which a firewall opens the control
// port of a server that listens on all.
func (s *Site) destinations(firewalls []*inventory.Firewall) (all []netip.Addr) {
	if len(s.Server.Addresses.Value) > 0 {
		return nil
	}
	for _, f := range firewalls {
		for _, o := range slices.Concat(f.Openings, f.Shut) {
			if !s.opens(o, s.Server.Port.Value) {
				continue
			}
			for _, d := range o.Destinations {
				if d.IsSingleIP() && !slices.Contains(all, d.Addr()) {
					all = append(all, d.Addr())
				}
			}
		}
	}
	return all
}

// join takes from the firewalls who may reach the site's control port: what
// every chain lets through, and any of the security groups.
func (s *Site) join(firewalls []*inventory.Firewall) {
	four, six := s.reach(firewalls, true), s.reach(firewalls, false)
	s.clients = clientsOf(four, six)
	for i, f := range []family{four, six} {
		if f.closed == (inventory.At{}) {
			continue
		}
		then := "the spec has no client of it"
		if len(s.clients) == 0 {
			then = "the spec lets everyone in"
		}
		s.LeftOut = append(s.LeftOut, LeftOut{f.closed, "the control port", fmt.Sprintf("no line that was read opens it for IPv%d, and %s", 4+2*i, then)})
	}
	for _, f := range firewalls {
		s.lines(f)
	}
}

// reach is who may reach the control port from a family of addresses.
func (s *Site) reach(firewalls []*inventory.Firewall, is4 bool) family {
	var all, groups family
	all.here = slices.ContainsFunc(s.listens(), func(a netip.Addr) bool { return a.Is4() == is4 })
	for _, f := range firewalls {
		if !all.here || !(is4 && f.IPv4 || !is4 && f.IPv6) || f.Format == "compose" {
			continue
		}
		lets := s.lets(f, is4)
		nobody := !f.Accepts && !lets.all && !lets.only && len(lets.list) == 0
		switch {
		case f.Format == "security-group":
			if groups.or(lets); nobody && groups.closed == (inventory.At{}) {
				groups.closed = f.At
			}
		case nobody && f.Partial: // a rule that was not read may open it
			all.closed = f.At
		case nobody:
			all.closed = f.At
			all.and(lets)
		case !f.Accepts || lets.only:
			all.and(lets)
		}
	}
	if groups.known {
		if all.and(groups); !groups.all && len(groups.list) == 0 {
			all.closed = groups.closed
		}
	}
	return all
}

// lines notes the lines that open the control port, and what the ones of the
// data ports open beside them.
func (s *Site) lines(f *inventory.Firewall) {
	for _, o := range f.Openings {
		if s.opens(o, s.Server.Port.Value) && !slices.Contains(s.Firewall, o.At) {
			s.Firewall = append(s.Firewall, o.At)
			if s.host.iface == "" {
				s.host.iface = o.Interface
			}
			if s.host.iface != o.Interface {
				s.host.iface = "-" // several, or not for all
			}
			if s.Server.SessionsPerAddress.Value == 0 && o.PerAddress > 0 {
				s.Server.SessionsPerAddress = inventory.Setting[int]{Value: o.PerAddress, At: o.At}
			}
		}
		r := s.Server.DataPorts.Value
		whole := o.Ports.First == 1 && o.Ports.Last == 65535
		if f.Format != "compose" && !whole && s.Server.DataPorts.Written() && o.Ports.Overlaps(r) && o.Ports != r && !o.Ports.Contains(s.Server.Port.Value) {
			s.LeftOut = append(s.LeftOut, LeftOut{o.At, "the range " + o.Ports.String(), "the server's is " + r.String() + ", and the rules of the spec open exactly that"})
		}
		if o.Inside.First > 0 && (o.Inside != o.Ports) && (s.opens(o, s.Server.Port.Value) || o.Inside.Overlaps(r)) {
			s.LeftOut = append(s.LeftOut, LeftOut{o.At, "the ports " + o.Ports.String(), "they are " + o.Inside.String() + " inside, and a spec has no port that changes on the way"})
		}
	}
}

// family is who may come, of one family of addresses.
type family struct {
	here  bool // the site has an address of it
	known bool // something decides
	all   bool // everyone
	only  bool // all others are dropped, whatever the chain does otherwise
	list  []client
	// closed is a firewall with no line that opens the port; the zero value: none.
	closed inventory.At
}

// lets is who may reach the control port through a firewall.
func (s *Site) lets(f *inventory.Firewall, is4 bool) family {
	lets := family{known: true}
	for _, o := range f.Shut {
		lets.only = lets.only || (is4 && o.IPv4 || !is4 && o.IPv6) && s.opens(o, s.Server.Port.Value)
	}
	for _, o := range f.Openings {
		if !(is4 && o.IPv4 || !is4 && o.IPv6) || !s.opens(o, s.Server.Port.Value) || len(o.Others) > 0 {
			continue
		}
		if len(o.Destinations) > 0 && !slices.ContainsFunc(o.Destinations, func(d netip.Prefix) bool { return d.Addr().Is4() == is4 }) {
			continue
		}
		lets.only = lets.only || o.Only
		if len(o.Sources) == 0 {
			lets.all = true
		}
		for _, n := range o.Sources {
			if n.Addr().Is4() == is4 {
				lets.list = append(lets.list, client{n, o.At})
			}
		}
	}
	return lets
}

// or is what one of two lets through.
func (a *family) or(b family) {
	a.known = a.known || b.known
	a.all = a.all || b.all
	a.list = append(a.list, b.list...)
}

// and is what both let through.
func (a *family) and(b family) {
	switch {
	case !a.known || a.all:
		a.all, a.list = b.all, b.list
	case !b.all:
		var x, y netipx.IPSetBuilder
		for _, c := range a.list {
			x.AddPrefix(c.network)
		}
		for _, c := range b.list {
			y.AddPrefix(c.network)
		}
		other, _ := y.IPSet() // prefixes are valid
		x.Intersect(other)
		both, _ := x.IPSet()
		at := a.list
		a.list = nil
		for _, p := range both.Prefixes() {
			a.list = append(a.list, client{p, at[0].at})
		}
	}
	a.known = true
}

// everyone of a family.
var (
	all4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	all6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// clientsOf are the clients of a site; none are all. A family that nothing
// decides is open, and one that nothing lets through has none.
func clientsOf(four, six family) (all []client) {
	open := func(f family) bool { return !f.here || !f.known || f.all }
	if open(four) && open(six) {
		return nil
	}
	for _, f := range []struct {
		family
		whole netip.Prefix
	}{{four, all4}, {six, all6}} {
		switch {
		case !f.here:
		case open(f.family):
			all = append(all, client{network: f.whole})
		default:
			for _, c := range f.list {
				if !slices.ContainsFunc(all, func(o client) bool { return o.network == c.network }) {
					all = append(all, c)
				}
			}
		}
	}
	return all
}
