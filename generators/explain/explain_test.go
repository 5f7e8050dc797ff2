package explain

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

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
		Workload: sizing.Workload{Sessions: 400, SessionsPerAddress: 50, Objective: sizing.Objective{Refused: 1e-6, MaxWait: time.Second, Squatted: 1}},
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
	return Site(p.Sites[0], s.Server != "appliance")
}

var cases = map[string]*spec.Site{
	"vsftpd-worst-case": site("vsftpd", nil),
	"pureftpd":          site("pureftpd", nil),
	"embedded-clear": site("embedded", func(s *spec.Site) {
		s.Objective.Squatted = 0
	}),
	"embedded-tls": site("embedded", func(s *spec.Site) {
		s.Objective.Squatted = 0
		s.TLS, s.MarkedSessions = spec.TLS{Mode: spec.TLSExplicit, Required: true, ReuseRequired: true}, true
	}),
	"appliance": site("appliance", func(s *spec.Site) {
		s.Profile = &spec.Profile{Profile: sizing.Profile{
			Name: "appliance", Title: "Acme Appliance", Hold: "transfer", Pick: "scan", Scope: "port", WhenFull: "unknown",
			Strangers: "served", AbandonedHold: 5 * time.Minute, MinPorts: 1,
		}}
		s.Sessions, s.SessionsPerAddress = 200, 1
		s.Traffic = &sizing.Traffic{Rate: 2, Connect: 200 * time.Millisecond, Transfer: time.Second,
			ClientPorts: 28232, PeakFactor: 1, Parallel: 1}
	}),
	"embedded-traffic": site("embedded", func(s *spec.Site) {
		s.Objective.Squatted = 0
		s.Traffic = &sizing.Traffic{Rate: 20, Connect: 100 * time.Millisecond, Transfer: time.Second,
			Abandoned: 0.001, ClientPorts: 28232, PeakFactor: 1, Parallel: 4}
	}),
	"one session": site("vsftpd", func(s *spec.Site) {
		s.Sessions, s.SessionsPerAddress = 1, 1
	}),
	"proftpd-traffic-pinned": site("proftpd", func(s *spec.Site) {
		s.Traffic = &sizing.Traffic{Rate: 40, Connect: 120 * time.Millisecond, Transfer: 2 * time.Second,
			Abandoned: 0.002, ClientPorts: 28232, PeakFactor: 1.5}
		s.Objective.Refused = 1e-4
		s.DataPorts = spec.PortRange{First: 20000, Last: 20999}
		s.Announce = netip.MustParseAddr("198.51.100.7")
	}),
}

// says are clauses that a site's prose must hold, wherever its lines break.
var says = map[string][]string{
	"vsftpd-worst-case": {
		`Site "downloads" runs vsftpd on host "edge1", control port 21. Its passive ports are 61000-62856: 1,857 ports. That is the smallest safe number.`,
		"at most 0.0001 % may be refused. 1,856 ports would refuse just over that.",
		"server address, server port, client address, client port",
		"vsftpd tells data connections apart by the server port alone", "to the end of the transfer", "gives up after 9 draws", "If it finds none, the session ends.",
		"400 sessions at once, at most 50 of them behind one client address.", "every session wants a port at the same time",
		"One port refuses all here: 400 sessions compete for it, which serves one at a time, and another program may take it before any of them.",
		"it refuses all of the data connections while another session holds it.",
		"At best it carries 235 data connections a second of one client address", // 28,232 in 120 s
		"Verdict: one port does not work here; this site needs 1,857 ports.",
		"- contention: 1,857 ports, and it binds: ",
		"- concurrency.sessions: 1,300 ports or 2,414 ports", // 280·10^(2/3) and 520·10^(2/3)
		"30 % more or less of concurrency.sessions_per_address changes nothing.",
		"with probability 21.5 %, when all sessions wait at once.", // 400 of 1,857
		"- run pasvctl serve: 50 ports, 1,807 fewer (server)", "The range is the largest of these: 1,857 ports.",
		"- pasvctl serve: 50 ports, by its per_address bound", "- docker-pure-ftpd (two ports a client): 800 ports, 1,057 too few, refuses 0.195 %", // (400/800)^9

		"- Plesk (49152-65535): 16,384 ports, 14,527 more than needed",
		"It is outside 32768-60999", "only to clients that have a control connection",
	},
	"pureftpd":       {"61000-61799: 800 ports", "until its next PASV or the session's end", "- server: 800 ports, and it binds: ", "refuses the transfer"},
	"embedded-clear": {": 50 ports.", "by client address and port", "waits its turn, up to 1s"},
	"embedded-tls": {"Its passive ports are 61000: 1 port.", "by their TLS session", "One port is enough here: ",
		"They refuse none of the data connections;", "Verdict: one port works here", "Nothing: no range is smaller than one port."},
	"appliance": {
		// Engset's formula for 200 sources, 2.4 Erlang, one port: 70.7 %.
		"Acme Appliance tells data connections apart by the server port alone", "it refuses 70.7 % of the data connections.",
		"It carries at most 0.833 data connections a second of all clients together, one after the other; they ask for 2.", // 1/1.2 s
		"What it does if it finds none is not known.", "The profile does not say what Acme Appliance does if it finds no port.",
		"are refused if all 200 sessions start within 1s", "worst_case = true sizes it for all sessions at once, which takes 201 ports.",
		"whoever connects first is served", "No target writes a config for Acme Appliance: set its passive ports to 61000-61013 by hand.",
	},
	"embedded-traffic": {
		"At the peak 20 data connections a second, each 100ms until the client connects and 1s for the transfer; no connection follows 0.1 % of the PASVs",
		"a client asks with up to 4 sessions at the same time.", "50 sessions of one client address queue for it",
		"of each client address; the busiest asks for 20.", "all of the site's traffic; its 50 sessions can carry 39.8.", // 0.9·50/(0.999·1.1 + 0.001·32)
		"one in a hundred takes 621ms or more (from a lognormal distribution), and one in a thousand loses its SYN and takes 1s longer.",
		"only the other sessions of its own address wait for it",
		"- require TLS with session reuse: 1 port, ",
	},
	"one session": {
		"1 session at a time.", "another program may take it before the one session does.",
		"Verdict: one port would work if no other program could take it; this site needs 5 ports.", // (1/5)^9 = 5.1e-7
		"30 % more or less of concurrency.sessions or concurrency.sessions_per_address changes nothing.",
	},
	"proftpd-traffic-pinned": {
		"The spec pins them; ", "are open without need", "At the peak 60 data connections a second, each 120ms until the client connects and 2s for the transfer",
		"no connection follows 0.2 % of the PASVs", "The range is 20000-20999: the spec pins it (data_ports).", "The reply to PASV announces 198.51.100.7", "takes a port outside the range",
		"- traffic.transfers_per_second: ",
	},
}

