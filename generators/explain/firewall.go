package explain

import (
	"fmt"
	"net/netip"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// networksNamed is how many of a site's networks its firewall policy names; the
// rest are counted.
const networksNamed = 6

// Firewall says a site's firewall policy in sentences, for who reads no rules.
func Firewall(p plan.Policy) []string {
	var reached, alone []netip.Addr // alone: no client has an address of their family
	for _, family := range []struct {
		addresses []netip.Addr
		clients   []netip.Prefix
	}{{p.Addresses4, p.Clients4}, {p.Addresses6, p.Clients6}} {
		if len(family.clients) > 0 {
			reached = append(reached, family.addresses...)
		} else {
			alone = append(alone, family.addresses...)
		}
	}
	var text []string
	if len(alone) > 0 {
		text = append(text, fmt.Sprintf("Nobody may connect to the site on %s: no client has an address of its family.", addresses(alone)))
	}
	if len(reached) == 0 {
		return text
	}
	text = append([]string{fmt.Sprintf("%s may open TCP port %d of %s, at most %s at once from one %s.",
		Clients(p), p.Control, addresses(reached), sizing.Plural(p.MaxPerClient, "connection"), client(p))}, text...)
	data := ports(p.Data)
	for _, older := range p.Draining {
		data += " and, until their sessions have ended, " + ports(older)
	}
	if p.Gate {
		text = append(text, fmt.Sprintf("Only a client that has a control connection, or had one in the last %s, may open TCP %s.",
			sizing.Plural(int(p.GateTimeout.Minutes()), "minute"), data))
	} else {
		text = append(text, fmt.Sprintf("The same clients may open TCP %s, also without a control connection.", data))
	}
	if p.Active.Count() > 0 {
		text = append(text, fmt.Sprintf("The server may connect from TCP %s to %s of the same clients (active mode).", ports(p.Active), ports(plan.ActiveTo)))
	}
	return append(text, "Nobody else reaches these ports. All other ports are left to the host's own rules.")
}

// Forwarded says what a gateway forwards to a site; "" if that is nothing.
func Forwarded(g *plan.Gateway, s *plan.Site) string {
	var all []string
	for _, f := range g.Forwards {
		if f.Site != s {
			continue
		}
		to := f.To.String()
		if f.Ports != f.ToPorts {
			to += ", " + ports(f.ToPorts)
		}
		all = append(all, fmt.Sprintf("TCP %s to %s", ports(f.Ports), to))
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("The gateway %s, %s, forwards %s.", g.Name, g.Address, spec.List(all, "and"))
}

// Clients names the networks of a policy: "Anyone", "Anyone on IPv4",
// "192.0.2.0/24 and 2 more networks"; "" if there are none.
func Clients(p plan.Policy) string {
	var names []string
	everyone := func(networks []netip.Prefix) bool { return len(networks) == 1 && networks[0].Bits() == 0 }
	four, six := everyone(p.Clients4), everyone(p.Clients6)
	switch {
	case four && six, four && len(p.Addresses6) == 0, six && len(p.Addresses4) == 0:
		return "Anyone"
	case four:
		names = append(names, "Anyone on IPv4")
	default:
		for _, n := range p.Clients4 {
			names = append(names, n.String())
		}
	}
	switch {
	case six && len(names) == 0:
		names = append(names, "Anyone on IPv6")
	case six:
		names = append(names, "anyone on IPv6")
	default:
		for _, n := range p.Clients6 {
			names = append(names, n.String())
		}
	}
	if more := len(names) - networksNamed; more > 1 {
		names = append(names[:networksNamed], sizing.Plural(more, "more network"))
	}
	return spec.List(names, "and")
}

// addresses lists them.
func addresses(of []netip.Addr) string {
	var all []string
	for _, a := range of {
		all = append(all, a.String())
	}
	return spec.List(all, "and")
}

// client is what counts as one client.
func client(p plan.Policy) string {
	prefix := fmt.Sprintf("IPv6 /%d", p.ClientPrefix6)
	if p.ClientPrefix6 == 128 {
		prefix = "IPv6 address"
	}
	switch {
	case len(p.Clients6) == 0:
		return "address"
	case len(p.Clients4) == 0:
		return prefix
	}
	return "IPv4 address or " + prefix
}

// ports writes a range for a sentence: "port 20", "ports 61000-61009".
func ports(r spec.PortRange) string {
	if r.Count() == 1 {
		return "port " + r.String()
	}
	return "ports " + r.String()
}
