package sizing

import (
	"errors"
	"math"
	"os"
	"sort"
	"strings"
	"testing"
	"time"
)

// edi is a site of ordinary size whose traffic is known.
func edi() Workload {
	return Workload{
		Sessions: 400, SessionsPerAddress: 50,
		Traffic: &Traffic{Rate: 40, Connect: 120 * time.Millisecond, Transfer: 2 * time.Second,
			ClientPorts: 28232, PeakFactor: 1},
		Objective: Objective{Refused: 1e-4, MaxWait: time.Second, Squatted: 1},
	}
}

func size(t *testing.T, p Profile, w Workload) Result {
	t.Helper()
	r, err := Size(p, w)
	if err != nil {
		t.Fatal(p.Name, err)
	}
	return r
}

// SERVERS.md has a row for every profile.
func TestServersAreWrittenDown(t *testing.T) {
	page, err := os.ReadFile("SERVERS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Profiles() {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(p.Title, " FTP"), "Microsoft "), " server")
		if !strings.Contains(string(page), "\n| "+name) {
			t.Errorf("%s has no row in SERVERS.md", p.Title)
		}
	}
}

// Every profile is one that can be, names its sources, and can be found.
func TestProfiles(t *testing.T) {
	all := Profiles()
	if !sort.SliceIsSorted(all, func(i, j int) bool { return all[i].Name < all[j].Name }) {
		t.Error("profiles are not sorted by name")
	}
	for _, p := range all {
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		cited := strings.Join(p.Sources, " ")
		for _, field := range []string{"hold", "pick", "abandoned hold"} {
			if !strings.Contains(cited, field) && !strings.Contains(cited, "all other fields") {
				t.Errorf("%s: no source for its %s", p.Name, field)
			}
		}
		if found, ok := Lookup(p.Name); !ok || found.Title != p.Title {
			t.Errorf("%s is not found", p.Name)
		}
		p.Sources[0] = "overwritten"
	}
	if p := Profiles()[0]; p.Sources[0] == "overwritten" {
		t.Error("a caller changed the profiles")
	}
	if _, ok := Lookup("wuftpd"); ok {
		t.Error("found a profile of a server that has none")
	}
}

// The listen race at the rate and the ranges where it was measured: 240 PASV/s
// that hold 12 ports lost 1.1 % on 16 ports and 0.1 % on 32.
func TestListenRaceWhereItWasMeasured(t *testing.T) {
	w := Workload{Sessions: 100_000, Traffic: &Traffic{Rate: 240, Connect: 50 * time.Millisecond}, Objective: Objective{Refused: 1e-2}}
	s, err := newSite(mustLookup(t, "proftpd"), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		ports     int
		low, high float64
	}{{16, 0.005, 0.017}, {32, 0.0005, 0.003}} {
		if got := s.race(m.ports); got < m.low || got > m.high {
			t.Errorf("%d ports: %g, measured between %g and %g", m.ports, got, m.low, m.high)
		}
	}
}

// The race is a floor: it binds on the two servers that have it, leaves the
// worst case alone, and ends in an error that names the servers without it.
func TestListenRaceIsAFloor(t *testing.T) {
	proftpd, pyftpdlib := mustLookup(t, "proftpd"), mustLookup(t, "pyftpdlib")
	w := edi()
	raced, free := size(t, proftpd, w), size(t, pyftpdlib, w)
	if raced.Binding != BoundListenRace || raced.bound(BoundContention).Ports > raced.Ports {
		t.Errorf("ProFTPD at 40/s: %+v", raced)
	}
	if free.Ports >= raced.Ports {
		t.Errorf("without the race %d ports, with it %d", free.Ports, raced.Ports)
	}
	m := Remarks(proftpd, w, raced)
	if len(m) == 0 || m[0].Name != BoundListenRace || !m[0].Serious {
		t.Errorf("no warning of the race: %+v", m)
	}
	w.Traffic.Rate, w.Traffic.Transfer, w.Objective.Refused = 800, 100*time.Millisecond, 1e-6
	_, err := Size(proftpd, w)
	var far *UnreachableError
	if !errors.As(err, &far) || far.Bound != BoundListenRace {
		t.Fatalf("800/s at 1e-6: %v", err)
	}
	if far.Limit != 401 || math.Abs(far.Refused-6.56e-4) > 1e-6 || !strings.Contains(far.Remedy(), "refused = 0.00066 or more") {
		t.Errorf("reachable is said to be %g on %d ports: %s", far.Refused, far.Limit, far.Remedy())
	}
	if servers := strings.Join(far.Servers(), " "); !strings.Contains(servers, "vsftpd") || strings.Contains(servers, "pureftpd") {
		t.Errorf("servers that reach it: %s", servers)
	}
	w.Traffic = nil
	if r := size(t, proftpd, w); r.Ports != 401 {
		t.Errorf("ProFTPD in the worst case: %d ports", r.Ports)
	}
}

