package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// wall is what a connection must pass: a chain, or all security groups together.
type wall struct {
	inventory.Firewall
}

// walls puts the groups together, of which one is enough. Anything else counts
// by itself.
func walls(all []*inventory.Firewall) (made []*wall) {
	var groups *wall
	for _, f := range all {
		w := &wall{*f}
		switch {
		case f.Format != "security-group":
		case groups != nil:
			groups.Openings = append(slices.Clone(groups.Openings), f.Openings...)
			continue
		default:
			groups = w
		}
		made = append(made, w)
	}
	return made
}

func (w *wall) String() string {
	name := map[string]string{"security-group": "the security group", "compose": "the service", "balancer": "the load balancer"}[w.Format]
	if name == "" {
		name = w.Format
	}
	return strings.TrimSpace(name + " " + w.Name)
}

type family int

const (
	four family = 4
	six  family = 6
)

func (f family) String() string { return fmt.Sprintf("IPv%d", int(f)) }

func (w *wall) decides(f family) bool {
	return f == four && w.IPv4 || f == six && w.IPv6
}

// listens reports whether the server has addresses of a family.
func (s *server) listens(f family) bool {
	if len(s.Addresses.Value) == 0 {
		return f == four && s.IPv4 || f == six && s.IPv6
	}
	return slices.ContainsFunc(s.Addresses.Value, func(a netip.Addr) bool { return a.Unmap().Is4() == (f == four) })
}

// leads reports whether an opening lets clients of a family to the server's
// addresses.
func leads(o inventory.Opening, s *server, f family) bool {
	if f == four && !o.IPv4 || f == six && !o.IPv6 {
		return false
	}
	if len(o.Destinations) == 0 || len(s.Addresses.Value) == 0 {
		return true
	}
	return slices.ContainsFunc(o.Destinations, func(p netip.Prefix) bool {
		return slices.ContainsFunc(s.Addresses.Value, p.Contains)
	})
}

// ports are the server's that an opening leads to: a container's own.
func ports(o inventory.Opening) spec.PortRange {
	if o.Inside.Count() > 0 {
		return o.Inside
	}
	return o.Ports
}

// open are the openings of a family that lead to a port of r.
func (w *wall) open(s *server, f family, r spec.PortRange) (all []inventory.Opening) {
	for _, o := range w.Openings {
		if leads(o, s, f) && ports(o).Overlaps(r) {
			all = append(all, o)
		}
	}
	return all
}

// closed are the ports of r that no opening leads to.
func closed(r spec.PortRange, openings []inventory.Opening) []spec.PortRange {
	rest := []spec.PortRange{r}
	for _, o := range openings {
		rest = spec.Without(rest, ports(o))
	}
	return rest
}

// compare compares the server's ports with what a firewall opens of them.
func (a *audit) compare(s *server, w *wall) {
	seen := map[family]*access{}
	met := false
	for _, f := range []family{four, six} {
		if w.decides(f) && s.listens(f) {
			seen[f] = w.access(s, f)
			met = met || len(seen[f].control)+len(seen[f].data) > 0
		}
	}
	if !met {
		return // it is for others
	}
	data, serving := s.DataPorts.Value, []inventory.Opening{}
	for _, f := range []family{four, six} {
		x, other := seen[f], seen[four+six-f]
		switch {
		case x == nil || s.Open():
			continue
		case len(x.control)+len(x.data) == 0:
			a.add(finding.FamilyForgotten, s.usual(), w.At, nil, fmt.Sprintf("open both to %s, or have the server listen on %s only", f, four+six-f),
				"%s opens nothing of %s to %s, and the server listens there, too", w, s, f)
		case len(x.control) == 0 && !w.Accepts:
			a.add(finding.FirewallDiffers, finding.Error, x.data[0].At, nil, fmt.Sprintf("open port %d, too", s.Port.Value),
				"%s opens data ports of %s to %s, and not its control port", w, s, f)
		case len(x.data) == 0 && !w.Accepts && other != nil && len(other.data) > 0:
			a.add(finding.FamilyForgotten, finding.Error, x.control[0].At, figures{"closed_ports": data.Count()}, fmt.Sprintf("open %s to %s, too", data, f),
				"%s opens the control port of %s to both families, and the range %s to %s only", w, s, data, four+six-f)
		case w.Format == "balancer" && data.Count() >= maxListeners: // which balanced says
		case !w.Accepts || len(x.data) > 0:
			a.missing(s, w, f, x)
		}
		serving = append(serving, x.data...)
	}
	a.beyond(s, w, serving)
}

// access is what a firewall lets clients of a family do with a server.
type access struct {
	control []inventory.Opening
	data    []inventory.Opening // for clients that control is open to, unless it is to none
	clients []client            // that control is open to
}

// client is one that a firewall lets in: an address of a network, or a member of
// a group; the zero value is anybody.
type client struct {
	network netip.Prefix
	group   string
}

// maxClients bounds the networks that are looked at.
const maxClients = 1000

func (w *wall) access(s *server, f family) *access {
	x := &access{control: w.open(s, f, spec.PortRange{First: s.Port.Value, Last: s.Port.Value})}
	for _, o := range x.control {
		for _, p := range o.Sources {
			x.clients = append(x.clients, client{network: p})
		}
		for _, group := range o.Others {
			x.clients = append(x.clients, client{group: group})
		}
		if everyone(o) {
			x.clients = []client{{}}
			break
		}
	}
	x.clients = x.clients[:min(len(x.clients), maxClients)]
	for _, o := range w.open(s, f, s.DataPorts.Value) {
		if len(x.control) == 0 || slices.ContainsFunc(x.clients, func(c client) bool { return serves(o, c) }) {
			x.data = append(x.data, o)
		}
	}
	return x
}

