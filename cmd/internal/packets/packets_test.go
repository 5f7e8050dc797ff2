package packets_test

import (
	"flag"
	"net/netip"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// TestMain runs more tests side by side than there are processors: they mostly
// wait for silence.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set("8")
	}
	m.Run()
}

var (
	client4 = addr("192.0.2.7")
	client6 = addr("2001:db8:1::7")
	server4 = addr("203.0.113.10")
	server6 = addr("2001:db8::10")
)

func TestProbesTellDroppedFromAdmitted(t *testing.T) {
	bed := newBed(t, packets.Layout{Server: []netip.Addr{server4, server6}, Clients: []netip.Addr{client4, client6}})
	rules := "table inet t { chain in { type filter hook input priority 0; tcp dport 81 drop; }; }"
	if _, err := bed.Server.Run(rules, "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	echo, err := packets.NewEcho(bed.Server, addrPort(server4, 80), addrPort(server6, 80))
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	probes := []packets.Probe{
		{From: client4, To: addrPort(server4, 80), Want: packets.Admitted},
		{From: client4, To: addrPort(server4, 81), Want: packets.Dropped},
		{From: client4, To: addrPort(server4, 82), Want: packets.Admitted},
		{From: client6, To: addrPort(server6, 80), Want: packets.Admitted},
		{From: client6, To: addrPort(server6, 81), Want: packets.Dropped},
		{From: client6, To: addrPort(server6, 82), Want: packets.Admitted},
	}
	for _, r := range bed.Send(probes...) {
		if r.Err != nil || r.Got != r.Want {
			t.Errorf("%s to %s: got %q, want %q (%v)", r.From, r.To, r.Got, r.Want, r.Err)
		}
	}
}

func TestGatewayForwards(t *testing.T) {
	nat4, nat6 := addr("198.51.100.7"), addr("2001:db8:2::7")
	bed := newBed(t, packets.Layout{
		Server: []netip.Addr{server4, server6}, Clients: []netip.Addr{client4, client6}, Gateways: []netip.Addr{nat4, nat6},
	})
	at := []netip.AddrPort{addrPort(server4, 80), addrPort(server6, 80)}
	echo, err := packets.NewEcho(bed.Server, at...)
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	for i, from := range []netip.Addr{client4, client6} {
		c, err := bed.World.Dial(from, at[i], packets.Patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := packets.Exchange(c); err != nil {
			t.Error(err)
		}
	}
}

func newBed(t *testing.T, l packets.Layout) *packets.Bed {
	t.Helper()
	needs.Root(t)
	for _, tool := range []string{"ip", "nft"} {
		needs.Tool(t, tool)
	}
	bed, err := packets.New(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.Close(); err != nil {
			t.Error(err)
		}
	})
	return bed
}