// A server that does not set SO_REUSEADDR loses each port for a minute after
// each transfer.
func TestPortsThatRest(t *testing.T) {
	p := custom("appliance")
	p.Hold = HoldTransfer
	w := edi()
	ordinary := size(t, p, w)
	p.PortRest = 60 * time.Second
	rested := size(t, p, w)
	// 40/s × (2.12 + 60) s are 2,485 Erlang; Erlang B says what that takes.
	want := 1
	for erlangB(want-1, 40*62.12) > 1e-4 {
		want++
	}
	if rested.Ports != want {
		t.Errorf("%d ports, Erlang B says %d (and %d without rest)", rested.Ports, want, ordinary.Ports)
	}
	w.Objective.WorstCase = true
	if worst := size(t, p, w); worst.Ports < 400+2400 || worst.Ports > 400+2400+300 {
		t.Errorf("worst case: %d ports, want 400 held and some 2,400 resting", worst.Ports)
	}
	w.Traffic = nil
	var needed *TrafficError
	if _, err := Size(p, w); !errors.As(err, &needed) {
		t.Errorf("without traffic: %v", err)
	}
}

// The server of the old question, which goes by the local port alone: with one
// port the second session is refused, and each transfer needs a port.
func TestServerThatGoesByTheLocalPortAlone(t *testing.T) {
	p := custom("buggy")
	p.Hold, p.WhenFull = HoldTransfer, FullRefuses
	w := Workload{Sessions: 200, SessionsPerAddress: 1, Objective: Objective{Refused: 1e-6}}
	if r := size(t, p, w); r.Ports != 200 || r.OnePort.Works || r.OnePort.Refused != 1 {
		t.Errorf("%+v", r)
	}
	if r := size(t, mustLookup(t, "embedded"), w); r.Ports != 1 || !r.OnePort.Works || r.OnePort.Refused != 0 {
		t.Errorf("a server that goes by all four values: %+v", r)
	}
}

// What one port gives one client address at most.
func TestCeilingOfOnePort(t *testing.T) {
	for _, c := range []struct {
		server      string
		marked      bool
		clientPorts int
		want        float64
	}{
		{"embedded", false, 28232, 1 / 0.12},
		{"vsftpd", false, 28232, 1 / 2.12},
		{"embedded", true, 28232, 28232 / 122.12},
		{"embedded", false, 512, 512 / 122.12},
	} {
		w := edi()
		w.MarkedSessions, w.Traffic.ClientPorts = c.marked, c.clientPorts
		near(t, c.server, Ceiling(mustLookup(t, c.server), w), c.want, 1e-12)
	}
}

