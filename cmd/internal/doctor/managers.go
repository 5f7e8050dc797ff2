package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// manager is a program that writes firewall rules of its own.
type manager struct {
	name   string
	marks  []string // what it leaves in the ruleset
	beside string   // what holds for our rules beside it
	target string   // writes the sites' rules for it; "" if none does
}

// managers: what each does to ours was measured with the real programs.
var managers = []manager{
	{"firewalld", []string{"table inet firewalld", "INPUT_ZONES"}, "a table of pasvctl's own survives its reloads; a policy ANY to HOST lets the sites' ports in", "firewalld"},
	{"ufw", []string{"ufw-before-input"}, "--backend iptables and a table of pasvctl's own survive its reloads", "ufw"},
	{"Docker", []string{"chain DOCKER", ":DOCKER "}, "packets to ports that it publishes are forwarded and pass by the rules for this host", ""},
}

// in finds what the program has left among the live rules.
func (m manager) in(live shadow.Rules) string {
	text := live.Text()
	for _, mark := range m.marks {
		if strings.Contains(text, mark) {
			return strings.Trim(mark, ": ")
		}
	}
	return ""
}

// inSpec is what makes a target's files, which state the rules for good.
func inSpec(target string) string {
	return fmt.Sprintf("write target %[1]q {} in the spec, run pasvctl generate, and load HOST/%[1]s as its file says", target)
}

// docker reports whether a rule is in a chain or table of Docker's.
func docker(rule string) bool {
	chain, _, _ := strings.Cut(rule, ":")
	return strings.Contains(strings.ToLower(chain), "docker")
}

// Misplaced reports a place for our rules that its owner wipes, or that breaks
// its owner's tools.
func (s Beside) Misplaced() []finding.Finding {
	h, live := s.Host, s.Live
	f := finding.Finding{Severity: finding.Error, Rule: finding.RulesMisplaced}
	if s.Backend == kernel.IPTables {
		if !strings.Contains(live.Text(), "INPUT_ZONES") {
			return nil
		}
		f.Evidence = "iptables-save lists the chain INPUT_ZONES"
		f.Detail = "firewalld writes its rules with iptables here, and each reload of it deletes all chains, pasvctl's too"
		f.Remedy = "pasvctl apply " + s.Spec + " --backend nft, and let the ports in: " + firewalldPolicy(h)
		return []finding.Finding{f}
	}
	if h.Firewall == nil {
		return nil
	}
	c := chainName(h.Firewall)
	table := h.Firewall.Family + " " + h.Firewall.Table
	f.Evidence = fmt.Sprintf("firewall { into = %q } in the spec", c)
	switch {
	case strings.HasPrefix(table, "inet firewalld"):
		f.Detail = fmt.Sprintf("the host's rules go into %q, a chain of firewalld: each reload of firewalld deletes them, and its chains accept established packets before the gate can learn from them", c)
		f.Remedy = "delete firewall { into } from the host, and let the ports in: " + firewalldPolicy(h)
	case live.Managed(table) || kernel.Managed(c):
		f.Detail = fmt.Sprintf("the host's rules go into %q, a chain of iptables: with nftables rules in its table iptables-save prints nothing and ends with 0, and the owner's saved rules are empty", c)
		f.Remedy = "delete firewall { into } from the host, then run pasvctl apply --remove && pasvctl apply " + s.Spec + " --backend iptables"
	default:
		return nil
	}
	return []finding.Finding{f}
}

// firewalldPolicy lets the sites' clients through to our table, and survives
// every reload: a policy, because a zone's services and ports know no clients.
func firewalldPolicy(h *plan.Host) string {
	const policy = "firewall-cmd --permanent --policy pasvctl "
	commands := []string{
		"firewall-cmd --permanent --new-policy pasvctl",
		policy + "--add-ingress-zone ANY", policy + "--add-egress-zone HOST", policy + "--set-priority -100",
	}
	for _, o := range openings(h) {
		source := o.from(" source address=")
		family := map[bool]string{true: "ipv4", false: "ipv6"}[o.address.Is4()]
		for _, ports := range o.ports {
			commands = append(commands, fmt.Sprintf("%s--add-rich-rule 'rule family=%s%s destination address=%s port port=%s protocol=tcp accept'", policy, family, source, o.address, ports))
		}
	}
	return strings.Join(append(commands, "firewall-cmd --reload"), " && ") + "  # or " + inSpec("firewalld")
}

func ufwAllow(h *plan.Host) string {
	var commands []string
	for _, o := range openings(h) {
		from := cmp.Or(o.from(""), "any")
		for _, ports := range o.ports {
			commands = append(commands, fmt.Sprintf("ufw allow proto tcp from %s to %s port %s", from, o.address, strings.ReplaceAll(ports.String(), "-", ":")))
		}
	}
	return strings.Join(commands, " && ")
}

// opening is what another firewall must let through for one site.
type opening struct {
	address netip.Addr
	client  netip.Prefix
	ports   []spec.PortRange
}

// from are the clients after a keyword; nothing if they are all.
func (o opening) from(keyword string) string {
	if o.client.Bits() == 0 {
		return ""
	}
	return keyword + o.client.String()
}

func openings(h *plan.Host) (all []opening) {
	for _, s := range h.Sites {
		ports := []spec.PortRange{{First: s.Port, Last: s.Port}, s.DataPorts}
		for _, a := range slices.Concat(s.Policy.Addresses4, s.Policy.Addresses6) {
			for _, c := range slices.Concat(s.Policy.Clients4, s.Policy.Clients6) {
				if c.Addr().Is4() == a.Is4() {
					all = append(all, opening{a, c, ports})
				}
			}
		}
	}
	return all
}
