package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// firewalls looks at everybody's rules: who else writes some, what is left
// of ours, and what all of them together do to the sites' connections.
func (e *exam) firewalls() {
	live, err := e.Rules()
	if err != nil {
		e.unknown("the firewall's rules", err)
		return
	}
	beside := Beside{live, e.host, e.Next.Rules.Backend, e.Spec}
	misplaced := beside.Misplaced()
	e.find(misplaced...)
	intact, elsewhere := e.ours()
	if len(misplaced) == 0 {
		e.drops(beside, intact)
	}
	if elsewhere != "" && !slices.ContainsFunc(e.findings, func(f finding.Finding) bool { return f.Rule == finding.RulesElsewhere }) {
		e.find(beside.elsewhere(elsewhere))
	}
	e.managers(live)
}

// managers notes the programs that write rules here, unless a finding names
// them already.
func (e *exam) managers(live shadow.Rules) {
	for _, m := range managers {
		mark := m.in(live)
		if mark == "" || slices.ContainsFunc(e.findings, func(f finding.Finding) bool {
			return f.Severity != finding.Note && strings.Contains(f.Detail+f.Remedy, m.name)
		}) {
			continue
		}
		f := finding.Finding{Severity: finding.Note, Rule: finding.FirewallManager, Detail: m.name + " writes rules on this host: " + m.beside, Evidence: "the ruleset has " + mark}
		if m.target != "" {
			f.Remedy = inSpec(m.target)
		}
		e.find(f)
	}
}

// drops reports the rules of others that drop what our policy allows: an
// accept in our own base chain does not override them.
func (e *exam) drops(beside Beside, intact bool) {
	applied := ""
	if intact {
		applied = e.jumpedFrom()
	}
	r, err := e.Trial(beside.Live, applied)
	if known, ok := errors.AsType[*kernel.NoChainError](err); ok {
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.RulesRefused, Detail: "apply would refuse the rules: " + known.Error(),
			Evidence: "the rendered rules, loaded with a copy of the live ruleset", Remedy: known.Remedy(),
		})
		return
	}
	if err != nil {
		e.unknown("whether another chain drops the sites' connections", err)
		return
	}
	e.find(beside.Drops(r)...)
	for _, cause := range causes(r.Open) {
		b := cause[0]
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.PolicyBypassed, Site: siteOf(cause),
			Detail:   fmt.Sprintf("clients that the policy refuses reach %s: pasvctl's rules come after %s", portsOf(cause), cmp.Or(b.Rule, "another rule that accepts")),
			Evidence: fmt.Sprintf("a packet from %s to %s, sent through a copy of the live ruleset", b.From, b.To),
			Remedy:   beside.jumpFirst(b.Base),
		})
	}
	if len(r.Untried) > 0 {
		e.find(finding.Finding{
			Severity: finding.Warning, Rule: finding.TrialIncomplete, Detail: "the time ran out before every connection was tried",
			Evidence: "not tried: " + some(r.Untried, 5),
		})
	}
}

// jumpedFrom is the base chain that our rules are jumped to from; "" if they
// have one of their own, which no other program's accept comes before.
func (e *exam) jumpedFrom() string {
	if e.Next.Rules.Backend == "iptables" {
		return "ip filter INPUT"
	}
	if c := e.host.Firewall; c != nil {
		return chainName(c)
	}
	return ""
}

func chainName(c *spec.Chain) string { return c.Family + " " + c.Table + " " + c.Chain }

// causes groups what one rule does.
func causes(all []shadow.Blocked) [][]shadow.Blocked {
	type cause struct {
		rule            string
		aimed, untaught bool
	}
	return spec.Grouped(all, func(b shadow.Blocked) cause {
		rule := b.Rule
		if rest, v6 := strings.CutPrefix(rule, "ip6 "); v6 { // the other half of one firewall
			rule = "ip " + rest
		}
		return cause{rule, b.Aimed, b.Untaught}
	})
}

// Beside are our rules for a host and the live ones around them.
type Beside struct {
	Live    shadow.Rules
	Host    *plan.Host
	Backend string
	Spec    string // its path and flags, for commands
}

