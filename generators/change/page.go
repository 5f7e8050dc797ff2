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

// Page is a change in words. In its texts, what comes from a spec is between
// backticks, and has none itself: see Plain.
type Page struct {
	Verdict  string
	Head     []string   // of a table of the sites
	Rows     [][]string // none if no site differs
	Sections []Section
	Words    string // what the terms mean, for a reader who does not know them
}

// Section is a heading and its items.
type Section struct {
	Title string
	Items []string
}

// Plain drops the backticks of a text.
func Plain(text string) string { return strings.ReplaceAll(text, "`", "") }

const (
	nothing = "No port, firewall or limit changes. Settings of targets are not compared."
	words   = "A site is an FTP service. A client opens a control connection to its port, and for each transfer a data connection to one of its data ports. " +
		"With the gate, the firewall lets a client reach the data ports only while it has a control connection. " +
		"Opens and shuts are exact for hosts and gateways: new connections that their rules let through now and did not before, and the reverse. " +
		"The rules that pasvctl writes for clouds have no gate and no limits; settings of targets, such as other sources of clients, are not compared."
)

// Page puts the change in words.
func (c *Change) Page() Page {
	p := Page{Verdict: c.verdict(), Head: []string{"Site", "Change", "Data ports were", "Data ports are"}}
	if c.Empty() {
		return p
	}
	p.Words = words
	var items []string
	for _, s := range c.Sites {
		p.Rows = append(p.Rows, s.row())
		items = append(items, s.item())
	}
	p.add("What changes in each site", items)
	for _, f := range c.Firewalls {
		p.add(f.title(), f.items())
	}
	p.add("What to check", c.checks())
	return p
}

func (p *Page) add(title string, items []string) {
	if len(items) > 0 {
		p.Sections = append(p.Sections, Section{title, items})
	}
}

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

// row is the site's line in the table.
func (s Site) row() []string {
	name := code(s.Name)
	if s.WasName != "" {
		name += " (was " + code(s.WasName) + ")"
	}
	ports := func(s *plan.Site) string {
		if s == nil {
			return "none"
		}
		return fmt.Sprintf("%s (%s)", code(s.DataPorts.String()), sizing.Count(s.DataPorts.Count()))
	}
	return []string{name, string(s.Kind), ports(s.was), ports(s.is)}
}

// item says why the site's ports are other ones, and which values are.
func (s Site) item() string {
	text := code(s.Name)
	switch s.Kind {
	case plan.NewSite:
		text += " is new."
	case plan.GoneSite:
		text += " is gone."
	case plan.MovedSite:
		text += " has other ports."
	case plan.ResizedSite:
		text += " has another number of ports."
	case plan.RenamedSite:
		text += " keeps its ports."
	default:
		text += " has changed."
	}
	if s.WasName != "" {
		text += " A moved block renames it from " + code(s.WasName) + "."
	}
	if s.Why != "" {
		text += " " + named.Replace(foreign(s.Why))
	}
	var all []string
	for _, d := range s.Differences {
		switch {
		case d.Name == "data_ports" || d.Name == "bound" || d.Name == "ports_needed" && strings.Contains(s.Why, "It needs") || s.is == nil && d.Name != "host": // said already
		case s.was == nil:
			all = append(all, d.said(value(d.Name, d.Is, nil)))
		case s.is == nil:
			all = append(all, d.said(value(d.Name, d.Was, nil)))
		default:
			all = append(all, d.words())
		}
	}
	if len(all) > 0 {
		if s.Why != "" {
			text += " Values:"
		} else {
			text = strings.TrimSuffix(text, ".") + ":"
		}
		text += " " + strings.Join(all, "; ") + "."
	}
	return text
}

// words are the value before and after.
func (d Difference) words() string {
	was, list := d.Was.([]string)
	is, too := d.Is.([]string)
	var text string
	switch {
	case list && too:
		var parts []string
		if added := slices.DeleteFunc(slices.Clone(is), func(v string) bool { return slices.Contains(was, v) }); len(added) > 0 {
			parts = append(parts, "adds "+few(added, 8))
		}
		if gone := slices.DeleteFunc(slices.Clone(was), func(v string) bool { return slices.Contains(is, v) }); len(gone) > 0 {
			parts = append(parts, "drops "+few(gone, 8))
		}
		if len(parts) == 0 {
			parts = []string{"has another order"}
		}
		text = strings.Join(parts, " and ")
	default:
		text = value(d.Name, d.Was, d.Is) + " → " + value(d.Name, d.Is, d.Was)
	}
	text = d.said(text)
	if d.Effect != "" {
		text += " (" + d.Effect + ")"
	}
	return text
}

// said names the value, in words if the spec has no name for it.
func (d Difference) said(text string) string {
	switch d.Name {
	case "ports_needed":
		return "needs " + text + " ports"
	case "refused":
		return "refuses " + text + " of the data connections at its peak"
	}
	return code(d.Name) + " " + text
}

// value writes one side; other is the other one, whose type it has if it is not set.
func value(name string, v, other any) string {
	switch v := v.(type) {
	case nil:
		if _, is := other.(bool); is {
			return "off"
		}
		return "none"
	case bool:
		return "on"
	case int:
		if name == "port" {
			return code(fmt.Sprint(v))
		}
		return sizing.Count(v)
	case float64:
		return sizing.Share(v)
	case []string:
		return few(v, 8)
	}
	return code(fmt.Sprint(v))
}

// few lists texts of the spec's, the first of them if there are many.
func few(all []string, most int) string {
	var list []string
	for _, text := range all {
		list = append(list, code(text))
	}
	return listed(list, most)
}

// listed joins texts with commas and a last "and".
func listed(all []string, most int) string {
	if len(all) > most+1 {
		all = append(slices.Clone(all[:most]), sizing.Count(len(all)-most)+" more")
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// agree writes a count with its noun and the verb that agrees with it.
func agree(n int, noun, one, many string) string {
	if n == 1 {
		many = one
	}
	return sizing.Plural(n, noun) + " " + many
}

// code is a text of the spec's, between backticks. Control characters, and those
// that would end the code or a table's cell, are replaced; what nobody reads to the
// end is cut.
func code(text string) string {
	text = ended.Replace(printable(text, 200))
	if strings.TrimSpace(text) == "" {
		text = "-"
	}
	return "`" + text + "`"
}

// ended would end code, or a cell.
var ended = strings.NewReplacer("`", "'", "|", "¦")

// named makes names in our own prose code.
var named = strings.NewReplacer("data_ports", "`data_ports`", plan.LockFile, "`"+plan.LockFile+"`")

// foreign is prose that may quote the spec.
func foreign(text string) string { return strings.ReplaceAll(printable(text, 2000), "`", "'") }

// printable replaces what is not to be seen, and cuts a text to a number of characters.
func printable(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	if len(runes) > most {
		runes = append(runes[:most:most], '…')
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !visible(r):
			return '\uFFFD'
		}
		return r
	}, string(runes))
}