// Splitting the sessions over the two families or over several addresses of
// the server, each of which has its ports to itself, never refuses more.
func TestFamiliesNeedNoMorePortsThanOne(t *testing.T) {
	whole := edi()
	for _, server := range []string{"vsftpd", "pyftpdlib", "apache", "sftpgo"} {
		p := mustLookup(t, server)
		n := size(t, p, whole).Ports
		for _, sessions := range []int{40, 200, 399} {
			part, traffic := whole, *whole.Traffic
			part.Sessions, part.Traffic = sessions, &traffic
			traffic.Rate *= float64(sessions) / 400
			if got := Refused(p, part, n); got > whole.Objective.Refused {
				t.Errorf("%s: %d of 400 sessions on IPv6 refuse %g on %d ports", server, sessions, got, n)
			}
		}
	}
}

// A NAT with a block of 512 ports, as carriers assign them (RFC 7422).
func TestFourTuples(t *testing.T) {
	w := edi()
	w.Traffic.RatePerAddress, w.Traffic.ClientPorts = 20, 400
	p := mustLookup(t, "embedded")
	w.Objective.Squatted = 0
	r := size(t, p, w)
	// 20/s × (0.12 + 2 + 120) s = 2442.4 tuples on N times 400: Erlang B.
	want := 1
	for erlangB(400, 2442.4/float64(want)) > w.Objective.Refused {
		want++
	}
	if r.Ports != want || want < 7 || r.Binding != BoundFourTuples {
		t.Errorf("%d by %s, want %d: %+v", r.Ports, r.Binding, want, r.Bounds)
	}
	if least := erlangB(400, 2442.4/float64(want)); r.Refused < least*(1-1e-9) {
		t.Errorf("%g are refused, and %g find no tuple", r.Refused, least)
	}
	if m := Remarks(p, w, r); len(m) == 0 || m[0].Name != "nat" || !strings.Contains(m[0].Detail, "RFC 4787") {
		t.Errorf("no word about the NAT: %+v", m)
	}
}

// 977 of 1,000 tuples in use on average: one in eighty finds them all in use.
func TestFourTuplesAreAShare(t *testing.T) {
	w := Workload{Sessions: 100, MarkedSessions: true,
		Traffic:   &Traffic{Rate: 8, Connect: 125 * time.Millisecond, Transfer: 2 * time.Second, ClientPorts: 1000},
		Objective: Objective{Refused: 1e-6}}
	p := mustLookup(t, "embedded")
	near(t, "one port", Refused(p, w, 1), erlangB(1000, 977), 1e-9)
	if got := Refused(p, w, 1); math.Abs(got-0.0124) > 0.00005 {
		t.Errorf("977 of 1,000 tuples: %g, want 1.24 %%", got)
	}
	if r := size(t, p, w); r.Ports != 2 || r.Binding != BoundFourTuples || r.OnePort.Works || r.OnePort.Refused != Refused(p, w, 1) {
		t.Errorf("%+v", r)
	}
}

// ftpserverlib with one free port stops after N−1 different candidates, too:
// with 19 of 20 ports taken 5.4 % of the requests fail, as every draw of it
// counted out says.
func TestLastFreePortOfFtpserverlib(t *testing.T) {
	p := mustLookup(t, "ftpserverlib")
	for _, n := range []int{2, 3, 5, 20, 100, 400} {
		// Of the n−1 taken ports `seen` have been drawn, the free one has not.
		tries, ways, failed := p.TriesOn(n), []float64{1}, 0.0
		for range tries {
			next := make([]float64, len(ways)+1)
			for seen, w := range ways {
				next[seen] += w * float64(seen) / float64(n)
				next[seen+1] += w * float64(n-1-seen) / float64(n)
			}
			if len(next) > n-1 {
				failed += next[n-1]
				next = next[:n-1]
			}
			ways = next
		}
		for _, w := range ways {
			failed += w
		}
		got := p.pool(n, 0).refuses(n - 1)
		if got < failed*(1-1e-9) || got > 1.12*failed || n <= 20 && got > 1.01*failed {
			t.Errorf("%d of %d ports taken: %g, counted out %g", n-1, n, got, failed)
		}
		if n == 20 && math.Abs(got-0.0535) > 0.0008 {
			t.Errorf("19 of 20: %g, want 5.4 %%", got)
		}
	}
}
