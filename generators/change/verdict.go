package change

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// verdict is the change in one line.
func (c *Change) verdict() string {
	if c.Empty() {
		return nothing
	}
	count := map[plan.Kind]int{}
	for _, s := range c.Sites {
		count[s.Kind]++
	}
	var kinds []string
	for _, kind := range []plan.Kind{plan.NewSite, plan.GoneSite, plan.MovedSite, plan.ResizedSite, plan.RenamedSite, changed} {
		if n := count[kind]; n > 0 {
			kinds = append(kinds, sizing.Count(n)+" "+string(kind))
		}
	}
	text := "No site changes."
	switch {
	case count[changed] == len(c.Sites) && len(c.Sites) > 0:
		text = agree(len(c.Sites), "site", "changes", "change") + "."
	case len(c.Sites) > 0:
		text = fmt.Sprintf("%s: %s.", agree(len(c.Sites), "site", "changes", "change"), strings.Join(kinds, ", "))
	}
	opens, shuts := func(f Firewall) []Passage { return f.Opens }, func(f Firewall) []Passage { return f.Shuts }
	ports := passed("Firewalls", told(c.Firewalls, opens), told(c.Firewalls, shuts)) +
		passed("Gateways", forwarded(c.Firewalls, opens), forwarded(c.Firewalls, shuts))
	if ports == "" {
		ports = " No port opens or shuts."
	}
	text += ports
	for _, warning := range c.warnings() {
		text += " " + warning
	}
	return text
}

// passed is what some firewalls open and shut.
func passed(firewalls, opens, shuts string) string {
	switch {
	case opens == "" && shuts == "":
		return ""
	case shuts == "":
		return " " + firewalls + " open " + opens + "."
	case opens == "":
		return " " + firewalls + " shut " + shuts + "."
	}
	return " " + firewalls + " open " + opens + ", and shut " + shuts + "."
}

// forwarded is how many ports the passages of gateways have.
func forwarded(all []Firewall, of func(Firewall) []Passage) string {
	ports := 0
	for _, f := range all {
		for _, p := range of(f) {
			if p.What == "forward" {
				ports += p.Count()
			}
		}
	}
	if ports == 0 {
		return ""
	}
	return "the forward of " + sizing.Plural(ports, "port")
}

// told is how many ports the passages for connections that come in have, and for whom.
func told(all []Firewall, of func(Firewall) []Passage) string {
	ports, open := 0, 0 // open: to all of a family
	var everybody, others []netip.Prefix
	for _, f := range all {
		bySite, openBySite := map[string][]spec.PortRange{}, map[string][]spec.PortRange{}
		for _, p := range of(f) {
			if p.What != "control" && p.What != "data" || p.GateOnly {
				continue
			}
			whole := slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Bits() == 0 })
			for _, r := range p.Ports {
				bySite[p.Site] = append(bySite[p.Site], r.PortRange)
				if whole {
					openBySite[p.Site] = append(openBySite[p.Site], r.PortRange)
				}
			}
			if whole {
				everybody = append(everybody, p.Networks...)
			} else {
				others = append(others, p.Networks...)
			}
		}
		ports += count(bySite)
		open += count(openBySite)
	}
	to := func(networks ...netip.Prefix) string { return clients(without(networks, nil), 3) }
	switch {
	case ports == 0:
		return ""
	case open == 0 || open == ports:
		return sizing.Plural(ports, "port") + " to " + to(append(everybody, others...)...)
	}
	return fmt.Sprintf("%s, %s of them to %s and the others to %s", sizing.Plural(ports, "port"), sizing.Count(open), to(everybody...), to(others...))
}

// count is how many ports the ranges of some sites have.
func count(bySite map[string][]spec.PortRange) (n int) {
	for _, ranges := range bySite {
		for _, r := range spec.Merged(ranges) {
			n += r.Count()
		}
	}
	return n
}

// clients names networks, or those that are missing from a whole family if these are
// fewer. All of a family are anyone. Of many the widest come first.
func clients(networks []netip.Prefix, most int) string {
	type named struct {
		text string
		bits int
	}
	var all []named
	var nearly []string // all of a family, but a few: the last, for else "except" would be of what follows
	for _, family := range []struct {
		name  string
		whole netip.Prefix
	}{{"IPv4", netip.PrefixFrom(netip.IPv4Unspecified(), 0)}, {"IPv6", netip.PrefixFrom(netip.IPv6Unspecified(), 0)}} {
		own := slices.DeleteFunc(slices.Clone(networks), func(n netip.Prefix) bool { return n.Addr().Is4() != family.whole.Addr().Is4() })
		rest := without([]netip.Prefix{family.whole}, own)
		if len(rest) >= len(own) {
			for _, n := range own {
				all = append(all, named{code(n.String()), n.Bits()})
			}
			continue
		}
		if anyone := "anyone on " + family.name; len(rest) > 0 {
			nearly = append(nearly, anyone+" except "+few(texts(rest), most))
		} else {
			all = append(all, named{text: anyone})
		}
	}
	if len(all) > most+1 { // listed leaves the last ones out
		slices.SortStableFunc(all, func(a, b named) int { return a.bits - b.bits })
	}
	var list []string
	for _, n := range all {
		list = append(list, n.text)
	}
	if slices.Equal(list, []string{"anyone on IPv4", "anyone on IPv6"}) {
		return "anyone"
	}
	if len(list) > 0 {
		nearly = slices.Insert(nearly, 0, listed(list, most))
	}
	return strings.Join(nearly, ", and ")
}

// warnings are what lets more in without a port that opens to clients.
func (c *Change) warnings() (all []string) {
	var gates, caps, prefixes, active, tls, elsewhere []string
	for _, s := range c.Sites {
		name := code(s.Name)
		if s.is != nil && !s.is.Gate && (s.was == nil || s.was.Gate || c.opens(s, func(p Passage) bool { return p.GateOnly })) {
			gates = append(gates, name)
		}
		if s.difference("sessions_per_address").Effect == loosens {
			caps = append(caps, name)
		}
		if s.was != nil && s.is != nil && s.difference("ipv6_client_prefix").Name != "" {
			prefixes = append(prefixes, name)
		}
		if s.difference("tls.required").Effect == loosens || s.difference("tls.session_reuse required").Effect == loosens || s.difference("tls.mode").Is == string(spec.TLSOff) && s.was != nil {
			tls = append(tls, name)
		}
		if c.opens(s, func(p Passage) bool { return p.What == "active" }) {
			active = append(active, name)
		}
	}
	for _, f := range c.Firewalls {
		if len(f.Differences) > 0 {
			elsewhere = append(elsewhere, code(f.Host))
		}
	}
	for _, w := range []struct {
		of           []string
		before, then string
	}{
		{gates, "The gate is off: a client without a control connection can reach the data ports of ", ""},
		{caps, "One client address may have more connections to ", " than before"},
		{prefixes, "Networks of another size count as one IPv6 client of ", ""},
		{tls, "TLS protects less at ", ""},
		{active, "In active mode more connections may go out from the servers of ", ""},
		{elsewhere, "The rules hold for another interface or in another chain on ", ""},
	} {
		if len(w.of) > 0 {
			all = append(all, w.before+listed(w.of, 3)+w.then+".")
		}
	}
	return all
}
