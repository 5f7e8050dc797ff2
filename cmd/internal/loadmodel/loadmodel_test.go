package loadmodel_test

import (
	"math"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/loadmodel"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

func profile(t *testing.T, name string) sizing.Profile {
	t.Helper()
	p, known := sizing.Lookup(name)
	if !known {
		t.Fatal("no profile of " + name)
	}
	return p
}

// An open load on a server that scans is Erlang's.
func TestOpenLoadIsErlangB(t *testing.T) {
	const offered = 12.0
	b := 1.0
	for n := 1; n <= 8; n++ {
		b = offered * b / (float64(n) + offered*b)
	}
	server := loadmodel.Server{Profile: profile(t, "apache"), Ports: 10, Squatted: 2}
	e := server.Expect(loadmodel.Load{Sessions: 100, Addresses: 1, Open: true, Rate: 240, Carried: 240 * (1 - b), Listen: 0.04, Hold: 0.05})
	if math.Abs(e.Refused-b) > 1e-4 || e.Hold != 0.05 || e.AtMost {
		t.Errorf("%+v, Erlang B is %g", e, b)
	}
}

// A closed loop of sessions that ask at a rate of their own while they hold no
// port is Engset's, and that rate is found from what was measured.
func TestClosedLoopIsEngset(t *testing.T) {
	const (
		sessions, ports = 20, 8
		ask, hold       = 8.0, 0.05 // a second, seconds
	)
	weight, total, idle, lost, held := 1.0, 0.0, 0.0, 0.0, 0.0
	for b := 0; b <= ports; b++ {
		total += weight
		idle += weight * float64(sessions-b)
		held += weight * float64(b)
		if b == ports {
			lost = weight * float64(sessions-b)
		}
		weight *= float64(sessions-b) * ask * hold / float64(b+1)
	}
	want := lost / idle
	e := loadmodel.Server{Profile: profile(t, "apache"), Ports: ports}.Expect(loadmodel.Load{
		Sessions: sessions, Addresses: 1, Rate: ask * idle / total, Carried: held / total / hold, Listen: 0.02, Hold: hold})
	if math.Abs(e.Refused-want) > 1e-6 {
		t.Errorf("%+v, Engset's is %g", e, want)
	}
}

// Pure-FTPd keeps a session's port: the model of sessions that last is a bound,
// and that of sessions of one transfer each is Erlang's.
func TestSessionsThatKeepTheirPort(t *testing.T) {
	server := loadmodel.Server{Profile: profile(t, "pureftpd"), Ports: 40}
	load := loadmodel.Load{Sessions: 48, Addresses: 1, Open: true, Rate: 80, Carried: 80, Listen: 0.05, Hold: 0.055}
	if e := server.Expect(load); !e.AtMost || e.Refused != 1 || !e.Agrees(0.1, 0.2) {
		t.Errorf("kept sessions: %+v", e)
	}
	load.OneEach = true
	if e := server.Expect(load); e.AtMost || e.Refused > 1e-3 || e.Agrees(0.1, 0.2) {
		t.Errorf("a transfer a session: %+v", e)
	}
	if e := (loadmodel.Expected{Refused: 0.3, AtMost: true}); e.Agrees(0.31, 0.4) {
		t.Error("a measurement above the bound agrees")
	}
}
