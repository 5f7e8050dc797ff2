package shadow

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// load puts rules like ours there, with a gate that learns from established
// packets.
func load(n *packets.Namespace) error {
	_, err := n.Run(`
add table inet pasvctl
delete table inet pasvctl
table inet pasvctl {
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 2m; size 65536; }
	set seen6 { type ipv6_addr; flags dynamic,timeout; timeout 2m; size 65536; }
	chain input {
		type filter hook input priority filter; policy accept;
`+chain+`	}
}`, "nft", "-f", "-")
	return err
}

const chain = `
		tcp dport 21 ct state established update @seen { ip saddr }
		tcp dport 21 ct state established update @seen6 { ip6 saddr }
		tcp dport 21 accept
		tcp flags & (syn | ack) != syn accept
		tcp dport 61000-61092 ip saddr @seen accept
		tcp dport 61000-61092 ip6 saddr @seen6 accept
		tcp dport 61000-61092 drop
`

func host() *plan.Host {
	v4, v6 := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")
	h := &spec.Host{Name: "edge1", Addresses: []netip.Addr{v4, v6}}
	return &plan.Host{Host: h, Sites: []*plan.Site{{
		Site:      &spec.Site{Name: "downloads", Host: h, Addresses: h.Addresses, Port: 21},
		DataPorts: spec.PortRange{First: 61000, Last: 61092},
		Policy: plan.Policy{
			Addresses4: []netip.Addr{v4}, Addresses6: []netip.Addr{v6}, Gate: true,
			Clients4: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, Clients6: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/48")},
		},
	}}}
}

// machine is a namespace that plays this machine.
func machine(t *testing.T) (*packets.Namespace, kernel.Exec) {
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
	return n, n.Exec
}

// in puts a rule into a chain that drops by default.
func in(rules string) []string {
	return []string{"nft", "table inet filter { chain input { type filter hook input priority 10; policy drop; meta l4proto ipv6-icmp accept; ct state established accept; " + rules + " }; }"}
}

