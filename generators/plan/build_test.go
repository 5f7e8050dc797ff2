package plan

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// newHost is a host as package spec makes it, with one address of each family.
func newHost(name string) *spec.Host {
	return &spec.Host{
		Name:           name,
		Addresses:      []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")},
		EphemeralPorts: spec.PortRange{First: 32768, Last: 60999},
		Ranges:         spec.Ranges{"": at(1)},
	}
}

// newSite is a site as package spec makes it: no traffic, so that ProFTPD
// needs sessions + 1 ports, which makes sizes easy to tell.
func newSite(h *spec.Host, name string, port uint16, sessions int) *spec.Site {
	return &spec.Site{
		Name:             name,
		Host:             h,
		Addresses:        h.Addresses,
		Server:           "proftpd",
		Port:             port,
		Clients:          []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		IPv6ClientPrefix: 64,
		Gate:             true,
		TLS:              spec.TLS{Mode: spec.TLSOff},
		Workload:         sizing.Workload{Sessions: sessions, SessionsPerAddress: sessions, Objective: sizing.Objective{Refused: 1e-6, MaxWait: time.Second, Squatted: 1}},
		Ranges:           spec.Ranges{"": at(10), "concurrency.sessions": at(12), "data_ports": at(13), "traffic.transfers_per_second": at(14)},
	}
}

func at(line int) hcl.Range {
	return hcl.Range{Filename: "test.pasv.hcl", Start: hcl.Pos{Line: line, Column: 1, Byte: line * 100}, End: hcl.Pos{Line: line, Column: 5, Byte: line*100 + 4}}
}

func ports(first, last uint16) spec.PortRange { return spec.PortRange{First: first, Last: last} }

func build(t *testing.T, lock *Lock, gateways []*spec.Gateway, sites ...*spec.Site) (*Plan, *Placement) {
	t.Helper()
	p, placement, diags := Build(&spec.Spec{Name: "test", Sites: sites, Gateways: gateways}, lock)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p, placement
}

// ranges writes a plan's ranges as "a 61000-61010, b 61011-61020".
func ranges(p *Plan) string {
	var all []string
	for _, s := range p.Sites {
		all = append(all, s.Name+" "+s.DataPorts.String())
	}
	return strings.Join(all, ", ")
}

func TestDesignExample(t *testing.T) {
	site := newSite(newHost("edge1"), "downloads", 21, 400)
	site.Server = "vsftpd"
	p, _ := build(t, nil, nil, site)
	got := p.Sites[0]
	if got.DataPorts != ports(61000, 62856) || got.Refused > 1e-6 || got.Pinned {
		t.Errorf("placed at %s, refused %g, pinned %t", got.DataPorts, got.Refused, got.Pinned)
	}
}

func TestOrderOfTheSpecDoesNotMatter(t *testing.T) {
	h := newHost("edge1")
	a, b, c := newSite(h, "a", 21, 99), newSite(h, "b", 2121, 199), newSite(h, "c", 2122, 299)
	const want = "a 61000-61099, b 61100-61299, c 61300-61599"
	for _, order := range [][]*spec.Site{{a, b, c}, {c, b, a}, {b, c, a}} {
		if p, _ := build(t, nil, nil, order...); ranges(p) != want {
			t.Errorf("%s, want %s", ranges(p), want)
		}
	}
}

func TestRangesStayClear(t *testing.T) {
	for name, c := range map[string]struct {
		avoid     []spec.PortRange
		ephemeral spec.PortRange
		sites     []int // sessions; their control ports are 61125, 61126 ...
		want      string
	}{
		"control ports":       {nil, ports(32768, 60999), []int{99, 19}, "s0 61000-61099, s1 61100-61119"},
		"avoid_ports":         {[]spec.PortRange{ports(61000, 61050)}, ports(32768, 60999), []int{79, 29}, "s0 61127-61206, s1 61051-61080"},
		"second choice":       {[]spec.PortRange{ports(61000, 65535)}, ports(32768, 60999), []int{99}, "s0 20000-20099"},
		"well-known services": {[]spec.PortRange{ports(61000, 65535)}, ports(32768, 60999), []int{7999}, "s0 15673-23672"},
		"lowest of the rest":  {[]spec.PortRange{ports(20000, 65535)}, ports(32768, 60999), []int{99}, "s0 1081-1180"},
		"across the choices":  {nil, ports(1024, 50000), []int{14999}, "s0 50001-65000"},
	} {
		h := newHost("edge1")
		h.AvoidPorts, h.EphemeralPorts = c.avoid, c.ephemeral
		var sites []*spec.Site
		for i, sessions := range c.sites {
			sites = append(sites, newSite(h, fmt.Sprintf("s%d", i), uint16(61125+i), sessions))
		}
		if name == "across the choices" {
			sites[0].Port = 21
		}
		p, _ := build(t, nil, nil, sites...)
		if got := ranges(p); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
