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

// family is IPv4 or IPv6.
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
		rest = without(rest, ports(o))
	}
	return rest
}

// compare compares the server's ports with what a firewall opens of them.
func (a *audit) compare(s *server, w *wall) {
	control := spec.PortRange{First: s.Port.Value, Last: s.Port.Value}
	data := s.DataPorts.Value
	logins, transfers := map[family]bool{}, map[family][]inventory.Opening{}
	met := false
	for _, f := range []family{four, six} {
		if !w.decides(f) || !s.listens(f) {
			continue
		}
		logins[f], transfers[f] = len(w.open(s, f, control)) > 0, w.open(s, f, data)
		met = met || logins[f] || len(transfers[f]) > 0
	}
	if !met {
		return // it is for others
	}
	for _, f := range []family{four, six} {
		_, judged := logins[f]
		other := four + six - f
		missing := closed(data, transfers[f])
		switch {
		case !judged || s.Open():
		case !logins[f] && len(transfers[f]) == 0:
			a.add(finding.FamilyForgotten, s.usual(), w.At, figures{}, "open both to "+f.String()+", or have the server listen on "+other.String()+" only",
				"%s opens nothing of %s to %s, and the server listens there, too", w, s, f)
		case !logins[f] && !w.Accepts:
			a.add(finding.FirewallDiffers, finding.Error, transfers[f][0].At, figures{}, fmt.Sprintf("open port %d, too", s.Port.Value),
				"%s opens data ports of %s to %s, and not its control port", w, s, f)
		case len(transfers[f]) == 0 && !w.Accepts && len(transfers[other]) > 0:
			a.add(finding.FamilyForgotten, finding.Error, w.open(s, f, control)[0].At, figures{"closed_ports": data.Count()}, "open "+data.String()+" to "+f.String()+", too",
				"%s opens the control port of %s to both families, and the range %s to %s only", w, s, data, other)
		case w.Format == "balancer" && data.Count() >= maxListeners: // which balanced says
		case len(missing) > 0 && (!w.Accepts || len(transfers[f]) > 0):
			a.missing(s, w, f, missing, transfers[f])
		}
	}
	a.beyond(s, w, slices.Concat(transfers[four], transfers[six]))
}

// missing reports ports of the range that are closed.
func (a *audit) missing(s *server, w *wall, f family, missing []spec.PortRange, opened []inventory.Opening) {
	at, severity, but := w.At, finding.Error, ""
	if len(opened) > 0 {
		at = opened[0].At
	}
	switch {
	case w.Accepts:
		severity, but = finding.Warning, "; they pass only because it accepts what no rule names"
	case slices.ContainsFunc(a.Unread, func(u inventory.Unread) bool { return u.At.File == w.At.File }):
		severity, but = finding.Warning, ", unless a line opens them that was not read"
	}
	a.add(finding.FirewallDiffers, severity, at, figures{"closed_ports": count(missing)}, "open exactly "+s.DataPorts.Value.String(),
		"%s draws from %s, and %s leaves %s of it closed to %s: %s%s", s, s.DataPorts.Value, w, sizing.Plural(count(missing), "port"), f, listed(missing), but)
}

// listed names up to three ranges.
func listed(ranges []spec.PortRange) string {
	var names []string
	for i, r := range ranges {
		if i == 3 {
			names = append(names, "…")
			break
		}
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// beyond reports ports that an opening of the range opens beside it, and that no
// other server has.
func (a *audit) beyond(s *server, w *wall, openings []inventory.Opening) {
	seen := map[inventory.At]bool{}
	for _, o := range openings {
		rest := []spec.PortRange{ports(o)}
		for _, each := range a.Servers {
			if each.Port.Value > 0 {
				rest = without(rest, spec.PortRange{First: each.Port.Value, Last: each.Port.Value})
			}
			rest = without(rest, each.DataPorts.Value)
		}
		everything := ports(o) == spec.PortRange{First: 1, Last: 65535}
		if n := count(rest); n > 0 && !seen[o.At] && !(everything && (len(o.Sources) > 0 || len(o.Others) > 0)) && !s.Open() {
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
		a.add(finding.FirewallDiffers, finding.Warning, s.At, figures{}, fmt.Sprintf("open port %d and %s", s.Port.Value, s.DataPorts.Value),
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