func everyone(o inventory.Opening) bool {
	return len(o.Sources)+len(o.Others) == 0 || slices.ContainsFunc(o.Sources, func(p netip.Prefix) bool { return p.Bits() == 0 })
}

// serves reports whether an opening is for a client, or the first of its network.
func serves(o inventory.Opening, c client) bool {
	return everyone(o) || c.group != "" && slices.Contains(o.Others, c.group) ||
		c.network.IsValid() && slices.ContainsFunc(o.Sources, func(p netip.Prefix) bool { return p.Contains(c.network.Addr()) })
}

// missing reports ports of the range that are closed to a client who may log in.
func (a *audit) missing(s *server, w *wall, f family, x *access) {
	for _, c := range x.clients {
		serving := slices.DeleteFunc(slices.Clone(x.data), func(o inventory.Opening) bool { return !serves(o, c) })
		missing := closed(s.DataPorts.Value, serving)
		if len(missing) == 0 {
			continue
		}
		at, severity, but, to := x.control[0].At, finding.Error, "", f.String()
		if len(serving) > 0 {
			at = serving[0].At
		}
		switch {
		case c.group != "":
			to += " clients of " + c.group
		case c.network.IsValid():
			to += " clients in " + c.network.String()
		}
		switch {
		case w.Accepts:
			severity, but = finding.Warning, "; they pass only because it accepts what no rule names"
		case slices.ContainsFunc(a.Unread, func(u inventory.Unread) bool { return u.At.File == w.At.File }):
			severity, but = finding.Warning, ", unless a line opens them that was not read"
		}
		a.add(finding.FirewallDiffers, severity, at, figures{"closed_ports": count(missing)}, "open exactly "+s.DataPorts.Value.String(),
			"%s draws from %s, and %s leaves %s of it closed to %s: %s%s", s, s.DataPorts.Value, w, sizing.Plural(count(missing), "port"), to, listed(missing), but)
		return
	}
}

// listed names up to three ranges.
func listed(ranges []spec.PortRange) string {
	text := spec.Join(ranges[:min(len(ranges), 3)], ", ")
	if len(ranges) > 3 {
		text += ", …"
	}
	return text
}

// beyond reports ports that an opening of the range opens beside it, and that no
// other server has.
func (a *audit) beyond(s *server, w *wall, openings []inventory.Opening) {
	seen := map[inventory.At]bool{}
	for _, o := range openings {
		rest := []spec.PortRange{ports(o)}
		for _, each := range a.Servers {
			control := spec.PortRange{First: each.Port.Value, Last: each.Port.Value}
			rest = spec.Without(rest, control, each.DataPorts.Value)
		}
		if n := count(rest); n > 0 && !seen[o.At] {
			seen[o.At] = true
			a.add(finding.FirewallDiffers, finding.Warning, o.At, figures{"extra_ports": n}, "open exactly "+s.DataPorts.Value.String(),
				"%s opens %s for nothing beside the range %s of %s: %s", w, sizing.Plural(n, "port"), s.DataPorts.Value, s, listed(rest))
		}
	}
}

// unrelated reports that no firewall of those given opens anything of a server.
func (a *audit) unrelated(s *server) {
	for _, w := range a.walls {
		if w.Accepts || len(w.openFor(s)) > 0 {
			return
		}
	}
	if len(a.walls) > 0 {
		a.add(finding.FirewallDiffers, finding.Warning, s.At, nil, fmt.Sprintf("open port %d and %s", s.Port.Value, s.DataPorts.Value),
			"none of the firewalls given opens a port of %s", s)
	}
}

func (w *wall) openFor(s *server) (all []inventory.Opening) {
	for _, f := range []family{four, six} {
		for _, r := range []spec.PortRange{{First: s.Port.Value, Last: s.Port.Value}, s.DataPorts.Value} {
			if w.decides(f) && s.listens(f) {
				all = append(all, w.open(s, f, r)...)
			}
		}
	}
	return all
}

// published reports ranges of a container that have other numbers outside.
func (a *audit) published(w *wall) {
	if w.Format != "compose" {
		return
	}
	for _, o := range w.Openings {
		if o.Ports == o.Inside || o.Inside.Count() == 0 || o.Ports.Count() == 1 && o.Inside.Count() == 1 && !a.data(o.Inside) {
			continue
		}
		inside := fmt.Sprintf("%s:%s", o.Inside, o.Inside)
		why := "clients are told ports that are others outside"
		if o.Ports.Count() != o.Inside.Count() {
			why = fmt.Sprintf("%s outside and %s inside", sizing.Plural(o.Ports.Count(), "port"), sizing.Count(o.Inside.Count()))
		}
		a.add(finding.PublishedDiffers, finding.Error, o.At, figures{"ports": o.Ports.Count(), "container_ports": o.Inside.Count()},
			fmt.Sprintf("publish %q", inside), "%s publishes %s as %s: %s", w, o.Inside, o.Ports, why)
	}
}

// data reports whether a server draws from ports of r.
func (a *audit) data(r spec.PortRange) bool {
	return slices.ContainsFunc(a.Servers, func(s *inventory.Server) bool { return s.DataPorts.Value.Overlaps(r) })
}