func TestProse(t *testing.T) {
	for name, s := range cases {
		var prose strings.Builder
		if err := explained(t, s).WriteText(&prose, 80, true); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(prose.String(), "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("%s: longer than 80 columns: %s", name, line)
			}
		}
		text := strings.Join(strings.Fields(prose.String()), " ")
		for _, clause := range says[name] {
			if !strings.Contains(text, clause) {
				t.Errorf("%s: %q is not said in\n%s", name, clause, prose.String())
			}
		}
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
	if back["site"] != "downloads" || ports["count"] != 1857.0 || len(back["sections"].([]any)) != len(e.Sections) {
		t.Errorf("%s", text)
	}
}

// What a server makes of an upload that ends without close_notify is said where
// it is known, and what changes it.
func TestTruncatedUploads(t *testing.T) {
	secure := func(server string, required bool, truncated spec.Truncated) *spec.Site {
		return site(server, func(s *spec.Site) {
			s.TLS = spec.TLS{Mode: spec.TLSExplicit, Required: required, ReuseRequired: true}
			s.TruncatedUploads = truncated
		})
	}
	for name, c := range map[string]struct {
		site *spec.Site
		want string
	}{
		"embedded, required":         {secure("embedded", true, ""), "refuses such an upload with 426"},
		"embedded, offered":          {secure("embedded", false, ""), "accepts such an upload as complete"},
		"embedded, offered, refuse":  {secure("embedded", false, spec.RefuseTruncated), "refuses such an upload with 426"},
		"embedded, required, accept": {secure("embedded", true, spec.AcceptTruncated), "accepts such an upload as complete"},
		"vsftpd":                     {secure("vsftpd", true, ""), "strict_ssl_read_eof=NO"},
		"vsftpd, refuse":             {secure("vsftpd", true, spec.RefuseTruncated), "refuses such an upload with 426"},
		"proftpd":                    {secure("proftpd", true, ""), "has no setting"},
		"pureftpd":                   {secure("pureftpd", true, ""), "has no setting"},
		"sftpgo":                     {secure("sftpgo", true, ""), ""},
		"clear text":                 {site("vsftpd", nil), ""},
	} {
		text, _ := json.Marshal(explained(t, c.site).Sections)
		if c.want == "" && strings.Contains(string(text), "close_notify") || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, text)
		}
	}
}

// With foreign_data explain says what a port is exclusive to and what a stranger
// gains, and speaks of no gate.
func TestForeignData(t *testing.T) {
	foreign := func(server string, marked bool) *spec.Site {
		return site(server, func(s *spec.Site) {
			s.ForeignData, s.Gate, s.MarkedSessions = true, false, marked
			if marked {
				s.TLS = spec.TLS{Mode: spec.TLSExplicit, Required: true, ReuseRequired: true}
			}
		})
	}
	for name, c := range map[string]struct {
		site *spec.Site
		want []string
	}{
		"clear text": {foreign("embedded", false), []string{"with foreign_data, tells data connections apart by the server port alone",
			"all 400 sessions may hold a port at once", "whoever connects first is served, from any of the clients' addresses"}},
		"TLS":    {foreign("embedded", true), []string{"tells data connections apart by their TLS session", "a stolen port is useless"}},
		"vsftpd": {foreign("vsftpd", false), []string{"vsftpd tells data connections apart by the server port alone", "from any of the clients' addresses"}},
	} {
		text, _ := json.Marshal(explained(t, c.site).Sections)
		for _, want := range c.want {
			if want, _ := json.Marshal(want); !strings.Contains(string(text), strings.Trim(string(want), `"`)) {
				t.Errorf("%s: want %s in\n%s", name, want, text)
			}
		}
		if strings.Contains(string(text), "gate lets") || strings.Contains(string(text), "opens it only to clients that") {
			t.Errorf("%s: a gate in\n%s", name, text)
		}
	}
}
