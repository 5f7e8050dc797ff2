package packets_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Hosts and sites at the edges of what a spec may say, each loaded twice.
func TestEveryShapeLoads(t *testing.T) {
	long := strings.Repeat("a-very-long-name-", 3) + "indeed"
	cases := map[string]func(h *spec.Host, s *spec.Site){
		"plain":     func(*spec.Host, *spec.Site) {},
		"IPv4 only": func(h *spec.Host, s *spec.Site) { h.Addresses = h.Addresses[:1]; s.Addresses = h.Addresses },
		"IPv6 only": func(h *spec.Host, s *spec.Site) { h.Addresses = h.Addresses[1:]; s.Addresses = h.Addresses },
		"no gate":   func(_ *spec.Host, s *spec.Site) { s.Gate = false },
		"one port": func(_ *spec.Host, s *spec.Site) {
			s.Server, s.Sessions, s.SessionsPerAddress, s.DataPorts.Last = "vsftpd", 1, 1, s.DataPorts.First
		},
		"whole prefix":      func(_ *spec.Host, s *spec.Site) { s.IPv6ClientPrefix = 128 },
		"shortest prefix":   func(_ *spec.Host, s *spec.Site) { s.IPv6ClientPrefix = 1 },
		"no IPv6 clients":   func(_ *spec.Host, s *spec.Site) { s.Clients = s.Clients[:1] },
		"interface":         func(h *spec.Host, _ *spec.Site) { h.Interface = "eth0.100" },
		"long name":         func(_ *spec.Host, s *spec.Site) { s.Name = long },
		"site of IPv4 only": func(_ *spec.Host, s *spec.Site) { s.Addresses = s.Addresses[:1] },
		"into inet": func(h *spec.Host, _ *spec.Site) {
			h.Firewall = &spec.Chain{Family: "inet", Table: "filter", Chain: "input"}
		},
		"into ip": func(h *spec.Host, s *spec.Site) {
			h.Addresses, h.Firewall = h.Addresses[:1], &spec.Chain{Family: "ip", Table: "fw", Chain: "in"}
			s.Addresses = h.Addresses
		},
		"into ip6": func(h *spec.Host, s *spec.Site) {
			h.Addresses, h.Firewall = h.Addresses[1:], &spec.Chain{Family: "ip6", Table: "fw", Chain: "in"}
			s.Addresses = h.Addresses
		},
	}
	for _, b := range backends() {
		for name, change := range cases {
			t.Run(b.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				b.needs(t)
				needs.Root(t)
				n, err := packets.NewNamespace()
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				run(t, n, "table inet filter { chain input { }; }\ntable ip fw { chain in { }; }\ntable ip6 fw { chain in { }; }\n", "nft", "-f", "-")
				h := newHost(nil, families["IPv4"].server, families["IPv6"].server)
				s := newSite(h, "downloads", downloads, downloadsData, 5, "0.0.0.0/0", "::/0")
				change(h, s)
				files := rendered(t, b.target, nil, s)
				for range 2 {
					b.load(t, n, "edge1", files)
				}
			})
		}
	}
}

// A chain of one family has that family's rules, on a host of that family.
func TestIntoAChainOfOneFamily(t *testing.T) {
	for into, name := range map[string]string{"ip": "IPv4", "ip6": "IPv6"} {
		t.Run(into, func(t *testing.T) {
			t.Parallel()
			s := newScenario(t, nft(), name, nil)
			run(t, s.bed.Server, fmt.Sprintf(`table %s fw { chain in {
				type filter hook input priority filter; policy drop;
				ct state established accept
				meta l4proto icmpv6 accept
				tcp dport %d accept
			}; }`, into, foreign), "nft", "-f", "-")
			sites := scenarioSites(&spec.Chain{Family: into, Table: "fw", Chain: "in"})
			for _, site := range sites {
				site.Host.Addresses = []netip.Addr{s.server}
				site.Addresses = site.Host.Addresses
			}
			s.files = rendered(t, "nftables", nil, sites...)
			s.load()
			s.policy(packets.Dropped)
		})
	}
}

// Rules that are bound to an interface leave the others alone.
func TestInterface(t *testing.T) {
	for device, verdict := range map[string]packets.Verdict{"eth0": packets.Dropped, "eth1": packets.Admitted} {
		forEach(t, func(t *testing.T, b backend, family string) {
			s := newScenario(t, b, family, nil) // its device is eth0
			sites := scenarioSites(nil)
			sites[0].Host.Interface = device
			s.files = rendered(t, b.target, nil, sites...)
			s.load()
			s.expect(want{s.outside, downloads, verdict, "control port from outside clients, with rules for " + device})
		})
	}
}

// One host with 1,000 sites: loaded, loaded again, and the policy holds for
// the first, the last and one in the middle.
func TestThousandSites(t *testing.T) {
	needs.Tool(t, "nft")
	f := families["IPv4"]
	bed := newBed(t, packets.Layout{Server: []netip.Addr{f.server}, Clients: []netip.Addr{f.client, f.outside}})
	h := newHost(nil, f.server, families["IPv6"].server)
	const count = 1000
	var sites []*spec.Site
	for i := range count {
		data := spec.PortRange{First: uint16(10000 + 10*i), Last: uint16(10009 + 10*i)}
		sites = append(sites, newSite(h, fmt.Sprintf("site%d", i), uint16(2000+i), data, 1+i%3, "192.0.2.0/24", "2001:db8:1::/48"))
	}
	files := rendered(t, "nftables", nil, sites...)
	for range 2 {
		nft().load(t, bed.Server, "edge1", files)
	}
	const admitted, dropped = packets.Admitted, packets.Dropped
	s := &scenario{t: t, bed: bed, family: f}
	for _, i := range []int{0, 499, count - 1} {
		site := sites[i]
		echo, err := packets.NewEcho(bed.Server, addrPort(f.server, site.Port))
		if err != nil {
			t.Fatal(err)
		}
		defer echo.Close()
		s.expect(
			want{f.client, site.DataPorts.First, dropped, site.Name + " without a control connection"},
			want{f.outside, site.Port, dropped, site.Name + " from outside clients"},
		)
		s.connect(f.client, site.Port)
		s.expect(
			want{f.client, site.DataPorts.First, admitted, site.Name + ", first data port"},
			want{f.client, site.DataPorts.Last, admitted, site.Name + ", last data port"},
		)
	}
	s.expect(want{f.client, sites[500].DataPorts.First, dropped, "a site beside one that is open"})
}
