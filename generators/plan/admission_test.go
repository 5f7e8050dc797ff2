package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func keys(h *Host) (all []string) {
	for _, a := range h.Admissions() {
		all = append(all, a.Key())
	}
	return all
}

func TestAdmissions(t *testing.T) {
	h := newHost("edge1")
	h.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("203.0.113.11")}
	a, b := newSite(h, "a", 21, 9), newSite(h, "b", 21, 9)
	a.Addresses, b.Addresses = h.Addresses[:2], h.Addresses[2:]
	a.Clients = prefixes("10.0.1.0/24", "2001:db8:1::/48", "10.0.0.0/24", "10.0.0.9/24", "10.0.0.0/8")
	b.Clients = prefixes("10.0.1.0/24", "2001:db8:1::/48", "192.0.2.0/24")
	p, _ := build(t, nil, nil, a, b)
	p.Sites[1].Policy.Data = p.Sites[0].Policy.Data // as on another address it may be
	var got []string
	for _, one := range p.Hosts[0].Admissions() {
		got = append(got, fmt.Sprintf("%s %s %s %d", one.Key(), one.Family(), one.Ports, len(one.For)))
	}
	want := []string{
		"edge1/a/control/10.0.0.0/8 IPv4 21 1", "edge1/a/control/10.0.0.0/24 IPv4 21 1", "edge1/a/control/10.0.1.0/24 IPv4 21 2",
		"edge1/a/control/2001:db8:1::/48 IPv6 21 1",
		"edge1/a/data/10.0.0.0/8 IPv4 61000-61009 1", "edge1/a/data/10.0.0.0/24 IPv4 61000-61009 1", "edge1/a/data/10.0.1.0/24 IPv4 61000-61009 2",
		"edge1/a/data/2001:db8:1::/48 IPv6 61000-61009 1",
		"edge1/b/control/192.0.2.0/24 IPv4 21 1", "edge1/b/data/192.0.2.0/24 IPv4 61000-61009 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A network more, or one less, leaves every other key as it was: its neighbour's,
// and that of one which contains it.
func TestANetworkChangesNoOthersKey(t *testing.T) {
	h := newHost("edge1")
	before := []string{"10.0.0.0/24", "192.0.2.7/32", "2001:db8::/48"}
	for _, more := range []string{"10.0.1.0/24", "10.0.0.0/8", "10.0.0.128/25", "2001:db8:1::/48", "0.0.0.0/0"} {
		few, many := newSite(h, "a", 21, 9), newSite(h, "a", 21, 9)
		few.Clients, many.Clients = prefixes(before...), prefixes(append(before, more)...)
		p, _ := build(t, nil, nil, few)
		q, _ := build(t, nil, nil, many)
		less := slices.DeleteFunc(keys(q.Hosts[0]), func(k string) bool { return strings.HasSuffix(k, "/"+more) })
		if want := keys(p.Hosts[0]); !slices.Equal(less, want) || len(keys(q.Hosts[0])) == len(want) {
			t.Errorf("with %s the others are %q, without %q", more, less, want)
		}
	}
}