func TestCheckNamesTheRuleThatDrops(t *testing.T) {
	ipt := func(args ...string) []string { return append([]string{"iptables-nft"}, args...) }
	const any4, one6 = "0.0.0.0/0", "2001:db8:1::/48"
	tests := []struct {
		name    string
		clients string     // of IPv4; everyone unless told
		rules   [][]string // commands, the first word a program
		want    []string   // "clients ports rule", one a line
	}{
		{"an empty host", "", nil, nil},
		{"a chain that accepts", "", [][]string{{"nft", "table inet f { chain in { type filter hook input priority 10; policy accept; }; }"}}, nil},
		{"a policy that drops", "", [][]string{in("")}, []string{
			any4 + " 21 inet filter input: policy drop", any4 + " 61000-61092 inet filter input: policy drop",
			one6 + " 21 inet filter input: policy drop", one6 + " 61000-61092 inet filter input: policy drop"}},
		{"half of a range", "", [][]string{in("tcp dport 21 accept; tcp dport 61000-61010 accept;")}, []string{
			any4 + " 61011-61092 inet filter input: policy drop", one6 + " 61011-61092 inet filter input: policy drop"}},
		{"holes in a range", "", [][]string{in("tcp dport 21 accept; tcp dport { 61000, 61002, 61004-61092 } accept;")}, []string{
			any4 + " 61001,61003 inet filter input: policy drop", one6 + " 61001,61003 inet filter input: policy drop"}},
		{"one family", "", [][]string{in("ip version 4 accept; meta nfproto ipv4 accept;")}, []string{
			one6 + " 21 inet filter input: policy drop", one6 + " 61000-61092 inet filter input: policy drop"}},
		{"some clients", "192.0.2.0/24", [][]string{in("meta nfproto ipv6 accept; ip saddr 192.0.2.0/25 accept;")}, []string{
			"192.0.2.128/25 21 inet filter input: policy drop", "192.0.2.128/25 61000-61092 inet filter input: policy drop"}},
		{"pairs of clients and ports", "10.0.0.0/23", [][]string{{"nft", `table inet filter {
			set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 . 21, 10.0.1.0/24 . 21, 10.0.0.0/24 . 61000-61010, 10.0.1.0/24 . 61011-61092 }; }
			chain input { type filter hook input priority 10; policy drop; ct state established accept; meta nfproto ipv6 accept; ip saddr . tcp dport @pairs accept; }; }`}}, []string{
			"10.0.0.0/24 61011-61092 inet filter input: policy drop", "10.0.1.0/24 61000-61010 inet filter input: policy drop"}},
		{"a rule that drops one port", "", [][]string{{"nft", "table inet filter { chain input { type filter hook input priority 10; tcp dport 61050 drop; }; }"}}, []string{
			any4 + " 61050 inet filter input: tcp dport 61050 drop", one6 + " 61050 inet filter input: tcp dport 61050 drop"}},
		{"a rule that refuses", "", [][]string{{"nft", "table inet filter { chain input { type filter hook input priority 10; tcp dport 21 reject with tcp reset; }; }"}}, []string{
			any4 + " 21 inet filter input: tcp dport 21 reject with tcp reset", one6 + " 21 inet filter input: tcp dport 21 reject with tcp reset"}},
		{"a device that is let in", "", [][]string{in(`iifname "wan0" accept;`)}, nil},
		{"a device by its index", "", [][]string{in(`iif "wan0" accept;`)}, nil},
		{"another device by its index", "", [][]string{in(`iif "lan0" accept; iif "wan0" tcp dport 21 accept; iif "wan0" tcp dport 61000-61092 accept;`)}, nil},
		{"a bogon filter", "", [][]string{{"nft", "table inet filter { set bogons { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.0/24, 198.51.100.0/24 }; }; chain input { type filter hook input priority 10; ip saddr @bogons drop; }; }"}}, nil},
		{"a blocked network", "", [][]string{{"nft", "table inet filter { chain input { type filter hook input priority 10; ip saddr 5.5.0.0/16 drop; }; }"}}, []string{
			"aimed 5.5.0.0/16 21 inet filter input: ip saddr 5.5.0.0/16 drop", "aimed 5.5.0.0/16 61000-61092 inet filter input: ip saddr 5.5.0.0/16 drop"}},
		{"a rate limit that accepts", "", [][]string{in("tcp flags syn limit rate 1/minute burst 1 packets accept;")}, nil},
		{"a rate limit that drops", "", [][]string{{"nft", "table inet filter { set peers { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 65536; }; chain input { type filter hook input priority -10; tcp flags syn update @peers { ip saddr limit rate over 1/minute burst 1 packets } drop; tcp dport 61000-61092 ct count over 1 drop; }; }"}}, nil},
		{"rate limits of iptables", "", [][]string{
			ipt("-A", "INPUT", "-p", "tcp", "--syn", "-m", "hashlimit", "--hashlimit-above", "1/min", "--hashlimit-burst", "1", "--hashlimit-mode", "srcip", "--hashlimit-name", "x", "-j", "DROP"),
			ipt("-A", "INPUT", "-p", "tcp", "--syn", "-m", "recent", "--name", "y", "--update", "--seconds", "60", "--hitcount", "2", "-j", "DROP"),
			ipt("-A", "INPUT", "-p", "tcp", "--syn", "-m", "recent", "--name", "y", "--set"),
			ipt("-A", "INPUT", "-p", "tcp", "--syn", "-m", "limit", "--limit", "1/min", "--limit-burst", "1", "-j", "ACCEPT"),
			ipt("-A", "INPUT", "-p", "tcp", "-m", "connlimit", "--connlimit-above", "1", "-j", "DROP"),
			ipt("-A", "INPUT", "-p", "tcp", "--syn", "-j", "DROP")}, nil},
		{"iptables-nft", "", [][]string{ipt("-A", "INPUT", "-p", "tcp", "--dport", "21", "-j", "ACCEPT"), ipt("-A", "INPUT", "-m", "state", "--state", "ESTABLISHED", "-j", "ACCEPT"), ipt("-P", "INPUT", "DROP")}, []string{
			any4 + " 61000-61092 ip filter INPUT: policy drop"}},
		{"a set of iptables", "198.51.100.0/24", [][]string{{"ipset", "create", "bad", "hash:ip"}, {"ipset", "add", "bad", "198.51.100.200"},
			ipt("-A", "INPUT", "-m", "set", "--match-set", "bad", "src", "-j", "DROP")}, []string{
			"198.51.100.200 21 ip filter INPUT: xt match set drop", "198.51.100.200 61000-61092 ip filter INPUT: xt match set drop"}},
		{"iptables-legacy", "", [][]string{{"iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "21", "-j", "DROP"}}, []string{any4 + " 21 "}},
		{"ingress", "", [][]string{{"nft", `table netdev f { chain in { type filter hook ingress device "wan0" priority 0; tcp dport 21 drop; }; }`}}, []string{
			any4 + " 21 netdev f in: tcp dport 21 drop", one6 + " 21 netdev f in: tcp dport 21 drop"}},
		{"output", "", [][]string{{"nft", `table inet f { chain out { type filter hook output priority 0; tcp sport 61092 drop; }; }`}}, []string{
			any4 + " 61092 inet f out: tcp sport 61092 drop", one6 + " 61092 inet f out: tcp sport 61092 drop"}},
		{"redirected", "", [][]string{ipt("-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "61000:61005", "-j", "REDIRECT", "--to-ports", "99")}, []string{
			any4 + " 61000-61005 ip nat PREROUTING: tcp dport 61000-61005 redirect to :99"}},
		{"not tracked", "", [][]string{{"nft", `table ip raw2 { chain pre { type filter hook prerouting priority raw; tcp dport 21 notrack; }; }`}}, []string{
			"untaught " + any4 + " 61000-61092 inet pasvctl input: tcp dport 61000-61092 drop"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each has networks of its own
			n, run := machine(t)
			for _, d := range []string{"wan0", "lan0"} {
				if _, err := n.Run("", "ip", "link", "add", d, "type", "veth", "peer", "name", "x"+d); err != nil {
					t.Fatal(err)
				}
			}
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
			h := host()
			if tt.clients != "" {
				h.Sites[0].Policy.Clients4 = []netip.Prefix{netip.MustParsePrefix(tt.clients)}
			}
			r, err := Trial{Live: live, Load: load, Host: h, Devices: []string{"lo", "wan0", "lan0"},
				Device: func(netip.Addr) string { return "wan0" }}.Check()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range r.Blocked {
				var ports []string
				for _, p := range b.Ports {
					ports = append(ports, p.String())
				}
				line := b.Clients + " " + strings.Join(ports, ",") + " " + b.Rule
				if b.Aimed {
					line = "aimed " + line
				}
				if b.Untaught {
					line = "untaught " + line
				}
				got = append(got, line)
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) || len(r.Untried) != 0 {
				t.Errorf("blocked\n%s\nwant\n%s\nuntried %q", strings.Join(got, "\n"), strings.Join(tt.want, "\n"), r.Untried)
			}
		})
	}
}

// Each address is tried on the device that has it.
func TestCheckKnowsTheDeviceOfAnAddress(t *testing.T) {
	n, run := machine(t)
	const rules = `table inet filter { chain input { type filter hook input priority 0; policy drop; ct state established accept;
		iif "wan0" ip6 daddr 2001:db8::10 accept; iif "lan0" ip daddr 203.0.113.10 accept; }; }`
	for _, d := range []string{"wan0", "lan0"} {
		if _, err := n.Run("", "ip", "link", "add", d, "type", "veth", "peer", "name", "x"+d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Run(rules, "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	live, err := Live(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	trial := Trial{Live: live, Load: load, Host: host(), Devices: []string{"wan0", "lan0"}, Device: func(a netip.Addr) string {
		if a.Is4() {
			return "lan0"
		}
		return "wan0"
	}}
	if r, err := trial.Check(); err != nil || len(r.Blocked) != 0 {
		t.Errorf("blocked %+v, %v", r.Blocked, err)
	}
}

// Thousands of banned addresses, a rule each, hide nothing and cost no time.
func TestCheckBesideABanList(t *testing.T) {
	n, run := machine(t)
	bans := "*filter\n"
	for i := range 5000 {
		bans += fmt.Sprintf("-A INPUT -s 5.5.%d.%d -j DROP\n", i/250, i%250+1)
	}
	if _, err := n.Run(bans+"-A INPUT -p tcp --dport 61092 -j DROP\nCOMMIT\n", "iptables-nft-restore"); err != nil {
		t.Fatal(err)
	}
	live, err := Live(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Trial{Live: live, Load: load, Host: host(), Device: func(netip.Addr) string { return "wan0" }}.Check()
	if err != nil || len(r.Untried) != 0 {
		t.Fatalf("untried %q, %v", r.Untried, err)
	}
	found := 0
	for _, b := range r.Blocked {
		if !b.Aimed {
			found++
			if b.Rule != "ip filter INPUT: tcp dport 61092 drop" {
				t.Errorf("dropped by %q", b.Rule)
			}
		}
	}
	if found != 1 {
		t.Errorf("found %+v", r.Blocked)
	}
}

func TestCheckSaysWhatThereWasNoTimeFor(t *testing.T) {
	_, run := machine(t)
	live, err := Live(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Trial{Live: live, Load: load, Host: host(), Device: func(netip.Addr) string { return "wan0" }, Time: time.Nanosecond}.Check()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`site "downloads": the data ports`}
	if !slices.Equal(r.Untried, want) || len(r.Blocked) != 0 {
		t.Errorf("untried %q, want %q; blocked %v", r.Untried, want, r.Blocked)
	}
}

func TestLiveIsAnErrorWhereRulesCannotBeRead(t *testing.T) {
	_, err := Live(t.Context(), func(_ context.Context, _, name string, _ ...string) (string, error) {
		if strings.HasPrefix(name, "nft") {
			return "", &exec.ExitError{}
		}
		return "", exec.ErrNotFound
	})
	if err == nil {
		t.Error("rules that could not be read passed for none")
	}
}
