package ftpload

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func config(f *fake) Config {
	return Config{
		Addr: f.ln.Addr().String(), User: "u", Password: "p", Sessions: 2,
		Op: Retrieve, Path: "file%d", ConnectDelay: Delay{Shape: Constant},
		Duration: 300 * time.Millisecond, Timeout: 5 * time.Second, Seed: 1,
	}
}

func run(t *testing.T, c Config) *Report {
	t.Helper()
	r, err := Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCleanRunRefusesNothing(t *testing.T) {
	f := startFake(t, &fake{body: func(path string, _ int) string { return "body of " + path }})
	r := run(t, config(f))
	if r.Asked == 0 || r.Refused != 0 || r.Kinds[Done] != r.Asked || !r.OwnFiles {
		t.Errorf("a faultless server gave %+v", r)
	}
	if r.Low != 0 || r.High <= 0 {
		t.Errorf("the interval of no refusals is [%g, %g], want [0, above 0]", r.Low, r.High)
	}
}

func TestARefusedSessionIsSaid(t *testing.T) {
	_, err := Run(t.Context(), config(startFake(t, &fake{full: true})), nil)
	if err == nil || !strings.Contains(err.Error(), "the server refuses the session: 421 Too many sessions.") {
		t.Errorf("%v", err)
	}
}

func TestWrongContentIsSeen(t *testing.T) {
	f := startFake(t, &fake{body: func(path string, n int) string {
		if n > 2 && n%2 == 0 {
			return "body of somebody else"
		}
		return "body of " + path
	}})
	r := run(t, config(f))
	if r.Kinds[WrongContent] == 0 || r.Kinds[Done] == 0 {
		t.Errorf("every second transfer carried another file, got %v", r.Kinds)
	}
}

func TestMixedUploadsAreSeen(t *testing.T) {
	for _, mangle := range []bool{false, true} {
		f := startFake(t, &fake{mangle: mangle})
		c := config(f)
		c.Op, c.Size = Store, 1000
		r := run(t, c)
		if got := r.Kinds[WrongContent]; (got > 0) != mangle {
			t.Errorf("mangled %t: %d uploads found wrong of %v", mangle, got, r.Kinds)
		}
	}
}

func TestRefusalsByKind(t *testing.T) {
	tests := []struct {
		name    string
		answer  string
		want    Kind
		refused bool
	}{
		{"reply", "425 no port", RefusedByReply, true},
		{"reply, then gone", "500 OOPS: vsf_sysutil_bind!", RefusedByReply, true},
		{"reply, twice, then gone", "500 OOPS: vsf_sysutil_bind\r\n500 OOPS: child died!", RefusedByReply, true},
		{"gone without a word", "!", SessionDropped, true},
		{"a port that nobody listens on", "227 (127,0,0,1,0,1)", ConnectRefused, true},
		{"nonsense", "227 come in", RefusedByReply, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFake(t, &fake{passive: func(n int) string {
				if n > 2 && n%2 == 0 { // the first two fetch the reference
					return tt.answer
				}
				return ""
			}})
			c := config(f)
			c.Rate = 100
			r := run(t, c)
			if r.Kinds[tt.want] == 0 || r.Kinds[Done] == 0 {
				t.Fatalf("want some %q and some %q, got %v %v", tt.want, Done, r.Kinds, r.Replies)
			}
			if r.Refused != r.Kinds[tt.want] || r.Asked != r.Refused+r.Kinds[Done] {
				t.Errorf("refused %d of %d asked, but the kinds are %v", r.Refused, r.Asked, r.Kinds)
			}
		})
	}
}

func TestPortOutsideTheRangeIsARefusal(t *testing.T) {
	f := startFake(t, &fake{})
	c := config(f)
	c.FirstPort, c.LastPort = 1, 2
	r := run(t, c)
	if r.Kinds[OutsideRange] == 0 || r.Refused != r.Asked {
		t.Errorf("all ports were outside 1-2, got %+v", r)
	}
}

func TestAbandonedPortsAreNotConnectedTo(t *testing.T) {
	f := startFake(t, &fake{})
	c := config(f)
	c.Abandoned = 1
	r := run(t, c)
	if r.Kinds[AbandonedOnPurpose] != r.Asked || f.transfers != c.Sessions {
		t.Errorf("all PASVs but each session's first were to be abandoned, got %v and %d transfers", r.Kinds, f.transfers)
	}
}

