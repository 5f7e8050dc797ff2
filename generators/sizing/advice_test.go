package sizing

import (
	"errors"
	"math"
	"sort"
	"strings"
	"testing"
	"time"
)

func TestCompareCoversEveryServer(t *testing.T) {
	w := edi()
	embedded := mustLookup(t, "embedded")
	w.Objective.Squatted = 0
	need := map[string]int{}
	all := Compare(embedded, w)
	for i, c := range all {
		if c.Err != nil && c.Profile.FixedPorts == 0 {
			t.Errorf("%s: %v", c.Profile.Name, c.Err)
		}
		if i > 0 && all[i-1].Profile.Name >= c.Profile.Name {
			t.Error("not sorted by name")
		}
		need[c.Profile.Name] = c.Result.Ports
	}
	if len(need) != len(Profiles()) {
		t.Errorf("%d of %d profiles", len(need), len(Profiles()))
	}
	if need["embedded"] >= need["pyftpdlib"] || need["pyftpdlib"] >= need["vsftpd"] {
		t.Errorf("%v", need)
	}
	// In the embedded daemon's place another program may squat a port.
	w.Objective.Squatted = 1
	if r := size(t, mustLookup(t, "vsftpd"), w); r.Ports != need["vsftpd"] {
		t.Errorf("vsftpd in the daemon's place: %d ports, with a squatter %d", need["vsftpd"], r.Ports)
	}
}

// What is advised is what the change then gives.
func TestAdviceIsComputed(t *testing.T) {
	w := edi()
	w.Traffic.Abandoned = 0.005
	for _, server := range []string{"embedded", "vsftpd", "pureftpd", "proftpd"} {
		p := mustLookup(t, server)
		now := size(t, p, w).Ports
		advice := Advise(p, w)
		if len(advice) == 0 {
			t.Errorf("%s with %d ports: no advice", server, now)
		}
		if !sort.SliceIsSorted(advice, func(i, j int) bool { return advice[i].Saves > advice[j].Saves }) {
			t.Errorf("%s: not sorted by saving: %+v", server, advice)
		}
		offered := map[string]Advice{}
		for _, a := range advice {
			if a.Saves <= 0 || a.Ports+a.Saves != now {
				t.Errorf("%s, %d ports: %+v", server, now, a)
			}
			offered[a.Attribute] = a
		}
		if server == "embedded" {
			tls := w
			tls.MarkedSessions = true
			if a := offered["tls"]; a.Ports != size(t, p, tls).Ports {
				t.Errorf("TLS: %+v", a)
			}
		}
		if a := offered["server"]; server != "embedded" && (a.Ports == 0 || a.Ports > now/2) {
			t.Errorf("%s: another server: %+v", server, a)
		}
		if a, ok := offered["idle_timeout"]; server == "vsftpd" && (!ok || a.Saves < 10) {
			t.Errorf("vsftpd keeps an abandoned port for 300 s, and nothing is said of it: %+v", advice)
		}
	}
	if got := Advise(mustLookup(t, "vsftpd"), Workload{}); got != nil {
		t.Errorf("advice for no workload: %+v", got)
	}
}

func TestSensitivity(t *testing.T) {
	w := edi()
	p := mustLookup(t, "vsftpd")
	now := size(t, p, w).Ports
	byName := map[string]Influence{}
	all := Sensitivity(p, w)
	for i, in := range all {
		byName[in.Attribute] = in
		if i > 0 && all[i-1].Spread() < in.Spread() {
			t.Error("not sorted by importance")
		}
	}
	rate := byName["traffic.transfers_per_second"]
	if rate.Less >= now || rate.More <= now {
		t.Errorf("%d ports, rate %+v", now, rate)
	}
	more := w
	changed := *w.Traffic
	changed.Rate *= 1.3
	more.Traffic = &changed
	if r := size(t, p, more); r.Ports != rate.More {
		t.Errorf("at 1.3 times the rate %d ports, said %d", r.Ports, rate.More)
	}
	if in := byName["traffic.transfer_time"]; in.Spread() <= byName["traffic.connect_time"].Spread() {
		t.Errorf("2 s of transfer matter less than 120 ms of connecting: %+v", all)
	}
	if _, given := byName["traffic.abandoned"]; given {
		t.Error("nothing is abandoned, and yet it varies")
	}
	if w.Traffic.Rate != 40 || w.Sessions != 400 {
		t.Error("the workload itself was changed")
	}
	// At 150/s of 2.12 s, 400 sessions are 80 % busy: 30 % more overloads them.
	w.Traffic.Rate = 150
	if first := Sensitivity(p, w)[0]; !strings.Contains(first.LessError+first.MoreError, "cannot carry") {
		t.Errorf("overload is not the first thing said: %+v", first)
	}
	w.Traffic = nil
	if all := Sensitivity(p, w); len(all) != 2 {
		t.Errorf("without traffic: %+v", all)
	}
}

