package packets_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/needs"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// crowd are the clients that connect at once, each less often than its cap.
const crowd = 200

// BenchmarkNewConnections measures new connections a second to the last site of
// a host, through the rules of 1, 100 and 1,000 sites and through none: to its
// control port, and through the gate to its data ports.
func BenchmarkNewConnections(b *testing.B) {
	needs.Root(b)
	needs.Tool(b, "nft")
	for _, sites := range []int{0, 1, 100, 1000} {
		b.Run(fmt.Sprintf("sites=%d", sites), func(b *testing.B) {
			server := addr("203.0.113.10")
			var clients []netip.Addr
			for i := range crowd {
				clients = append(clients, netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
			}
			bed, err := packets.New(packets.Layout{Server: []netip.Addr{server}, Clients: clients})
			if err != nil {
				b.Fatal(err)
			}
			defer bed.Close()
			control, data := uint16(2000), uint16(10000)
			if sites > 0 {
				control, data = uint16(1999+sites), uint16(9990+10*sites)
				if _, err := bed.Server.Run(rendered(b, "nftables", nil, fleet(server, sites)...)["edge1/nftables.nft"], "nft", "-f", "-"); err != nil {
					b.Fatal(err)
				}
			}
			echo, err := packets.NewEcho(bed.Server, addrPort(server, control), addrPort(server, data))
			if err != nil {
				b.Fatal(err)
			}
			defer echo.Close()
			for _, port := range []uint16{control, data} {
				b.Run(map[uint16]string{control: "control", data: "data"}[port], func(b *testing.B) {
					connectAll(b, bed, clients, addrPort(server, control)) // opens the gate
					for b.Loop() {
						connectAll(b, bed, clients, addrPort(server, port))
					}
					b.ReportMetric(float64(b.N)*crowd/b.Elapsed().Seconds(), "connections/s")
				})
			}
		})
	}
}

// fleet are sites with a gate, for the clients of the benchmark only.
func fleet(server netip.Addr, count int) (sites []*spec.Site) {
	h := newHost(nil, server)
	for i := range count {
		data := spec.PortRange{First: uint16(10000 + 10*i), Last: uint16(10009 + 10*i)}
		sites = append(sites, newSite(h, fmt.Sprintf("site%d", i), uint16(2000+i), data, 8, "192.0.2.0/24"))
	}
	return sites
}

func connectAll(b *testing.B, bed *packets.Bed, clients []netip.Addr, to netip.AddrPort) {
	probes := make([]packets.Probe, len(clients))
	for i, c := range clients {
		probes[i] = packets.Probe{From: c, To: to, Want: packets.Admitted}
	}
	for _, r := range bed.Send(probes...) {
		if r.Got != packets.Admitted || r.Err != nil {
			b.Fatalf("from %s to %s: %s %v", r.From, r.To, r.Got, r.Err)
		}
	}
}
