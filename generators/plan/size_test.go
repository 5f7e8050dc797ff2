package plan

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestSizesOfTheServers(t *testing.T) {
	for _, c := range []struct {
		server     string
		marked     bool
		perAddress int
		ports      int
		binding    string
	}{
		{"vsftpd", false, 50, 1857, "contention"},
		{"proftpd", false, 50, 401, "contention"},
		{"pureftpd", false, 50, 800, "server"},
		{"embedded", false, 50, 50, "per_address"},
		{"embedded", true, 50, 1, ""},
	} {
		site := newSite(newHost("edge1"), "a", 21, 400)
		site.Server, site.MarkedSessions, site.SessionsPerAddress = c.server, c.marked, c.perAddress
		if c.server == "embedded" {
			site.Objective.Squatted = 0
		}
		p, _ := build(t, nil, nil, site)
		got := p.Sites[0].Sizing
		if got.Ports != c.ports || c.binding != "" && got.Binding != c.binding {
			t.Errorf("%s, marked %t: %d ports by %s, want %d by %s", c.server, c.marked, got.Ports, got.Binding, c.ports, c.binding)
		}
	}
}

// A profile of the spec's own that says what sizing knows of vsftpd needs what
// vsftpd needs, and one that differs in one field does not.
func TestOwnProfile(t *testing.T) {
	known, _ := sizing.Lookup("vsftpd")
	own := func() *spec.Profile {
		p := known
		p.Name, p.Title = "appliance", "Appliance"
		return &spec.Profile{Profile: p}
	}
	scans, caps, wastes := own(), own(), own()
	scans.Pick, scans.Tries = "scan", 0
	caps.PortsPerSession = 10
	wastes.NeverDrawn = 3
	for _, c := range []struct {
		profile *spec.Profile
		ports   int
	}{{nil, 1857}, {own(), 1857}, {scans, 401}, {caps, 4000}, {wastes, 1860}} {
		site := newSite(newHost("edge1"), "a", 21, 400)
		site.Server, site.Profile = "vsftpd", c.profile
		p, _ := build(t, nil, nil, site)
		got := p.Sites[0]
		if got.Sizing.Ports != c.ports {
			t.Errorf("%+v needs %d ports, want %d", c.profile, got.Sizing.Ports, c.ports)
		}
		if c.profile != nil && got.Profile.Title != "Appliance" {
			t.Errorf("profile %+v", got.Profile)
		}
	}
}

func TestPins(t *testing.T) {
	site := newSite(newHost("edge1"), "downloads", 21, 400)
	site.Server, site.DataPorts = "vsftpd", ports(20000, 20099)
	p, placement, diags := Build(&spec.Spec{Sites: []*spec.Site{site}}, nil)
	if len(diags) != 1 || placement != nil || p == nil {
		t.Fatalf("%v", diags)
	}
	d := diags[0]
	if want := `Site "downloads": 400 sessions on vsftpd need 1,857 ports, but data_ports has 100. `; finding.Of(d) != finding.RangeTooSmall || !strings.HasPrefix(d.Detail, want) {
		t.Errorf("%s\nwant %s", d, want)
	}
	if d.Subject == nil || *d.Subject != site.Ranges["data_ports"] || !strings.Contains(d.Detail, "Widen data_ports to 1,857 ports") {
		t.Errorf("%s at %v", d.Detail, d.Subject)
	}

	enough := newSite(newHost("edge1"), "downloads", 21, 400)
	enough.Server, enough.DataPorts = "vsftpd", ports(20000, 21999)
	p, _ = build(t, nil, nil, enough)
	got := p.Sites[0]
	// Nine draws from 2,000 ports, 399 other sessions and a squatter.
	if want := math.Pow(400.0/2000, 9); !got.Pinned || got.DataPorts != ports(20000, 21999) || math.Abs(got.Refused-want) > want/1e6 {
		t.Errorf("pinned %t at %s, refused %g, want %g", got.Pinned, got.DataPorts, got.Refused, want)
	}
	if got.Sizing.Ports != 1857 {
		t.Errorf("needs %d", got.Sizing.Ports)
	}
}

func TestPinOverAService(t *testing.T) {
	for last, warnings := range map[uint16]int{27016: 0, 27017: 1, 29999: 1} {
		site := newSite(newHost("edge1"), "a", 21, 9)
		site.DataPorts = ports(26000, last)
		_, placement, diags := Build(&spec.Spec{Sites: []*spec.Site{site}}, nil)
		if len(diags) != warnings || diags.HasErrors() || placement == nil {
			t.Errorf("26000-%d: %v", last, diags)
		}
		if warnings > 0 && (!strings.Contains(diags[0].Detail, "27017") || *diags[0].Subject != site.Ranges["data_ports"]) {
			t.Errorf("26000-%d: %v", last, diags)
		}
	}
}

