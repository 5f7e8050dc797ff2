package plan

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// loaded is a site of a spec with these attributes and blocks, by the server.
func loaded(t *testing.T, server, body string) *spec.Spec {
	t.Helper()
	source := `host "edge1" { addresses = ["203.0.113.10"] }
site "a" {
  host   = "edge1"
  server = "` + server + `"
  port   = 21
` + body + "\n}\n"
	s, diags := spec.Load(fstest.MapFS{"a.pasv.hcl": {Data: []byte(source)}}, []string{"a.pasv.hcl"}, spec.Options{Servers: sizing.Profiles()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// What is serious about a site, or out of its server's reach, is said at the
// line that asks for it.
func TestSeriousRemarks(t *testing.T) {
	const busy = `  concurrency {
    sessions             = 400
    sessions_per_address = 20
  }
  traffic {
    transfers_per_second = 240
    connect_time         = "50ms"
    transfer_time        = "100ms"
  }
  objective {
    refused = `
	for name, c := range map[string]struct {
		server, body string
		severity     hcl.DiagnosticSeverity
		line         int
		says         []string
	}{
		"the race costs half as many ports again": {
			"proftpd", busy + "1e-3\n  }", hcl.DiagWarning, 16,
			[]string{"the listen race of ProFTPD takes", `In site "a", the listen race`, "pyftpdlib with"},
		},
		"an objective below the floor of the race": {
			// λδ = 0.06, over the 400 ports that are left of the worst case's.
			"proftpd", busy + "1e-7\n  }", hcl.DiagError, 16,
			[]string{`In site "a", ProFTPD cannot keep the refused share within 0.00001 %`, "with 401 ports", "0.0154 %", "Write refused = 0.00016 or more", "pyftpdlib", "vsftpd"},
		},
		"more than a NAT's block of ports carries": {
			"embedded", `  concurrency { sessions = 400 }
  traffic {
    transfers_per_second = 40
    client_ports         = 512
  }`, hcl.DiagWarning, 9, []string{"RFC 4787", "512 source ports"},
		},
		"nine ports for fifty sessions of an address": {
			"aws_transfer", `  data_ports = "8192-8200"
  concurrency {
    sessions             = 400
    sessions_per_address = 50
  }`, hcl.DiagError, 9, []string{"AWS Transfer Family", "9 ports", "it needs 51", "of one client address"},
		},
	} {
		_, _, diags := Build(loaded(t, c.server, c.body), nil)
		if len(diags) != 1 {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		d := diags[0]
		if d.Severity != c.severity || d.Subject == nil || d.Subject.Start.Line != c.line {
			t.Errorf("%s: %v at %v, want line %d", name, d, d.Subject, c.line)
		}
		for _, clause := range c.says {
			if !strings.Contains(d.Detail, clause) {
				t.Errorf("%s: %q is not said in: %s; %s", name, clause, d.Summary, d.Detail)
			}
		}
	}
}

// Whatever package spec lets a profile say, package sizing can size.
func TestEdgesOfOwnProfiles(t *testing.T) {
	for _, body := range []string{
		"hold = \"listen\"\npick = \"random\"\ndraws = 65535\nabandoned_hold = \"24h\"\nrace_window = \"1s\"\nport_rest = \"1h\"\nports_per_session = 100\nmin_ports = 64512\nnever_drawn = 64511\nfixed_ports = 64512",
		"hold = \"session\"\npick = \"scan_window\"\ndraws = 1\nabandoned_hold = \"1ms\"\nscope = \"address_port\"\nwhen_full = \"waits\"\nstrangers = \"ignored\"",
		"hold = \"transfer\"\npick = \"distinct\"\ndraws = 1\nscope = \"port\"\nwhen_full = \"drops_session\"\nstrangers = \"refused\"",
		"hold = \"transfer\"\nwhen_full = \"leaves_range\"\nmarks_sessions = true\nresumes_tls = true\nholds_range = true",
	} {
		source := "profile \"own\" {\n" + body + "\n}\n"
		s, diags := spec.Load(fstest.MapFS{"a.pasv.hcl": {Data: []byte(source)}}, []string{"a.pasv.hcl"}, spec.Options{})
		if len(s.Profiles) != 1 {
			t.Errorf("%s: %v", body, diags)
			continue
		}
		if err := s.Profiles[0].Check(); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A profile that no server can have is reported once, where it stands, and not
// for each site that names it.
func TestImpossibleProfile(t *testing.T) {
	own := &spec.Profile{Ranges: spec.Ranges{"": at(3), "draws": at(5)}, Profile: sizing.Profile{
		Name: "appliance", Hold: "transfer", Pick: "random", Scope: "port", WhenFull: "refuses", Strangers: "served",
		AbandonedHold: time.Minute, MinPorts: 1,
	}}
	a, b := newSite(newHost("edge1"), "a", 21, 9), newSite(newHost("edge1"), "b", 22, 10)
	for _, s := range []*spec.Site{a, b} {
		s.Server, s.Profile = "appliance", own
	}
	_, placement, diags := Build(&spec.Spec{Sites: []*spec.Site{a, b}}, nil)
	if len(diags) != 1 || placement != nil || diags[0].Subject.Start.Line != 5 || !strings.Contains(diags[0].Detail, `In profile "appliance", draws is 0`) {
		t.Errorf("%v", diags)
	}
}

// The buggy server that goes by the local port alone: one transfer a port,
// whoever asks, until it ends. Nothing else known, it looks at every port.
func TestServerThatGoesByTheLocalPort(t *testing.T) {
	s := loaded(t, "appliance", `  concurrency {
    sessions             = 200
    sessions_per_address = 1
  }
}
profile "appliance" {
  hold  = "transfer"
  scope = "port"
`)
	p, _, diags := Build(s, nil)
	if diags.HasErrors() || len(p.Sites) != 1 {
		t.Fatal(diags)
	}
	got := p.Sites[0]
	if got.Sizing.Ports != 201 || got.Sizing.OnePort.Works {
		t.Errorf("200 sessions and a squatter take %d ports: %+v", got.Sizing.Ports, got.Sizing.OnePort)
	}
}

// Equal sites have equal doubts, each at its own place.
func TestSensitivities(t *testing.T) {
	h := newHost("edge1")
	small, large := newSite(h, "a", 21, 10), newSite(h, "b", 22, 400)
	again := newSite(h, "c", 23, 10)
	p, _ := build(t, nil, nil, small, large, again)
	all := p.Sensitivities()
	want := map[string][2]int{"a": {8, 14}, "b": {281, 521}, "c": {8, 14}} // 0.7·S and 1.3·S, and a squatter
	for i, s := range p.Sites {
		first := all[i][0]
		if first.Attribute != "concurrency.sessions" || [2]int{first.Less, first.More} != want[s.Name] {
			t.Errorf("%s: %+v", s.Name, first)
		}
	}
}

// A range that one figure more would take, and for which the host has no room,
// is said to have none.
func TestSensitivityThatHasNoRoom(t *testing.T) {
	h := newHost("edge1")
	h.AvoidPorts = []spec.PortRange{ports(1024, 61999), ports(62110, 65535)}
	site := newSite(h, "a", 21, 100)
	p, _ := build(t, nil, nil, site)
	for _, in := range p.Sensitivities()[0] {
		if in.Attribute != "concurrency.sessions" {
			continue
		}
		if in.Less == 0 || in.LessError != "" || in.More != 0 || !strings.Contains(in.MoreError, `131 ports, for which host "edge1" has no room`) {
			t.Errorf("%+v", in)
		}
	}
}
