package change

import (
	"fmt"
	"net/netip"
	"slices"
	"unicode"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// visible reports whether a character shows, and where it stands: neither a control
// character nor one that turns or hides others.
func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) }

func (f Firewall) title() string {
	if f.Gateway != "" {
		return "Gateway " + code(f.Gateway)
	}
	return "Firewall of host " + code(f.Host)
}

// items are what the firewall opens, then what it shuts, then the rest.
func (f Firewall) items() (all []string) {
	for _, p := range f.Opens {
		all = append(all, "Opens "+p.words(true)+".")
	}
	limits := func(effect, begin string) {
		for _, l := range f.Limits {
			if l.Effect == effect {
				all = append(all, begin+l.words()+".")
			}
		}
	}
	limits(loosens, "Opens more to one client: ")
	for _, p := range f.Shuts {
		all = append(all, "Shuts "+p.words(false)+".")
	}
	limits(tightens, "Allows one client less: ")
	limits("", "Counts IPv6 clients otherwise: ")
	for _, d := range f.Differences {
		all = append(all, "The rules hold elsewhere: "+d.words()+".")
	}
	return all
}

func (l Limit) words() string {
	if l.Name == "ipv6_client_prefix" {
		return fmt.Sprintf("at site %s a /%d is one client, and a /%d was before: its addresses share one limit, and the gate lets all of them pass once one of them has a control connection", code(l.Site), l.Is, l.Was)
	}
	is, _ := l.Is.(int)
	return fmt.Sprintf("%s to the control port of site %s, and %s before", sizing.Plural(is, "connection"), code(l.Site), value(l.Name, l.Was, l.Is))
}

// words say who may connect to what.
func (p Passage) words(opens bool) string {
	var ranges []string
	for _, r := range p.Ports {
		ranges = append(ranges, r.String())
	}
	ports, at := few(ranges, 8), few(texts(p.Addresses), 8)
	noun := "port"
	if p.Count() > 1 {
		noun = "ports"
	}
	from := clients(p.Networks, 8)
	switch {
	case p.What == "forward":
		to := code(p.To.Addr().String())
		if p.To.Port() != p.Ports[0].First {
			to += fmt.Sprintf(", port %s", code(fmt.Sprint(p.To.Port())))
		}
		return fmt.Sprintf("the forward of %s %s of %s to %s, for site %s", noun, ports, at, to, code(p.Site))
	case p.What == "active":
		return fmt.Sprintf("the way out, in active mode, for the server of site %s: from %s %s of %s to ports %s of %s, on a host that drops other outgoing connections",
			code(p.Site), noun, ports, at, code(plan.ActiveTo.String()), from)
	}
	text := fmt.Sprintf("%s %s %s, the control port of site %s, to %s", noun, ports, "of "+at, code(p.Site), from)
	if p.What == "data" {
		text = fmt.Sprintf("%s (%s %s of %s, for site %s) to %s", sizing.Plural(p.Count(), "data port"), noun, ports, at, code(p.Site), from)
	}
	switch {
	case p.What == "control":
	case p.GateOnly && opens:
		text += ", also without a control connection: the gate is off"
	case p.GateOnly:
		text += " for clients without a control connection: the gate is on"
	case p.Gated:
		text += ", for clients that have a control connection"
	default:
		text += ", also without a control connection: there is no gate"
	}
	return text
}

// checks are what a reviewer looks at, and what pasvctl does not do.
func (c *Change) checks() (all []string) {
	var elsewhere, restart, drain, tell []string
	var moves []plan.Move
	for _, s := range c.Sites {
		moves = append(moves, s.move())
		name := code(s.Name)
		if s.Kind != changed && s.Kind != plan.RenamedSite || c.opens(s, func(p Passage) bool { return !p.GateOnly }) {
			elsewhere = append(elsewhere, name)
		}
		if s.was == nil || s.is == nil {
			continue
		}
		if s.difference("host").Name+s.difference("port").Name+s.difference("addresses").Name+s.difference("announce").Name+s.difference("announce_to").Name != "" {
			tell = append(tell, name)
		}
		restart = append(restart, name)
		if s.was.Host.Name == s.is.Host.Name && (s.Kind == plan.MovedSite || s.Kind == plan.ResizedSite && s.is.DataPorts.Count() < s.was.DataPorts.Count()) {
			drain = append(drain, name)
		}
	}
	const most = 8
	if slices.ContainsFunc(c.Firewalls, func(f Firewall) bool { return len(f.Opens) > 0 }) {
		all = append(all, "Are the clients that each line with Opens names meant to connect?")
	}
	if slices.ContainsFunc(c.Sites, func(s Site) bool {
		return slices.ContainsFunc(s.Differences, func(d Difference) bool { return d.Effect == loosens })
	}) {
		all = append(all, "Is each value that loosens a limit or a protection meant to?")
	}
	if len(elsewhere) > 0 {
		all = append(all, "Firewalls, NAT devices and cloud rules that pasvctl does not write must follow these lists, and so must clients whose own firewalls name the data ports of "+listed(elsewhere, most)+".")
	}
	if len(tell) > 0 {
		all = append(all, "Clients must be told: the address or port by which they reach "+listed(tell, most)+" has changed.")
	}
	if len(drain) > 0 {
		all = append(all, "Transfers that run on the older ports of "+listed(drain, most)+" break, unless the rules are loaded with `pasvctl apply --drain 1h`, which keeps these ports open while they have sessions.")
	}
	if len(restart) > 0 {
		all = append(all, "Restart the servers of "+listed(restart, most)+" if their configs have changed.")
	}
	all = append(all, c.handovers(most)...)
	if slices.ContainsFunc(c.Firewalls, func(f Firewall) bool {
		return slices.ContainsFunc(f.Shuts, func(p Passage) bool { return p.What != "forward" && p.What != "active" && !p.GateOnly })
	}) {
		all = append(all, "A port that no site has any more is left to the host's other rules: a host that does not drop by default lets it in.")
	}
	for _, m := range plan.LikelyRenames(moves) {
		all = append(all, fmt.Sprintf("If %s is %s under another name, a block `moved` in the spec, with %s and %s, keeps its ports.",
			code(m.Site), code(m.Was), code("from = "+spec.SiteReference(m.Was)), code("to = "+spec.SiteReference(m.Site))))
	}
	return all
}

// handovers are ports that go from one site to another on the same address.
func (c *Change) handovers(most int) (all []string) {
	for _, to := range c.Sites {
		for _, from := range c.Sites {
			if to.is == nil || from.was == nil || to.was == from.was || !to.is.DataPorts.Overlaps(from.was.DataPorts) ||
				!slices.ContainsFunc(from.was.Addresses, func(a netip.Addr) bool { return slices.Contains(to.is.Addresses, a) }) {
				continue
			}
			if len(all) == most {
				return append(all, "More ports go from one site to another.")
			}
			was, is := from.was.DataPorts, to.is.DataPorts
			both := spec.PortRange{First: max(was.First, is.First), Last: min(was.Last, is.Last)}
			all = append(all, fmt.Sprintf("Ports %s of %s go to %s: end the sessions of the one before the other starts.", code(both.String()), code(from.was.Name), code(to.Name)))
		}
	}
	return all
}