func TestRulesOfThumb(t *testing.T) {
	w := edi()
	want := map[string]int{
		"docker-pure-ftpd": 800, "OneUptime": 4000, "CompleteFTP": 100, "fauria/vsftpd": 11, "AWS Transfer Family": 9,
		"Plesk": 65535 - 49152 + 1, "ProFTPD": 65534 - 49152 + 1, "ProFTPD on AWS": 65535 - 60000 + 1,
		"FileZilla Server": 40*4*60 + 1, "Axway SecureTransport": 2000,
	}
	got := RulesOfThumb(w)
	for _, r := range got {
		if r.Ports != want[r.Name] || r.Source == "" || r.Says == "" {
			t.Errorf("%+v, want %d", r, want[r.Name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d rules, want %d", len(got), len(want))
	}
	w.Traffic = nil
	if n := len(RulesOfThumb(w)); n != len(want)-1 {
		t.Errorf("%d rules without traffic", n)
	}
}

func TestTheftOdds(t *testing.T) {
	w := edi()
	p := mustLookup(t, "vsftpd")
	odds := TheftOdds(p, w, 100)
	// 40/s wait for 120 ms: 4.8 ports of the 100.
	if math.Abs(odds.Hit-0.048) > 1e-12 || !odds.Takes || odds.FromAnywhere || !odds.Spoils {
		t.Errorf("vsftpd: %+v", odds)
	}
	w.MarkedSessions = true
	if o := TheftOdds(p, w, 100); o.Takes || !o.Spoils {
		t.Errorf("vsftpd with TLS session reuse: %+v", o)
	}
	if o := TheftOdds(mustLookup(t, "pureftpd"), w, 100); !o.Takes || o.FromAnywhere || o.Spoils {
		t.Errorf("Pure-FTPd does not demand reuse: %+v", o)
	}
	if o := TheftOdds(mustLookup(t, "goftp"), w, 100); !o.FromAnywhere {
		t.Errorf("goftp: %+v", o)
	}
	if o := TheftOdds(mustLookup(t, "embedded"), w, 1); o.Takes || o.Spoils || o.Hit < 0.99 || o.Hit > 1 {
		t.Errorf("the embedded daemon on one port under TLS: %+v", o)
	}
	w.ForeignData = true
	if o := TheftOdds(mustLookup(t, "embedded"), w, 100); o.Takes || o.FromAnywhere {
		t.Errorf("the embedded daemon under TLS with foreign_data: %+v", o)
	}
	if o := TheftOdds(p, w, 100); o.Takes || !o.Spoils {
		t.Errorf("vsftpd under TLS with foreign_data: %+v", o)
	}
	w.MarkedSessions = false
	for _, server := range []string{"embedded", "vsftpd"} {
		if o := TheftOdds(mustLookup(t, server), w, 100); math.Abs(o.Hit-0.048) > 1e-12 || !o.Takes || !o.FromAnywhere || o.Spoils {
			t.Errorf("%s in clear text with foreign_data: %+v", server, o)
		}
	}
	w.Traffic, w.ForeignData = nil, false
	if o := TheftOdds(p, w, 1857); math.Abs(o.Hit-400.0/1857) > 1e-12 {
		t.Errorf("in the worst case: %+v", o)
	}
}

// custom is a profile that holds to the session's end, to be edited.
func custom(name string) Profile {
	return Profile{
		Name: name, Title: name,
		Hold: HoldSession, Pick: PickScan, Scope: ScopePort, WhenFull: FullUnknown,
		AbandonedHold: 15 * time.Minute, MinPorts: 1, Strangers: StrangersServed,
	}
}

func TestCustomProfileIsChecked(t *testing.T) {
	if err := custom("mine").Check(); err != nil {
		t.Error(err)
	}
	for field, spoil := range map[string]func(*Profile){
		"hold":              func(p *Profile) { p.Hold = "forever" },
		"pick":              func(p *Profile) { p.Pick = "" },
		"tries":             func(p *Profile) { p.Pick = PickRandom },
		"scope":             func(p *Profile) { p.Scope = "galaxy" },
		"when_full":         func(p *Profile) { p.WhenFull = "cries" },
		"strangers":         func(p *Profile) { p.Strangers = "hugged" },
		"abandoned_hold":    func(p *Profile) { p.AbandonedHold = -time.Second },
		"port_rest":         func(p *Profile) { p.PortRest = 2 * time.Hour },
		"race_window":       func(p *Profile) { p.RaceWindow = time.Minute },
		"ports_per_session": func(p *Profile) { p.PortsPerSession = -1 },
		"min_ports":         func(p *Profile) { p.MinPorts = 65536 },
		"never_drawn":       func(p *Profile) { p.NeverDrawn = -1 },
	} {
		p := custom("mine")
		spoil(&p)
		var wrong *ProfileError
		if err := p.Check(); !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A remark is made where it applies and not elsewhere.
func TestRemarks(t *testing.T) {
	names := func(server string, w Workload) map[string]bool {
		all := map[string]bool{}
		p := mustLookup(t, server)
		for _, m := range Remarks(p, w, size(t, p, w)) {
			if m.Summary == "" || m.Detail == "" || m.Detail[len(m.Detail)-1] != '.' {
				t.Errorf("%+v", m)
			}
			all[m.Name] = true
		}
		return all
	}
	w := edi()
	if got := names("vsftpd", w); !got["squatting"] || got[BoundListenRace] || got["leaves_range"] || got["nat"] {
		t.Errorf("vsftpd: %v", got)
	}
	if got := names("pyftpdlib", w); !got["leaves_range"] {
		t.Errorf("pyftpdlib: %v", got)
	}
	if got := names("iis", w); !got["unknown_server"] || got["bursts"] {
		t.Errorf("IIS: %v", got)
	}
	w.Objective.WorstCase = true
	if got := names("vsftpd", w); len(got) != 0 {
		t.Errorf("vsftpd in the worst case: %v", got)
	}
}

// Of bounds that are as large the one that gives the refused share is named, so
// that plan's figure and its reason belong together.
func TestBindingGivesTheShare(t *testing.T) {
	// A burst of one session takes one port, as a port that TLS shares does.
	w := Workload{Sessions: 4, SessionsPerAddress: 4, Traffic: &Traffic{Rate: 0.05, Connect: 10 * time.Millisecond, Transfer: 10 * time.Millisecond},
		Objective: Objective{Refused: 1e-2, MaxWait: time.Second}}
	r := size(t, mustLookup(t, "embedded"), w)
	if r.Ports != 1 || r.Binding != BoundPerAddress || r.Refused == 0 {
		t.Errorf("%d ports by %s refuse %g: %+v", r.Ports, r.Binding, r.Refused, r.Bounds)
	}
}

// One port's verdict is the same word wherever it is shown, and completes a sentence.
func TestVerdictOnOnePort(t *testing.T) {
	w := edi()
	for server, want := range map[string]string{"vsftpd": "refuses all", "embedded": "is too few", "proftpd": "refuses all"} {
		if got := size(t, mustLookup(t, server), w).OnePort.Verdict; got != want {
			t.Errorf("%s: one port %s, want %s", server, got, want)
		}
	}
	w.MarkedSessions, w.Objective.Squatted = true, 0
	if got := size(t, mustLookup(t, "embedded"), w).OnePort.Verdict; got != "is enough" {
		t.Errorf("marked sessions: one port %s", got)
	}
	w.MarkedSessions = false
	w.Sessions, w.Traffic.Rate = 4, 0.2
	if o := size(t, mustLookup(t, "pyftpdlib"), w).OnePort; o.Verdict != "refuses "+Share(o.Refused) || o.Refused == 1 {
		t.Errorf("pyftpdlib: %+v", o)
	}
}

// Where nothing is known of the traffic, a traffic block is a remedy; and one
// session is one.
func TestWordsOfOneSessionAndOfNoTraffic(t *testing.T) {
	var far *UnreachableError
	_, err := Size(mustLookup(t, "vsftpd"), Workload{Sessions: 20000, SessionsPerAddress: 5, Objective: Objective{Refused: 1e-6}})
	if !errors.As(err, &far) || !strings.Contains(far.Remedy(), "fewer sessions, or add a traffic block") {
		t.Errorf("20,000 sessions on vsftpd: %v", err)
	}
	known := Workload{Sessions: 20000, Traffic: &Traffic{Rate: 20, Connect: time.Second, Transfer: time.Second}}
	if s, err := newSite(mustLookup(t, "vsftpd"), known); err != nil || strings.Contains((&UnreachableError{Profile: s.p, workload: s.w}).Remedy(), "traffic block") {
		t.Errorf("what is said is asked for: %v", err)
	}
	r := size(t, mustLookup(t, "pureftpd"), Workload{Sessions: 1, Objective: Objective{Refused: 1e-6}})
	if why := r.Bounds[0].Why; !strings.Contains(why, "there is 1 session") {
		t.Error(why)
	}
}

// peak_factor is among the sensitivities, and connect_time_p99, and a rate per
// address that varies stays a part of the rate.
func TestSensitivityToEveryFigure(t *testing.T) {
	w := edi()
	w.Traffic.PeakFactor, w.Traffic.ConnectP99, w.Traffic.RatePerAddress = 1.5, 150*time.Millisecond, 8
	w.Traffic.Rate, w.Objective.MaxWait = 10, 200*time.Millisecond
	seen := map[string]Influence{}
	for _, in := range Sensitivity(mustLookup(t, "embedded"), w) {
		seen[in.Attribute] = in
		if in.LessError+in.MoreError != "" {
			t.Errorf("%+v", in)
		}
	}
	if in, known := seen["traffic.peak_factor"]; !known || in.Less >= in.More {
		t.Errorf("peak_factor: %+v", in)
	}
	if in, known := seen["traffic.connect_time_p99"]; !known || in.Less > in.More {
		t.Errorf("connect_time_p99: %+v", in)
	}
	w.Traffic.PeakFactor = 1
	for _, in := range Sensitivity(mustLookup(t, "vsftpd"), w) {
		if in.Attribute == "traffic.peak_factor" {
			t.Error("no peak is given, and yet it varies")
		}
	}
}
