package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
)

// managers are programs that write firewall rules of their own, by what they
// leave in the ruleset. Rules beside theirs hold only until they say otherwise.
var managers = []struct {
	name, mark string
	remedy     func(*plan.Host) string
}{
	{"firewalld", "firewalld", func(h *plan.Host) string {
		return portCommands(h, "firewall-cmd --permanent --add-port=%s/tcp", "-") + " && firewall-cmd --reload"
	}},
	{"ufw", "ufw-before-input", func(h *plan.Host) string {
		return portCommands(h, "ufw allow proto tcp to any port %s", ":")
	}},
	{"docker", "DOCKER", func(*plan.Host) string { return "" }}, // its rules are for forwarded packets
}

// portCommands is a command for each control port and range of the host.
func portCommands(h *plan.Host, command, dash string) string {
	var all []string
	for _, s := range h.Sites {
		for _, ports := range []string{fmt.Sprint(s.Port), s.DataPorts.String()} {
			all = append(all, fmt.Sprintf(command, strings.ReplaceAll(ports, "-", dash)))
		}
	}
	return strings.Join(all, " && ")
}

// firewalls looks for others who write rules here.
func (e *exam) firewalls(ctx context.Context) {
	rules, err := e.ruleset(ctx)
	if err != nil {
		e.unknown("firewall", "the firewall's rules", err)
		return
	}
	for _, m := range managers {
		if !strings.Contains(rules, m.mark) {
			continue
		}
		e.find(Finding{
			Severity: Note, Check: "firewall",
			What:     m.name + " writes rules on this host",
			Evidence: "the ruleset has " + m.mark,
			Remedy:   m.remedy(e.host),
		})
	}
}

// ruleset is the live ruleset in text, of nftables and of both iptables.
func (e *exam) ruleset(ctx context.Context) (string, error) {
	var all strings.Builder
	for _, program := range [][]string{
		{"nft", "-s", "list", "ruleset"},
		{"iptables-legacy-save"}, {"ip6tables-legacy-save"},
	} {
		text, err := e.Run(ctx, program[0], program[1:]...)
		if err != nil && !absent(err) {
			return "", err
		}
		all.Write(text)
	}
	return all.String(), nil
}

// drops reports the rules of others that drop what our policy allows: an
// accept in our own base chain does not override them.
func (e *exam) drops() {
	blocked, err := e.Blocked()
	if err != nil {
		e.unknown("drop", "whether another chain drops the sites' connections", err)
		return
	}
	said := map[string]bool{} // one finding a site and rule
	for _, b := range blocked {
		rule := b.Rule
		if rule == "" {
			rule = "a rule that leaves no trace (iptables-legacy?)"
		}
		if said[b.Site.Name+rule] {
			continue
		}
		said[b.Site.Name+rule] = true
		e.find(Finding{
			Severity: Error, Check: "drop", Site: b.Site.Name,
			What:     fmt.Sprintf("a connection from %s to %s, which the policy allows, is dropped by %s", b.From, b.To, rule),
			Evidence: "packets sent through a copy of the live ruleset with the rendered rules beside it",
			Remedy:   into(b.Rule),
		})
	}
}

// into is how our rules get into a chain that drops.
func into(rule string) string {
	chain, _, found := strings.Cut(rule, ": ")
	if !found || len(strings.Fields(chain)) != 3 {
		return "iptables-legacy-save | grep -n DROP"
	}
	if strings.HasSuffix(chain, " filter INPUT") { // iptables-nft's own: nft must not touch it
		return "pasvctl apply --backend iptables"
	}
	return fmt.Sprintf("give the host firewall { into = %q }, then run pasvctl generate and apply", chain)
}