func TestFixedRange(t *testing.T) {
	for text, wrong := range map[string]bool{"": true, "8192-8199": true, "8192-8201": true, "8192-8200": false} {
		site := newSite(newHost("edge1"), "a", 21, 5)
		site.Server = "aws_transfer"
		if text != "" {
			site.DataPorts, _ = spec.ParsePortRange(text)
		}
		_, _, diags := Build(&spec.Spec{Sites: []*spec.Site{site}}, nil)
		if diags.HasErrors() != wrong {
			t.Errorf("%q: %v", text, diags)
		}
	}
}

func TestSizingErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*spec.Site)
		line   int
		rule   *finding.Rule
		detail string
	}{
		"more transfers than sessions carry": {
			func(s *spec.Site) {
				s.Traffic = &sizing.Traffic{Rate: 500, Transfer: 2 * time.Second, PeakFactor: 1}
			},
			14, finding.Overload, "400 sessions cannot carry 500 transfers/s of 2s. 400 sessions that are each busy for 2s carry less than 200 transfers/s: allow more than 1,000 sessions",
		},
		"more than one address's sessions carry": {
			func(s *spec.Site) {
				s.SessionsPerAddress = 2
				s.Traffic = &sizing.Traffic{Rate: 10, RatePerAddress: 5, Transfer: 2 * time.Second, PeakFactor: 1}
				s.Ranges["traffic.transfers_per_second_per_address"] = at(15)
			},
			15, finding.Overload, "2 sessions of one client address cannot carry 5 transfers/s of 2s",
		},
		"more ports than there are": {
			func(s *spec.Site) { s.Sessions, s.SessionsPerAddress = 100_000, 1 },
			12, finding.NoRangeSuffices, "64,512",
		},
		"no such server": {
			func(s *spec.Site) { s.Server = "wu-ftpd" },
			10, finding.UnknownServer, `"wu-ftpd"`,
		},
		"no such workload": {
			func(s *spec.Site) { s.Sessions = 0 },
			12, finding.ImpossibleWorkload, "concurrency.sessions is 0",
		},
	} {
		site := newSite(newHost("edge1"), "a", 21, 400)
		c.change(site)
		_, _, diags := Build(&spec.Spec{Sites: []*spec.Site{site}}, nil)
		if len(diags) != 1 {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		d := diags[0]
		if d.Severity != hcl.DiagError || d.Subject == nil || d.Subject.Start.Line != c.line || finding.Of(d) != c.rule || !strings.Contains(d.Detail, c.detail) {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// All mistakes of a spec come in one run, and the rest is planned for the
// mistakes that it may have.
func TestMistakesTogether(t *testing.T) {
	h := newHost("edge1")
	h.AvoidPorts = []spec.PortRange{ports(1024, 61999), ports(62100, 65535)}
	overloaded, pinned, unplaced, fine := newSite(h, "a", 21, 1), newSite(h, "b", 22, 50), newSite(h, "c", 23, 100), newSite(h, "d", 24, 9)
	overloaded.Traffic = &sizing.Traffic{Rate: 9, Transfer: time.Second}
	pinned.DataPorts = ports(62090, 62099)
	p, _, diags := Build(&spec.Spec{Sites: []*spec.Site{overloaded, pinned, unplaced, fine}}, nil)
	if len(diags) != 3 {
		t.Errorf("%d diagnostics: %v", len(diags), diags)
	}
	if got := ranges(p); !strings.Contains(got, "d 62000-62009") {
		t.Errorf("planned %s", got)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1857: "1,857", 64512: "64,512", 1234567: "1,234,567"} {
		if got := sizing.Count(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}

// A fleet of equal sites is sized once: one question for ten thousand.
func TestEqualSitesAskOnce(t *testing.T) {
	h := newHost("edge1")
	var sites []*spec.Site
	for i := range 10_000 {
		s := newSite(h, fmt.Sprintf("s%d", i), 21, 3+i%2)
		s.Traffic = &sizing.Traffic{Rate: 0.1, Connect: time.Second, Transfer: time.Second, PeakFactor: 1}
		sites = append(sites, s)
	}
	distinct := map[*answer]bool{}
	for _, a := range once(sites, func(s *spec.Site) question { return questionOf(s, 0) }, answerFor) {
		distinct[a] = true
	}
	if len(distinct) != 2 {
		t.Errorf("%d questions", len(distinct))
	}
}
