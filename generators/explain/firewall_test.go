package explain

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func networks(all ...string) (prefixes []netip.Prefix) {
	for _, text := range all {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}

// TestFirewall reads the policies that a spec can make, and each of their parts.
func TestFirewall(t *testing.T) {
	four, six := []netip.Addr{netip.MustParseAddr("203.0.113.10")}, []netip.Addr{netip.MustParseAddr("2001:db8::10")}
	gated := plan.Policy{
		Addresses4: four, Clients4: networks("0.0.0.0/0"), Control: 21, Data: spec.PortRange{First: 61000, Last: 62856},
		Gate: true, GateTimeout: 2 * time.Minute, MaxPerClient: 50, ClientPrefix6: 64,
	}
	for name, c := range map[string]struct {
		change func(*plan.Policy)
		want   []string
	}{
		"gated": {func(*plan.Policy) {}, []string{
			"Anyone may open TCP port 21 of 203.0.113.10, at most 50 connections at once from one address.",
			"Only a client that has a control connection, or had one in the last 2 minutes, may open TCP ports 61000-62856.",
			"Nobody else reaches these ports. All other ports are left to the host's own rules.",
		}},
		"both families": {func(p *plan.Policy) {
			p.Addresses6, p.Clients4, p.Clients6 = six, networks("192.0.2.0/24"), networks("::/0")
		}, []string{
			"192.0.2.0/24 and anyone on IPv6 may open TCP port 21 of 203.0.113.10 and 2001:db8::10, at most 50 connections at once from one IPv4 address or IPv6 /64.",
		}},
		"no gate, active mode, one port, an older range": {func(p *plan.Policy) {
			p.Gate, p.Data, p.MaxPerClient = false, spec.PortRange{First: 61000, Last: 61000}, 1
			p.Active, p.Draining = spec.PortRange{First: 20, Last: 20}, []spec.PortRange{{First: 20000, Last: 20009}}
		}, []string{
			"Anyone may open TCP port 21 of 203.0.113.10, at most 1 connection at once from one address.",
			"The same clients may open TCP port 61000 and, until their sessions have ended, ports 20000-20009, also without a control connection.",
			"The server may connect from TCP port 20 to ports 1024-65535 of the same clients (active mode).",
		}},
		"IPv6 only": {func(p *plan.Policy) {
			p.Addresses4, p.Clients4, p.Addresses6, p.Clients6, p.ClientPrefix6 = nil, nil, six, networks("fc00::/7"), 128
		}, []string{"fc00::/7 may open TCP port 21 of 2001:db8::10, at most 50 connections at once from one IPv6 address."}},
		"clients of one family": {func(p *plan.Policy) { p.Addresses6 = six }, []string{
			"Anyone on IPv4 may open TCP port 21 of 203.0.113.10, at most 50 connections at once from one address.",
			"Nobody may connect to the site on 2001:db8::10: no client has an address of its family.",
		}},
		"nobody": {func(p *plan.Policy) { p.Clients4 = nil }, []string{"Nobody may connect to the site on 203.0.113.10: no client has an address of its family."}},
	} {
		p := gated
		c.change(&p)
		got := Firewall(p)
		for _, line := range c.want {
			if !slices.Contains(got, line) {
				t.Errorf("%s: the policy does not say %q:\n%s", name, line, strings.Join(got, "\n"))
			}
		}
	}
}

// TestClientsAreCounted: many networks are counted, and not one of them alone.
func TestClientsAreCounted(t *testing.T) {
	for n, want := range map[int]string{
		2: "192.0.2.0/32 and 192.0.2.1/32",
		7: "192.0.2.0/32, 192.0.2.1/32, 192.0.2.2/32, 192.0.2.3/32, 192.0.2.4/32, 192.0.2.5/32 and 192.0.2.6/32",
		9: "192.0.2.0/32, 192.0.2.1/32, 192.0.2.2/32, 192.0.2.3/32, 192.0.2.4/32, 192.0.2.5/32 and 3 more networks",
	} {
		p := plan.Policy{Addresses4: []netip.Addr{netip.MustParseAddr("203.0.113.10")}}
		for i := range n {
			p.Clients4 = append(p.Clients4, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32))
		}
		if got := Clients(p); got != want {
			t.Errorf("%d networks: %s", n, got)
		}
	}
}

// TestBriefAgrees: what is said in brief is part of the whole derivation, and every
// bound has its words.
func TestBriefAgrees(t *testing.T) {
	for name, s := range cases {
		p, _, diags := plan.Build(&spec.Spec{Name: "test", Hosts: []*spec.Host{s.Host}, Sites: []*spec.Site{s}}, nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		site := p.Sites[0]
		var all []string
		for _, section := range Site(site, true).Sections {
			all = append(all, section.Text...)
		}
		text := strings.Join(all, "\n")
		if !strings.Contains(text, Refused(site)) || !strings.Contains(strings.ToLower(text), strings.ToLower(strings.TrimSuffix(Why(site), "."))) {
			t.Errorf("%s: the derivation does not say %q or %q", name, Refused(site), Why(site))
		}
		for _, b := range site.Sizing.Bounds {
			if boundWords[b.Name] == "" {
				t.Errorf("no words for the bound %s", b.Name)
			}
		}
		if Starts(site) == "" || strings.HasSuffix(Binding(site), ": ") {
			t.Errorf("%s: %q, %q", name, Starts(site), Binding(site))
		}
	}
}

func TestForwarded(t *testing.T) {
	here, elsewhere := &plan.Site{}, &plan.Site{}
	to := netip.MustParseAddr("192.0.2.10")
	g := &plan.Gateway{
		Gateway: &spec.Gateway{Name: "nat1", Address: netip.MustParseAddr("198.51.100.7")},
		Forwards: []plan.Forward{
			{Site: here, Ports: spec.PortRange{First: 2121, Last: 2121}, To: to, ToPorts: spec.PortRange{First: 21, Last: 21}},
			{Site: here, Ports: spec.PortRange{First: 61000, Last: 61009}, To: to, ToPorts: spec.PortRange{First: 61000, Last: 61009}},
		},
	}
	if got, want := Forwarded(g, here), "The gateway nat1, 198.51.100.7, forwards TCP port 2121 to 192.0.2.10, port 21 and TCP ports 61000-61009 to 192.0.2.10."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Forwarded(g, elsewhere); got != "" {
		t.Errorf("a site that is not behind the gateway: %s", got)
	}
}
