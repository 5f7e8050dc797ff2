package packets_test

import (
	"net/netip"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Only the port under test has a listener, so that a port that the gateway
// shifts to another is refused.
func TestGatewayKeepsEveryPort(t *testing.T) {
	outside := map[string]netip.Addr{"IPv4": addr("198.51.100.7"), "IPv6": addr("2001:db8:2::7")}
	forEach(t, func(t *testing.T, b backend, family string) {
		b.needs(t)
		f := families[family]
		nat := outside[family]
		bed := newBed(t, packets.Layout{Server: []netip.Addr{f.server}, Clients: []netip.Addr{f.client}, Gateways: []netip.Addr{nat}})
		sites := scenarioSites(nil)
		files := rendered(t, b.target, []*spec.Gateway{{Name: "nat1", Address: nat, Sites: sites}}, sites...)
		b.load(t, bed.Gateway, "nat1", files)
		b.load(t, bed.Gateway, "nat1", files)
		b.load(t, bed.Server, "edge1", files)

		arrives := func(port uint16) {
			t.Helper()
			echo, err := packets.NewEcho(bed.Server, addrPort(f.server, port))
			if err != nil {
				t.Fatal(err)
			}
			defer echo.Close()
			c, err := bed.World.Dial(f.client, addrPort(nat, port), packets.Patience)
			if err != nil {
				t.Errorf("port %d of the gateway: %v", port, err)
				return
			}
			defer c.Close()
			if err := packets.Exchange(c); err != nil {
				t.Errorf("port %d of the gateway: %v", port, err)
			}
		}
		for _, port := range []uint16{
			downloads, downloadsData.First, downloadsData.First + 5, downloadsData.Last,
			edi, ediData.First, ediData.Last, public, publicData.First, publicData.Last,
		} {
			arrives(port)
		}
	})
}

// A file for other sites takes the old entries away.
func TestGatewayForgetsOldSites(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		b.needs(t)
		f := families[family]
		nat := map[string]netip.Addr{"IPv4": addr("198.51.100.7"), "IPv6": addr("2001:db8:2::7")}[family]
		bed := newBed(t, packets.Layout{Server: []netip.Addr{f.server}, Clients: []netip.Addr{f.client}, Gateways: []netip.Addr{nat}})
		echo, err := packets.NewEcho(bed.Server, addrPort(f.server, downloads), addrPort(f.server, public))
		if err != nil {
			t.Fatal(err)
		}
		defer echo.Close()
		sites := scenarioSites(nil)
		for _, behind := range [][]*spec.Site{sites, sites[:1]} {
			b.load(t, bed.Gateway, "nat1", rendered(t, b.target, []*spec.Gateway{{Name: "nat1", Address: nat, Sites: behind}}, sites...))
		}
		if _, err := bed.World.Dial(f.client, addrPort(nat, downloads), packets.Patience); err != nil {
			t.Error(err)
		}
		if c, err := bed.World.Dial(f.client, addrPort(nat, public), packets.Patience); err == nil {
			c.Close()
			t.Error("the gateway still forwards a site that is no longer behind it")
		}
	})
}

// A control port may have another number on the gateway, where its own then leads
// nowhere; the data ports keep theirs.
func TestGatewayShiftsControlPorts(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		b.needs(t)
		f := families[family]
		nat := map[string]netip.Addr{"IPv4": addr("198.51.100.7"), "IPv6": addr("2001:db8:2::7")}[family]
		bed := newBed(t, packets.Layout{Server: []netip.Addr{f.server}, Clients: []netip.Addr{f.client}, Gateways: []netip.Addr{nat}})
		sites := scenarioSites(nil)
		g := &spec.Gateway{Name: "nat1", Address: nat, Sites: sites, ControlPorts: map[string]uint16{sites[0].Name: 30000}}
		files := rendered(t, b.target, []*spec.Gateway{g}, sites...)
		b.load(t, bed.Gateway, "nat1", files)
		b.load(t, bed.Gateway, "nat1", files)
		b.load(t, bed.Server, "edge1", files)
		echo, err := packets.NewEcho(bed.Server, addrPort(f.server, downloads), addrPort(f.server, downloadsData.First), addrPort(f.server, 30000))
		if err != nil {
			t.Fatal(err)
		}
		defer echo.Close()
		for _, try := range []struct{ outer, inner uint16 }{{30000, downloads}, {downloadsData.First, downloadsData.First}, {downloads, 0}, {30001, 0}} {
			c, err := bed.World.Dial(f.client, addrPort(nat, try.outer), packets.Patience)
			if err != nil {
				if try.inner != 0 {
					t.Errorf("port %d of the gateway: %v", try.outer, err)
				}
				continue
			}
			defer c.Close()
			at, _ := echo.Arrived(netip.MustParseAddrPort(c.LocalAddr().String()))
			if at != addrPort(f.server, try.inner) {
				t.Errorf("port %d of the gateway arrives at %s, not %d", try.outer, at, try.inner)
			}
		}
	})
}
