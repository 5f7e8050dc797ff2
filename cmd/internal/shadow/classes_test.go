package shadow

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

const printed = `table inet filter {
	set hosts {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.66, 192.0.2.128-192.0.2.130,
			     198.51.100.0/24 }
	}
	map ends {
		type inet_service : verdict
		elements = { 61090 : accept, 61091-61092 : drop }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport { 22, 61000-61010 } accept
		ip6 saddr != 2001:db8:1::/48 drop
	}
}
table inet pasvctl {
	set own { type ipv4_addr; elements = { 203.0.113.7 }; }
}
*filter
:INPUT DROP [61050:61051]
-A INPUT -s 10.0.0.0/8 -p tcp -m multiport --dports 61020:61029,61040 -j ACCEPT
-A PASVCTL -p tcp --dport 61060 -j ACCEPT
COMMIT
create bad hash:net,port family inet maxelem 65536
add bad 192.0.2.0/28,tcp:61070
add bad 192.0.2.16/28,tcp:61070
`

func TestClassesOfPorts(t *testing.T) {
	n := names(foreign(printed))
	var got []string
	for _, c := range portOrder.classes([]span[uint16]{{first: 61000, last: 61092}}, n.ports) {
		text := ""
		for _, s := range c.spans {
			text += spec.PortRange{First: s.first, Last: s.last}.String() + " "
		}
		got = append(got, text)
	}
	want := []string{"61000-61010 ", "61011-61019 61030-61039 61041-61069 61071-61089 ", "61020-61029 61040 ", "61070 ", "61090 ", "61091-61092 "}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestClassesOfClients(t *testing.T) {
	n := names(foreign(printed))
	var got []string
	for _, c := range addressClasses([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("203.0.113.0/24")}, n) {
		got = append(got, text(c.spans))
	}
	// Both members of bad, which has ports, what no set names, and hosts.
	if want := []string{"192.0.2.0/28", "192.0.2.16/28", "192.0.2.32-192.0.2.65 and others", "192.0.2.66 and others"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzClasses: whatever a ruleset says, the classes are a partition.
func FuzzClasses(f *testing.F) {
	f.Add(printed)
	f.Add("tcp dport 0-65535 accept\nip saddr 0.0.0.0/0 drop\nip saddr 255.255.255.255 drop\n")
	f.Add("add x 61000\nset a {\n61001-61000, ::/0, 1.2.3.4-::1 }\n")
	f.Fuzz(func(t *testing.T, ruleset string) {
		n := names(foreign(ruleset))
		count := map[uint16]int{}
		whole := spec.PortRange{First: 61000, Last: 65535}
		for _, c := range portOrder.classes([]span[uint16]{{first: whole.First, last: whole.Last}}, n.ports) {
			for _, s := range c.spans {
				for p := int(s.first); p <= int(s.last); p++ {
					count[uint16(p)]++
				}
			}
		}
		for p := int(whole.First); p <= int(whole.Last); p++ {
			if count[uint16(p)] != 1 {
				t.Fatalf("port %d is in %d classes", p, count[uint16(p)])
			}
		}
		for _, everyone := range prefixes("0.0.0.0/0", "::/0") {
			next, spans := everyone.Addr(), map[netip.Addr]netip.Addr{}
			for _, c := range addressClasses([]netip.Prefix{everyone}, n) {
				for _, s := range c.spans {
					spans[s.first] = s.last
				}
			}
			for range spans {
				last, ok := spans[next]
				if !ok || last.Less(next) {
					t.Fatalf("%s is in no class, or in two", next)
				}
				next = last.Next()
			}
			if next.IsValid() {
				t.Fatalf("%s and beyond are in no class", next)
			}
		}
	})
}
