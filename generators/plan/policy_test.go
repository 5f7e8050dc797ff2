package plan

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func TestClients(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")
	for name, c := range map[string]struct {
		addresses    []netip.Addr
		clients      []netip.Prefix
		want4, want6 string
	}{
		"everyone":         {[]netip.Addr{v4, v6}, prefixes("::/0", "0.0.0.0/0"), "[0.0.0.0/0]", "[::/0]"},
		"only IPv4":        {[]netip.Addr{v4}, prefixes("::/0", "0.0.0.0/0"), "[0.0.0.0/0]", "[]"},
		"only IPv6":        {[]netip.Addr{v6}, prefixes("::/0", "0.0.0.0/0"), "[]", "[::/0]"},
		"sorted":           {[]netip.Addr{v4}, prefixes("192.0.2.0/24", "10.0.0.0/8"), "[10.0.0.0/8 192.0.2.0/24]", "[]"},
		"contained":        {[]netip.Addr{v4}, prefixes("10.1.0.0/16", "10.0.0.0/8", "10.2.3.4/32"), "[10.0.0.0/8]", "[]"},
		"neighbours merge": {[]netip.Addr{v4, v6}, prefixes("10.0.1.0/24", "10.0.0.0/24", "10.0.2.0/23", "2001:db8:1::/48", "2001:db8::/48"), "[10.0.0.0/22]", "[2001:db8::/47]"},
		"strangers do not": {[]netip.Addr{v4}, prefixes("10.0.1.0/24", "10.0.2.0/24"), "[10.0.1.0/24 10.0.2.0/24]", "[]"},
		"masked":           {[]netip.Addr{v4}, prefixes("10.0.1.7/24"), "[10.0.1.0/24]", "[]"},
	} {
		site := newSite(newHost("edge1"), "a", 21, 9)
		site.Addresses, site.Clients = c.addresses, c.clients
		p, _ := build(t, nil, nil, site)
		got := p.Sites[0].Policy
		if got4, got6 := fmt.Sprint(got.Clients4), fmt.Sprint(got.Clients6); got4 != c.want4 || got6 != c.want6 {
			t.Errorf("%s: %s and %s, want %s and %s", name, got4, got6, c.want4, c.want6)
		}
	}
}

func TestPolicy(t *testing.T) {
	h := newHost("edge1")
	h.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.11"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("203.0.113.10")}
	site := newSite(h, "a", 2121, 99)
	site.SessionsPerAddress, site.IPv6ClientPrefix = 7, 56
	p, _ := build(t, nil, nil, site)
	got := p.Sites[0].Policy
	if got.Control != 2121 || got.Data != ports(61000, 61099) || !got.Gate || got.GateTimeout != 2*time.Minute ||
		got.MaxPerClient != 7 || got.ClientPrefix6 != 56 {
		t.Errorf("%+v", got)
	}
	if a4, a6 := fmt.Sprint(got.Addresses4), fmt.Sprint(got.Addresses6); a4 != "[203.0.113.11 203.0.113.10]" || a6 != "[2001:db8::1]" {
		t.Errorf("addresses %s and %s", a4, a6)
	}
	site.Gate = false
	if p, _ := build(t, nil, nil, site); p.Sites[0].Policy.Gate {
		t.Error("the gate is on")
	}
}

func TestHostsAndGatewaysAreSorted(t *testing.T) {
	z, a, idle := newHost("z"), newHost("a"), newHost("idle")
	s := &spec.Spec{
		Hosts: []*spec.Host{z, a, idle},
		Sites: []*spec.Site{newSite(z, "y", 21, 9), newSite(a, "x", 21, 9), newSite(z, "b", 22, 9)},
	}
	s.Gateways = []*spec.Gateway{
		{Name: "nat2", Address: netip.MustParseAddr("198.51.100.2"), Sites: s.Sites[:1]},
		{Name: "nat1", Address: netip.MustParseAddr("198.51.100.1"), Sites: []*spec.Site{s.Sites[0], s.Sites[2]}},
	}
	p, _, diags := Build(s, nil)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var got []string
	for _, h := range p.Hosts {
		for _, site := range h.Sites {
			got = append(got, h.Name+"/"+site.Name)
		}
	}
	for _, g := range p.Gateways {
		for _, site := range g.Sites {
			got = append(got, g.Name+"/"+site.Name)
		}
	}
	if want := "[a/x z/b z/y nat1/b nat1/y nat2/y]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
