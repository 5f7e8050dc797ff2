package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// remedy is how the sites' connections get past a rule. Each ends: after it,
// the next examination does not send the reader back.
func remedy(cause []shadow.Blocked, live shadow.Rules, h *plan.Host, backend string) string {
	b := cause[0]
	table, chain := split(or(b.Base, strings.SplitN(b.Rule, ":", 2)[0]))
	switch {
	case b.Rule == "" && live.Legacy():
		return "iptables-legacy-save | grep -n -e DROP -e REJECT  # no trace shows the rules of iptables-legacy"
	case b.Rule == "":
		return "look for what drops or diverts the packets outside the firewall's rules: ip rule; ip route; sysctl net.ipv4.conf.all.rp_filter"
	case b.Untaught:
		return untaught(h, live, backend)
	case b.Rewrote && docker(b.Rule):
		return "run the FTP server in the host's network (docker run --network host), or stop publishing the ports"
	case b.Rewrote:
		return "leave the sites' ports out of that rule: nft -a list chain " + strings.SplitN(b.Rule, ":", 2)[0]
	case strings.HasPrefix(table, "inet firewalld_policy_drop"):
		return "firewall-cmd --panic-off"
	case strings.HasPrefix(table, "inet firewalld"), strings.Contains(live.Text(), "INPUT_ZONES") && live.Managed(table):
		return firewalldPolicy(h)
	case live.Managed(table) && b.Hook == "input" && strings.HasSuffix(table, " filter") && backend != kernel.IPTables:
		if managers[1].in(live) != "" {
			return "pasvctl apply --backend iptables, or: " + ufwAllow(h)
		}
		return "pasvctl apply --backend iptables"
	case live.Managed(table):
		return strings.Join(iptablesAccept(h, table, chain, b.Hook), " && ")
	case b.Hook == "input" && h.Firewall == nil && backend == kernel.NFT && sees(table, h):
		return fmt.Sprintf("give the host firewall { into = %q }, then run pasvctl generate and apply", table+" "+chain)
	default:
		return strings.Join(nftAccept(h, table, chain, b.Hook), " && ")
	}
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
func untaught(h *plan.Host, live shadow.Rules, backend string) string {
	const tracked = "let the kernel track the control ports: nft list ruleset | grep notrack; iptables-save -t raw"
	if backend == kernel.IPTables {
		return jumpFirst("ip filter INPUT") + "; else " + tracked
	}
	if h.Firewall == nil {
		return tracked
	}
	into := chainName(h.Firewall)
	hooks := live.Hooks()
	if hooks[into] != "" {
		return jumpFirst(into) + "; else " + tracked
	}
	table, _ := split(into)
	for _, c := range sortedKeys(hooks) {
		if t, _ := split(c); t == table && hooks[c] == "input" {
			return fmt.Sprintf("give the host firewall { into = %q }, the chain that packets come to first, then run pasvctl apply", c)
		}
	}
	return tracked
}

func sortedKeys(m map[string]string) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// jumpFirst puts our jump before all other rules of its chain.
func jumpFirst(chain string) string {
	table, name := split(chain)
	if name == "INPUT" {
		const jump = "INPUT -m comment --comment pasvctl -j PASVCTL"
		return fmt.Sprintf("for t in iptables ip6tables; do $t -C %[1]s && $t -D %[1]s && $t -I %[1]s; done", jump)
	}
	return fmt.Sprintf("pasvctl apply --remove, then pasvctl apply: it puts our jump before the other rules of %s %s", table, name)
}

// nftAccept are commands that let the sites' connections pass a base chain of
// nftables, whatever hook it is on.
func nftAccept(h *plan.Host, table, chain, hook string) (commands []string) {
	family := strings.Fields(table)[0]
	for _, o := range openings(h) {
		v := "ip6"
		if o.address.Is4() {
			v = "ip"
		}
		if family != v && (family == "ip" || family == "ip6") {
			continue
		}
		here, there, port := "daddr", "saddr", "dport"
		if hook == "output" || hook == "postrouting" || hook == "egress" {
			here, there, port = "saddr", "daddr", "sport"
		}
		client := ""
		if o.client.Bits() > 0 {
			client = fmt.Sprintf(" %s %s %s", v, there, o.client)
		}
		commands = append(commands, fmt.Sprintf("nft 'insert rule %s %s %s %s %s%s tcp %s { %s, %s } accept'", table, chain, v, here, o.address, client, port, o.ports[0], o.ports[1]))
	}
	return commands
}

// iptablesAccept are the same for a chain of iptables.
func iptablesAccept(h *plan.Host, table, chain, hook string) (commands []string) {
	f := strings.Fields(table)
	for _, o := range openings(h) {
		program := "ip6tables"
		if o.address.Is4() {
			program = "iptables"
		}
		if (f[0] == "ip") != o.address.Is4() {
			continue
		}
		here, there, port := "-d", "-s", "--dports"
		if hook == "output" || hook == "postrouting" {
			here, there, port = "-s", "-d", "--sports"
		}
		client := ""
		if o.client.Bits() > 0 {
			client = fmt.Sprintf(" %s %s", there, o.client)
		}
		commands = append(commands, fmt.Sprintf("%s -t %s -I %s %s %s%s -p tcp -m multiport %s %s,%s -j ACCEPT", program, f[1], chain, here, o.address, client, port,
			o.ports[0], strings.ReplaceAll(o.ports[1].String(), "-", ":")))
	}
	return commands
}
