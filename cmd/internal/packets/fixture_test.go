package packets_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func newHost(into *spec.Chain, addresses ...netip.Addr) *spec.Host {
	return &spec.Host{
		Name: "edge1", Addresses: addresses, Firewall: into,
		EphemeralPorts: spec.PortRange{First: 32768, Last: 60999},
	}
}

// newSite is a gated site with a pinned range and an own cap, open to the
// given clients.
func newSite(h *spec.Host, name string, control uint16, data spec.PortRange, perAddress int, clients ...string) *spec.Site {
	s := &spec.Site{
		Name: name, Host: h, Addresses: h.Addresses, Server: "proftpd", Port: control,
		IPv6ClientPrefix: 64, Gate: true, TLS: spec.TLS{Mode: spec.TLSOff},
		Workload:  sizing.Workload{Sessions: perAddress, SessionsPerAddress: perAddress, Objective: sizing.Objective{Refused: 1e-6, MaxWait: time.Second}},
		DataPorts: data,
		Ranges:    spec.Ranges{"": hcl.Range{Filename: "test.pasv.hcl"}},
	}
	for _, c := range clients {
		s.Clients = append(s.Clients, netip.MustParsePrefix(c))
	}
	return s
}

// rendered is what one target makes of the sites, by path.
func rendered(t testing.TB, target string, gateways []*spec.Gateway, sites ...*spec.Site) map[string]string {
	t.Helper()
	p, _, diags := plan.Build(&spec.Spec{Name: "test.pasv.hcl", Sites: sites, Gateways: gateways}, nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	files := map[string]string{}
	for _, k := range generators.Kinds() {
		if k.Name != target {
			continue
		}
		list, diags := k.New().Files(p)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, f := range list {
			files[f.Path] = string(f.Content)
		}
	}
	if len(files) == 0 {
		t.Fatalf("target %q made no files", target)
	}
	return files
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// prefixes are the prefixes that hold just these addresses.
func prefixes(addresses ...netip.Addr) (all []netip.Prefix) {
	for _, a := range addresses {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}
