package packets_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// family is one address family's part in a scenario.
type family struct {
	server  netip.Addr
	client  netip.Addr // inside clients
	twin    netip.Addr // another address of the same client: of its /64
	cousin  netip.Addr // another client inside clients: of the same /56
	mute    netip.Addr // inside clients; its handshakes are never finished
	outside netip.Addr
}

var families = map[string]family{
	"IPv4": {
		server: addr("203.0.113.10"), client: addr("192.0.2.7"), cousin: addr("192.0.2.8"),
		mute: addr("192.0.2.9"), outside: addr("198.51.100.9"),
	},
	"IPv6": {
		server: addr("2001:db8::10"), client: addr("2001:db8:1:1::7"), twin: addr("2001:db8:1:1::8"),
		cousin: addr("2001:db8:1:2::7"), mute: addr("2001:db8:1:3::7"), outside: addr("2001:db8:ffff::9"),
	},
}

// The sites of the scenarios. Their ranges lie side by side.
const (
	downloads = 21   // gated, cap 2, clients by /64
	edi       = 2121 // gated, cap 3, clients by /56
	public    = 2122 // no gate, for everyone
	foreign   = 2222 // the host's own, and no site's
)

var (
	downloadsData = spec.PortRange{First: 61000, Last: 61009}
	ediData       = spec.PortRange{First: 61010, Last: 61019}
	publicData    = spec.PortRange{First: 61030, Last: 61031}
)

func scenarioSites(into *spec.Chain) []*spec.Site {
	h := newHost(into, families["IPv4"].server, families["IPv6"].server)
	sites := []*spec.Site{
		newSite(h, "downloads", downloads, downloadsData, 2, "192.0.2.0/24", "2001:db8:1::/48"),
		newSite(h, "electronic-data-interchange", edi, ediData, 3, "192.0.2.0/24", "2001:db8:1::/48"),
		newSite(h, "public", public, publicData, 1, "0.0.0.0/0", "::/0"),
	}
	sites[1].IPv6ClientPrefix = 56
	sites[2].Gate = false
	return sites
}

// scenario is a bed with the rules of one backend loaded.
type scenario struct {
	t       *testing.T
	bed     *packets.Bed
	backend backend
	files   map[string]string
	family
}

// newScenario builds a bed whose server listens on everything that the tests
// connect to, and loads nothing.
func newScenario(t *testing.T, b backend, name string, into *spec.Chain) *scenario {
	t.Helper()
	b.needs(t)
	f := families[name]
	layout := packets.Layout{Server: []netip.Addr{f.server}, Clients: []netip.Addr{f.client, f.cousin, f.mute, f.outside}}
	if f.twin.IsValid() {
		layout.Clients = append(layout.Clients, f.twin)
	}
	s := &scenario{t: t, bed: newBed(t, layout), backend: b, family: f}
	var at []netip.AddrPort
	for _, port := range []uint16{downloads, edi, public, foreign, downloadsData.First, downloadsData.Last, ediData.First, ediData.Last} {
		at = append(at, addrPort(f.server, port))
	}
	echo, err := packets.NewEcho(s.bed.Server, at...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echo.Close() })
	s.files = rendered(t, b.target, nil, scenarioSites(into)...)
	return s
}

func (s *scenario) load() { s.backend.load(s.t, s.bed.Server, "edge1", s.files) }

// connect opens a connection that must be admitted and work.
func (s *scenario) connect(from netip.Addr, port uint16) net.Conn {
	s.t.Helper()
	c, err := s.bed.World.Dial(from, addrPort(s.server, port), packets.Patience)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	s.exchange(c)
	return c
}

func (s *scenario) exchange(c net.Conn) {
	s.t.Helper()
	if err := packets.Exchange(c); err != nil {
		s.t.Fatalf("%s to %s: %v", c.LocalAddr(), c.RemoteAddr(), err)
	}
}

// want lists the expected verdicts on new connections.
type want struct {
	from netip.Addr
	port uint16
	want packets.Verdict
	why  string
}

func (s *scenario) expect(list ...want) {
	s.t.Helper()
	var probes []packets.Probe
	for _, w := range list {
		probes = append(probes, packets.Probe{From: w.from, To: addrPort(s.server, w.port), Want: w.want})
	}
	for i, r := range s.bed.Send(probes...) {
		if r.Err != nil || r.Got != r.Want {
			s.t.Errorf("%s: %s to %s was %s, want %s %v", list[i].why, r.From, r.To, r.Got, r.Want, r.Err)
		}
	}
}

// forEach runs a test for each backend and address family.
func forEach(t *testing.T, test func(t *testing.T, b backend, family string)) {
	for _, b := range backends() {
		for name := range families {
			t.Run(b.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, b, name)
			})
		}
	}
}

func TestPolicyOnAnAcceptingHost(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		s.policy(packets.Admitted)
	})
}

func TestPolicyOnADroppingHost(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, b.into)
		b.dropping(t, s.bed.Server)
		s.load()
		s.policy(packets.Dropped)
	})
}

// policy checks the firewall policy rule by rule on a host that does beside
// with a new connection to a port of nobody's.
func (s *scenario) policy(beside packets.Verdict) {
	const admitted, dropped = packets.Admitted, packets.Dropped
	s.expect(
		want{s.client, downloadsData.First, dropped, "first data port without a control connection"},
		want{s.client, downloadsData.Last, dropped, "last data port without a control connection"},
		want{s.outside, downloads, dropped, "control port from outside clients"},
		want{s.outside, downloadsData.First, dropped, "data port from outside clients"},
		want{s.client, downloadsData.First - 1, beside, "port below the range"},
		want{s.client, ediData.Last + 1, beside, "port above the range"},
		want{s.client, downloads - 1, beside, "port below the control port"},
		want{s.client, downloads + 1, beside, "port above the control port"},
		want{s.outside, foreign, admitted, "the host's own port"},
		want{s.outside, public, admitted, "control port open to everyone"},
		want{s.outside, publicData.First, admitted, "first data port without a gate"},
		want{s.outside, publicData.Last, admitted, "last data port without a gate"},
	)
	s.connect(s.client, downloads)
	s.expect(
		want{s.client, downloadsData.First, admitted, "first data port with a control connection"},
		want{s.client, downloadsData.First + 5, admitted, "a data port with a control connection"},
		want{s.client, downloadsData.Last, admitted, "last data port with a control connection"},
		want{s.client, ediData.First, dropped, "first data port of the other site"},
		want{s.client, ediData.Last, dropped, "last data port of the other site"},
		want{s.cousin, downloadsData.First, dropped, "data port with another client's control connection"},
		want{s.outside, downloadsData.First, dropped, "data port from outside clients with another's control connection"},
		want{s.client, downloadsData.First - 1, beside, "port below the range with a control connection"},
	)
	s.connect(s.client, edi)
	s.expect(
		want{s.client, ediData.First, admitted, "first data port of the second site with a control connection"},
		want{s.client, ediData.Last, admitted, "last data port of the second site with a control connection"},
		want{s.client, ediData.Last + 1, beside, "port above the range with a control connection"},
	)
	if s.twin.IsValid() {
		s.expect(
			want{s.twin, downloadsData.First, admitted, "data port from the same /64"},
			want{s.cousin, downloadsData.First, dropped, "data port from another /64"},
			want{s.cousin, ediData.First, admitted, "data port from the same /56 of a site that goes by /56"},
		)
	}
}