// Drops turns what a trial has found into findings, one for each cause.
func (s Beside) Drops(r shadow.Report) (found []finding.Finding) {
	var theirs, elsewhere []shadow.Blocked
	for _, b := range r.Blocked {
		if by := shadow.Ours(b.Rule); by != "" && by != s.Backend {
			elsewhere = append(elsewhere, b)
		} else {
			theirs = append(theirs, b)
		}
	}
	if len(elsewhere) > 0 {
		f := s.elsewhere(shadow.Ours(elsewhere[0].Rule))
		f.Site, f.Detail = siteOf(elsewhere), fmt.Sprintf("%s, and they drop %s from %s", f.Detail, portsOf(elsewhere), clientsOf(elsewhere))
		found = append(found, f)
	}
	for _, cause := range causes(theirs) {
		b := cause[0]
		f := finding.Finding{
			Severity: finding.Error, Rule: finding.ClientsDropped, Site: siteOf(cause),
			Evidence: fmt.Sprintf("a packet from %s to %s, sent through a copy of the live ruleset with the rendered rules", b.From, b.To),
			Remedy:   s.remedy(cause),
		}
		what := portsOf(cause)
		rule := cmp.Or(b.Rule, "a rule that no trace shows")
		switch {
		case b.Untaught:
			f.Rule = finding.GateUntaught
			f.Detail = fmt.Sprintf("the gate never learns of control connections and refuses %s: their packets are accepted, or not tracked, before they reach pasvctl's rules", what)
		case b.Rewrote && docker(b.Rule):
			f.Detail = fmt.Sprintf("Docker publishes %s: %s. Such packets are forwarded to a container and bypass this host's rules, including pasvctl's", what, rule)
		case b.Rewrote:
			f.Detail = fmt.Sprintf("%s, which the policy allows, is sent elsewhere by %s", what, rule)
		case b.Aimed:
			f.Severity, f.Remedy = finding.Note, ""
			f.Detail = fmt.Sprintf("%s drops clients in %s, probably on purpose: %s", rule, clientsOf(cause), what)
		default:
			f.Detail = fmt.Sprintf("%s from %s, which the policy allows, is dropped by %s", what, clientsOf(cause), rule)
		}
		found = append(found, f)
	}
	return found
}

// elsewhere reports rules of ours in the backend that apply does not use here.
func (s Beside) elsewhere(backend string) finding.Finding {
	return finding.Finding{
		Severity: finding.Error, Rule: finding.RulesElsewhere, Detail: fmt.Sprintf("%s has rules under pasvctl's names too, which apply has not loaded: both see each packet", backend),
		Evidence: "the live rules of " + backend, Remedy: "pasvctl apply --remove && pasvctl apply " + s.Spec,
	}
}

// siteOf is the site that all are about, or "".
func siteOf(cause []shadow.Blocked) string {
	if len(spec.Grouped(cause, siteName)) > 1 {
		return ""
	}
	return siteName(cause[0])
}

func siteName(b shadow.Blocked) string { return b.Site.Name }

// portsOf names the ports of a cause, and the sites if there are several:
// "port 21, 61011-61092 of sites "a", "b"".
func portsOf(cause []shadow.Blocked) string {
	ports := func(site []shadow.Blocked) string {
		var all []spec.PortRange
		for _, b := range site {
			all = append(all, b.Ports...)
		}
		return "port " + rangesText(all)
	}
	sites := spec.Grouped(cause, siteName)
	var all []string
	for _, same := range spec.Grouped(sites, ports) {
		var on []string
		for _, site := range same {
			on = append(on, fmt.Sprintf("%q", siteName(site[0])))
		}
		text := ports(same[0])
		switch {
		case len(sites) == 1: // the finding names it
		case len(on) == 1:
			text += " of site " + on[0]
		default:
			text += " of sites " + some(on, 5)
		}
		all = append(all, text)
	}
	return some(all, 5)
}

func rangesText(all []spec.PortRange) string {
	var text []string
	for _, r := range spec.Merged(all) {
		text = append(text, r.String())
	}
	return some(text, 8)
}

func clientsOf(cause []shadow.Blocked) string {
	var all []string
	for _, b := range cause {
		if !slices.Contains(all, b.Clients) {
			all = append(all, b.Clients)
		}
	}
	return some(all, 5)
}

// some joins the first n of a list and counts the rest.
func some(all []string, n int) string {
	if len(all) <= n {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:n], ", "), len(all)-n)
}
