package explain

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// site is 400 sessions, 50 an address, with the defaults of a spec.
func site(server string, adjust func(*spec.Site)) *spec.Site {
	host := &spec.Host{
		Name:           "edge1",
		Addresses:      []netip.Addr{netip.MustParseAddr("203.0.113.10")},
		EphemeralPorts: spec.PortRange{First: 32768, Last: 60999},
	}
	s := &spec.Site{
		Name: "downloads", Host: host, Addresses: host.Addresses, Server: server, Port: 21,
		Clients:          []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		IPv6ClientPrefix: 64, Gate: true, TLS: spec.TLS{Mode: spec.TLSOff},
		Concurrency: spec.Concurrency{Sessions: 400, SessionsPerAddress: 50},
		Objective:   spec.Objective{Refused: 1e-6, MaxWait: time.Second, Squatted: 1},
	}
	if adjust != nil {
		adjust(s)
	}
	return s
}

func explained(t *testing.T, s *spec.Site) Explanation {
	t.Helper()
	p, _, diags := plan.Build(&spec.Spec{Name: "test", Hosts: []*spec.Host{s.Host}, Sites: []*spec.Site{s}}, nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Site(p.Sites[0])
}

var cases = map[string]*spec.Site{
	"vsftpd-worst-case": site("vsftpd", nil),
	"pureftpd":          site("pureftpd", nil),
	"embedded-clear": site("embedded", func(s *spec.Site) {
		s.Objective.Squatted = 0
	}),
	"embedded-tls": site("embedded", func(s *spec.Site) {
		s.Objective.Squatted = 0
		s.TLS = spec.TLS{Mode: spec.TLSExplicit, Required: true, ReuseRequired: true}
	}),
	"proftpd-traffic-pinned": site("proftpd", func(s *spec.Site) {
		s.Traffic = &spec.Traffic{TransfersPerSecond: 40, ConnectTime: 120 * time.Millisecond, TransferTime: 2 * time.Second,
			Abandoned: 0.002, ClientPorts: 28232, PeakFactor: 1.5}
		s.Objective.Refused = 1e-4
		s.DataPorts = spec.PortRange{First: 20000, Last: 20999}
		s.Announce = netip.MustParseAddr("198.51.100.7")
	}),
}

func TestProse(t *testing.T) {
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			if err := explained(t, s).WriteText(&got, 88); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(got.String(), "\n") {
				if len([]rune(line)) > 88 {
					t.Errorf("longer than 88 columns: %s", line)
				}
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// The numbers of the worst case have closed forms: ⌈400/10^(−6/9)⌉ for nine
// draws, two ports a session for Pure-FTPd, the busiest address's sessions for
// a server that tells addresses apart, and one port where it tells sessions
// apart.
func TestNumbers(t *testing.T) {
	for name, want := range map[string]struct {
		ports   int
		binding string
	}{
		"vsftpd-worst-case": {1857, "contention"},
		"pureftpd":          {800, "server"},
		"embedded-clear":    {50, "per_address"},
		"embedded-tls":      {1, ""},
	} {
		e := explained(t, cases[name])
		if e.DataPorts.Count != want.ports || want.binding != "" && e.Binding != want.binding {
			t.Errorf("%s: %d ports, bound by %s; want %d, %s", name, e.DataPorts.Count, e.Binding, want.ports, want.binding)
		}
		if e.OnePort.Works != (want.ports == 1) {
			t.Errorf("%s: one port works: %v", name, e.OnePort.Works)
		}
		binding := 0
		for _, b := range e.Bounds {
			if b.Binds {
				binding++
				if b.Ports != want.ports {
					t.Errorf("%s: the bound that binds asks for %d ports of %d", name, b.Ports, want.ports)
				}
			}
		}
		if binding != 1 {
			t.Errorf("%s: %d bounds bind", name, binding)
		}
	}
	fewer := explained(t, cases["vsftpd-worst-case"]).OneFewer
	if fewer == nil || *fewer <= 1e-6 {
		t.Errorf("1,856 ports for vsftpd refuse %v, which must be more than the objective", fewer)
	}
}

func TestJSONIsTheSameDerivation(t *testing.T) {
	e := explained(t, cases["vsftpd-worst-case"])
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	ports := back["data_ports"].(map[string]any)
	if back["version"] != 1.0 || back["site"] != "downloads" || ports["count"] != 1857.0 || len(back["sections"].([]any)) != len(e.Sections) {
		t.Errorf("%s", text)
	}
}

func TestShare(t *testing.T) {
	for x, want := range map[float64]string{
		0: "none", 1: "100 %", 0.99999: "99.9 %", 0.5: "50 %", 0.8175: "81.8 %", 0.001: "0.1 %",
		1e-6: "1e-6", 9.987e-7: "9.99e-7", 2.5e-4: "2.5e-4", 1e-12: "1e-12",
	} {
		if got := Share(x); got != want {
			t.Errorf("Share(%v) = %q, want %q", x, got, want)
		}
	}
}
