package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// remedy is how the sites' connections get past a rule. Each ends: after it,
// the next examination does not send the reader back.
func (s Beside) remedy(cause []shadow.Blocked) string {
	b, h, live, backend := cause[0], s.Host, s.Live, s.Backend
	table, chain := split(cmp.Or(b.Base, strings.SplitN(b.Rule, ":", 2)[0]))
	zones := strings.Contains(live.Text(), "INPUT_ZONES") // firewalld writes with iptables
	switch {
	case b.Rule == "" && live.Legacy():
		return "iptables-legacy-save | grep -n -e DROP -e REJECT  # no trace shows the rules of iptables-legacy"
	case b.Rule == "":
		return "look for what drops or diverts the packets outside the firewall's rules: ip rule; ip route; sysctl net.ipv4.conf.all.rp_filter"
	case b.Untaught:
		return s.untaught()
	case b.Rewrote && docker(b.Rule):
		return "run the FTP server in the host's network (docker run --network host), or stop publishing the ports"
	case b.Rewrote:
		return "leave the sites' ports out of that rule: nft -a list chain " + strings.SplitN(b.Rule, ":", 2)[0]
	case strings.HasPrefix(table, "inet firewalld_policy_drop"), zones && strings.HasSuffix(b.Rule, " raw PREROUTING: policy drop"):
		return "firewall-cmd --panic-off"
	case strings.HasPrefix(table, "inet firewalld"), zones && live.Managed(table):
		return firewalldPolicy(h)
	case live.Managed(table) && b.Hook == "input" && strings.HasSuffix(table, " filter") && backend != kernel.IPTables:
		if strings.Contains(live.Text(), "ufw-before-input") {
			return ufwAllow(h) + "  # or " + inSpec("ufw") + "; or pasvctl apply " + s.Spec + " --backend iptables"
		}
		return "pasvctl apply " + s.Spec + " --backend iptables"
	case b.Hook == "input" && h.Firewall == nil && backend == kernel.NFT && sees(table, h) && !kernel.Managed(table+" "+chain):
		return fmt.Sprintf("give the host firewall { into = %q }, then run pasvctl apply %s", table+" "+chain, s.Spec)
	}
	var commands []string
	for _, same := range spec.Grouped(cause, func(b shadow.Blocked) string { return b.Base }) {
		table, chain := split(same[0].Base)
		if live.Managed(table) {
			commands = append(commands, iptablesAccept(h, table, chain, same[0].Hook)...)
		} else {
			commands = append(commands, nftAccept(h, table, chain, same[0].Hook)...)
		}
	}
	return strings.Join(commands, " && ")
}

// split cuts "inet filter input" into its table and its chain.
func split(chain string) (string, string) {
	i := strings.LastIndexByte(chain, ' ')
	return chain[:max(i, 0)], chain[i+1:]
}

// sees reports whether a table's family sees all packets to the host.
func sees(table string, h *plan.Host) bool {
	for _, a := range h.Addresses {
		if strings.HasPrefix(table, "ip ") && !a.Is4() || strings.HasPrefix(table, "ip6 ") && a.Is4() {
			return false
		}
	}
	return true
}

// untaught is how our rules come to see the packets of control connections.
func (s Beside) untaught() string {
	const tracked = "let the kernel track the control ports: nft list ruleset | grep notrack; iptables-save -t raw"
	if s.Backend == kernel.IPTables {
		return s.jumpFirst("ip filter INPUT") + "  # else " + tracked
	}
	if s.Host.Firewall == nil {
		return tracked
	}
	into := chainName(s.Host.Firewall)
	hooks := s.Live.Hooks()
	if hooks[into] != "" {
		return s.jumpFirst(into) + "  # else " + tracked
	}
	table, _ := split(into)
	for _, c := range slices.Sorted(maps.Keys(hooks)) {
		if t, _ := split(c); t == table && hooks[c] == "input" {
			return fmt.Sprintf("give the host firewall { into = %q }, the chain that packets come to first, then run pasvctl apply %s", c, s.Spec)
		}
	}
	return tracked
}

// jumpFirst puts our jump before all other rules of its chain.
func (s Beside) jumpFirst(chain string) string {
	_, name := split(chain)
	if name == "INPUT" {
		const jump = "INPUT -m comment --comment pasvctl -j PASVCTL"
		return fmt.Sprintf("for t in iptables ip6tables; do $t -C %[1]s && $t -D %[1]s && $t -I %[1]s; done", jump)
	}
	return fmt.Sprintf("pasvctl apply --remove && pasvctl apply %s  # puts our jump before the other rules of %s", s.Spec, chain)
}

// nftAccept are commands that let the sites' connections pass a base chain of
// nftables, whatever hook it is on.
func nftAccept(h *plan.Host, table, chain, hook string) (commands []string) {
	family := strings.Fields(table)[0]
	for _, o := range openings(h) {
		v := map[bool]string{true: "ip", false: "ip6"}[o.address.Is4()]
		if family != v && (family == "ip" || family == "ip6") {
			continue
		}
		here, there, port := "daddr", "saddr", "dport"
		if hook == "output" || hook == "postrouting" || hook == "egress" {
			here, there, port = "saddr", "daddr", "sport"
		}
		client := o.from(" " + v + " " + there + " ")
		commands = append(commands, fmt.Sprintf("nft 'insert rule %s %s %s %s %s%s tcp %s { %s, %s } accept'", table, chain, v, here, o.address, client, port, o.ports[0], o.ports[1]))
	}
	return commands
}

// iptablesAccept are the same for a chain of iptables.
func iptablesAccept(h *plan.Host, table, chain, hook string) (commands []string) {
	f := strings.Fields(table)
	for _, o := range openings(h) {
		program := map[bool]string{true: "iptables", false: "ip6tables"}[o.address.Is4()]
		if (f[0] == "ip") != o.address.Is4() {
			continue
		}
		here, there, port := "-d", "-s", "--dports"
		if hook == "output" || hook == "postrouting" {
			here, there, port = "-s", "-d", "--sports"
		}
		client := o.from(" " + there + " ")
		commands = append(commands, fmt.Sprintf("%s -t %s -I %s %s %s%s -p tcp -m multiport %s %s,%s -j ACCEPT", program, f[1], chain, here, o.address, client, port,
			o.ports[0], strings.ReplaceAll(o.ports[1].String(), "-", ":")))
	}
	return commands
}
