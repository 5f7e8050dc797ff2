package shadow

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

const ours = `table inet pasvctl { chain input { type filter hook input priority filter; policy accept; tcp dport { 21, 61000-61009 } accept; }; }`

func load(n *packets.Namespace) error {
	_, err := n.Run(ours, "nft", "-f", "-")
	return err
}

func host() *plan.Host {
	v4, v6 := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")
	h := &spec.Host{Name: "edge1", Addresses: []netip.Addr{v4, v6}}
	return &plan.Host{Host: h, Sites: []*plan.Site{{
		Site:      &spec.Site{Name: "downloads", Host: h, Addresses: h.Addresses, Port: 21},
		DataPorts: spec.PortRange{First: 61000, Last: 61009},
		Policy: plan.Policy{
			Addresses4: []netip.Addr{v4}, Addresses6: []netip.Addr{v6},
			Clients4: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, Clients6: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/48")},
		},
	}}}
}

// machine is a namespace that plays this machine.
func machine(t *testing.T) (*packets.Namespace, Run) {
	t.Helper()
	needs.Root(t)
	for _, tool := range []string{"ip", "nft", "iptables-nft", "iptables-legacy", "ipset"} {
		needs.Tool(t, tool)
	}
	n, err := packets.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n, func(_ context.Context, name string, args ...string) ([]byte, error) {
		if _, err := exec.LookPath(name); err != nil {
			return nil, err
		}
		text, err := n.Run("", name, args...)
		return []byte(text), err
	}
}

func TestCheckNamesTheRuleThatDrops(t *testing.T) {
	const all = 4 // two families, control and data
	tests := []struct {
		name    string
		rules   [][]string // commands, the first word a program
		blocked int
		rule    string
	}{
		{"an empty host", nil, 0, ""},
		{"a chain that accepts", [][]string{{"nft", "table inet f { chain in { type filter hook input priority 10; policy accept; }; }"}}, 0, ""},
		{"a policy that drops", [][]string{{"nft", "table inet filter { chain input { type filter hook input priority 10; policy drop; meta l4proto ipv6-icmp accept; ct state established accept; }; }"}},
			all, "inet filter input: policy drop"},
		{"a rule that drops one port", [][]string{{"nft", "table inet filter { chain input { type filter hook input priority 10; tcp dport 61000 drop; }; }"}},
			2, "inet filter input: tcp dport 61000 drop"},
		{"a device that is let in", [][]string{{"nft", `table inet filter { chain input { type filter hook input priority 10; policy drop; iifname "wan0" accept; }; }`}}, 0, ""},
		{"iptables-nft", [][]string{{"iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "21", "-m", "recent", "--set"}, {"iptables-nft", "-P", "INPUT", "DROP"}},
			2, "ip filter INPUT: policy drop"},
		{"a set of iptables", [][]string{{"ipset", "create", "bad", "hash:ip"}, {"ipset", "add", "bad", "198.51.100.200"},
			{"iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "bad", "src", "-j", "DROP"}}, 2, "ip filter INPUT: xt match set counter packets 0 bytes 0 drop"},
		{"iptables-legacy", [][]string{{"iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "21", "-j", "DROP"}}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each has networks of its own
			n, run := machine(t)
			for _, c := range tt.rules {
				stdin := ""
				if c[0] == "nft" {
					stdin, c = c[1], []string{"nft", "-f", "-"}
				}
				if _, err := n.Run(stdin, c[0], c[1:]...); err != nil {
					t.Fatal(err)
				}
			}
			live, err := Live(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			blocked, err := Check(live, load, host(), "wan0")
			if err != nil {
				t.Fatal(err)
			}
			if len(blocked) != tt.blocked {
				t.Fatalf("blocked %+v, want %d", blocked, tt.blocked)
			}
			for _, b := range blocked {
				if b.Rule != tt.rule {
					t.Errorf("%s to %s: rule %q, want %q", b.From, b.To, b.Rule, tt.rule)
				}
			}
		})
	}
}

func TestLiveIsAnErrorWhereRulesCannotBeRead(t *testing.T) {
	_, err := Live(t.Context(), func(_ context.Context, name string, _ ...string) ([]byte, error) {
		if strings.HasPrefix(name, "nft") {
			return nil, &exec.ExitError{}
		}
		return nil, exec.ErrNotFound
	})
	if err == nil {
		t.Error("rules that could not be read passed for none")
	}
}

func TestClient(t *testing.T) {
	taken := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	for prefix, want := range map[string]string{
		"0.0.0.0/0": "198.51.100.200", "192.0.2.0/24": "192.0.2.2", "192.0.2.9/32": "192.0.2.9", "2001:db8:1::/48": "2001:db8:1::1",
	} {
		if got := Client(netip.MustParsePrefix(prefix), taken); got.String() != want {
			t.Errorf("client of %s is %s, want %s", prefix, got, want)
		}
	}
}