// With Relogin a session ends after each port, and only then, and that is no
// session lost.
func TestRelogin(t *testing.T) {
	f := startFake(t, &fake{})
	c := config(f)
	c.Rate, c.Relogin = 100, true
	r := run(t, c)
	if r.Kinds[Done] == 0 || r.Kinds[Done] != r.Asked || r.Reconnects != 0 {
		t.Errorf("%+v", r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// One login at first, one after each session's first fetch, one a request.
	if want := 2*c.Sessions + r.Asked; f.logins < want-c.Sessions || f.logins > want {
		t.Errorf("%d logins for %d requests, want up to %d", f.logins, r.Asked, want)
	}
}

func TestSourcesAreBoundTo(t *testing.T) {
	f := startFake(t, &fake{})
	c := config(f)
	c.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.77")}
	s := newSession(&c, 0)
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if got := s.conn.LocalAddr().String(); got[:11] != "127.0.0.77:" {
		t.Errorf("the control connection left from %s", got)
	}
}

func TestConfigRefusesNonsense(t *testing.T) {
	good := config(&fake{ln: startFake(t, &fake{}).ln})
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(*Config){
		"no sessions":       func(c *Config) { c.Sessions = 0 },
		"NaN rate":          func(c *Config) { c.Rate = math.NaN() },
		"abandoned above 1": func(c *Config) { c.Abandoned = 1.1 },
		"no duration":       func(c *Config) { c.Duration = 0 },
		"reversed range":    func(c *Config) { c.FirstPort, c.LastPort = 2, 1 },
		"line break":        func(c *Config) { c.Path = "a\r\nDELE b" },
		"unknown operation": func(c *Config) { c.Op = "DELE" },
		"no path":           func(c *Config) { c.Path = "" },
		"delay > timeout":   func(c *Config) { c.ConnectDelay.Mean = time.Minute },
	}
	for name, spoil := range bad {
		c := good
		spoil(&c)
		if c.Check() == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func TestParsePASV(t *testing.T) {
	good := map[string]uint16{
		"Entering Passive Mode (127,0,0,1,238,72).": 238<<8 | 72,
		"=127,0,0,1,0,21": 21,
	}
	for text, want := range good {
		if got, err := parsePASV(text); got != want || err != nil {
			t.Errorf("parsePASV(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "(1,2,3,4,5)", "(1,2,3,4,256,0)", "(1,2,3,4,5,6,7)", "(,,,,,)"} {
		if got, err := parsePASV(text); err == nil {
			t.Errorf("parsePASV(%q) = %d, want an error", text, got)
		}
	}
}

func TestParseEPSV(t *testing.T) {
	for text, want := range map[string]uint16{"Extended (|||6446|)": 6446, "(!!!21!)": 21} {
		if got, err := parseEPSV(text); got != want || err != nil {
			t.Errorf("parseEPSV(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "(|||)", "(||||)", "(|||0|)", "(|||65536|)", "(||1|21|)", "(|||21!)", ")("} {
		if got, err := parseEPSV(text); err == nil {
			t.Errorf("parseEPSV(%q) = %d, want an error", text, got)
		}
	}
}

// The published values: Wilson's interval for 5 of 20 is [0.1119, 0.4687];
// Student's t at 97.5 % with 19 and 5 degrees of freedom 2.093 and 2.571.
func TestIntervals(t *testing.T) {
	low, high := wilson(5, 20)
	if math.Abs(low-0.1119) > 5e-4 || math.Abs(high-0.4687) > 5e-4 {
		t.Errorf("Wilson's interval for 5 of 20 is [%.4f, %.4f]", low, high)
	}
	// Refusals that all fall into one slice say less than scattered ones.
	clustered, scattered := make([][2]int, timeSlices), make([][2]int, timeSlices)
	for i := range timeSlices {
		clustered[i], scattered[i] = [2]int{0, 100}, [2]int{5, 100}
	}
	clustered[3][0] = 100
	_, wide := interval(clustered)
	_, narrow := interval(scattered)
	if wide <= narrow {
		t.Errorf("clustered refusals give [.., %g], scattered [.., %g]", wide, narrow)
	}
}

// Sessions that start together make all their connections, as often as there is
// time for a whole burst; one that the server drops makes no more.
func TestSessionsStartTogether(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{body: func(path string, _ int) string { return "body of " + path }})
	c := config(f)
	c.Duration, c.Together, c.Connections = 2500*time.Millisecond, 50*time.Millisecond, 3
	if r := run(t, c); r.Asked == 0 || r.Asked%(c.Sessions*c.Connections) != 0 || r.Kinds[Done] != r.Asked {
		t.Errorf("two sessions with three connections each gave %+v", r)
	}
	drops := startFake(t, &fake{passive: func(n int) string {
		if n > 2 { // the first two fetch the reference
			return "500 OOPS: vsf_sysutil_bind!"
		}
		return ""
	}})
	c.Addr = drops.ln.Addr().String()
	if r := run(t, c); r.Asked == 0 || r.Refused != r.Asked || r.Reconnects != r.Asked {
		t.Errorf("a server that drops gave %+v", r)
	}
	c.Rate = 5
	if c.Check() == nil {
		t.Error("a burst with a rate passed")
	}
}
