package presence

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func addresses(texts ...string) (all []netip.Addr) {
	for _, t := range texts {
		all = append(all, netip.MustParseAddr(t))
	}
	return all
}

func TestFaults(t *testing.T) {
	machine := []Device{
		{"lo", true, addresses("127.0.0.1", "::1", "192.0.2.53")},
		{"eth0", false, addresses("10.0.1.5", "2001:db8::10")},
		{"eth1", false, addresses("203.0.113.10")},
	}
	tests := []struct {
		name string
		host Host
		want []string // "fatal CHECK" or "warning CHECK"
		say  string
	}{
		{"all here", Host{"", addresses("203.0.113.10", "2001:db8::10"), false}, nil, ""},
		{"on its interface", Host{"eth1", addresses("203.0.113.10"), false}, nil, ""},
		{"on loopback, reached by an interface", Host{"eth0", addresses("192.0.2.53"), false}, nil, ""},
		{"all of 127.0.0.0/8", Host{"", addresses("127.0.0.9"), false}, nil, ""},
		{"no such interface", Host{"ens99", addresses("203.0.113.10"), false}, []string{"error interface-wrong"}, "no interface ens99"},
		{"no such interface, floating", Host{"ens99", addresses("198.51.100.7"), true}, []string{"error interface-wrong"}, "no interface ens99"},
		{"none here", Host{"", addresses("198.51.100.7"), false}, []string{"error address-missing"}, "behind a 1:1 NAT write 10.0.1.5 in addresses and 198.51.100.7 in announce"},
		{"none here, IPv6", Host{"", addresses("2001:db8::99"), false}, []string{"error address-missing"}, "floating = true"},
		{"none here, floating", Host{"", addresses("198.51.100.7"), true}, nil, ""},
		{"some here", Host{"", addresses("203.0.113.10", "198.51.100.7"), false}, []string{"warning address-missing"}, "198.51.100.7 is on no interface"},
		{"by a route", Host{"", addresses("192.0.2.200"), false}, nil, ""},
		{"on another interface", Host{"eth0", addresses("203.0.113.10"), false}, []string{"warning interface-wrong"}, "203.0.113.10 is not on eth0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			text := ""
			for _, f := range faults(tt.host, machine, func(a netip.Addr) bool { return a.String() == "192.0.2.200" }) {
				got = append(got, string(f.Severity)+" "+f.Rule.ID)
				text += f.Detail + "\n" + f.Remedy + "\n"
			}
			if !slices.Equal(got, tt.want) || !strings.Contains(text, tt.say) {
				t.Errorf("got %v, want %v with %q:\n%s", got, tt.want, tt.say, text)
			}
		})
	}
}

func TestListIsBounded(t *testing.T) {
	var many []Device
	for i := range 300 {
		many = append(many, Device{Name: fmt.Sprintf("veth%d", i), Addresses: slices.Repeat(addresses("10.0.0.1"), 300)})
	}
	text := list(many)
	if !strings.HasSuffix(text, "and 292 more; and 292 more") || len(text) > 2000 {
		t.Error(text)
	}
}
