package sizing

import (
	"errors"
	"testing"
	"time"
)

func mustLookup(t testing.TB, name string) Profile {
	t.Helper()
	p, ok := Lookup(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p
}

// The question's own figures: 400 sessions, nothing known of their traffic.
func TestSizeWorstCase(t *testing.T) {
	for _, c := range []struct {
		name       string
		server     string
		perAddress int
		squatted   int
		marked     bool
		ports      int
		binding    string
	}{
		{name: "nine draws", server: "vsftpd", squatted: 1, ports: 1857, binding: BoundContention}, // ⌈400/10^(−6/9)⌉
		{name: "a scan", server: "proftpd", squatted: 1, ports: 401, binding: BoundContention},
		{name: "a cap of its own", server: "pureftpd", squatted: 1, ports: 800, binding: BoundServer},
		{name: "many addresses", server: "embedded", perAddress: 50, ports: 50, binding: BoundPerAddress},
		{name: "one address", server: "embedded", ports: 400, binding: BoundPerAddress},
		{name: "marked sessions", server: "embedded", perAddress: 50, marked: true, ports: 1, binding: BoundContention},
		{name: "marks that nobody reads", server: "proftpd", squatted: 1, marked: true, ports: 401, binding: BoundContention},
		{name: "four draws a port", server: "ftpserverlib", squatted: 1, ports: 404, binding: BoundContention}, // (400/N)^(4(N−1))
		{name: "a draw a port", server: "sftpgo", squatted: 1, ports: 414, binding: BoundContention},           // (400/N)^(N−1)
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Workload{
				Sessions: 400, SessionsPerAddress: c.perAddress, MarkedSessions: c.marked,
				Objective: Objective{Refused: 1e-6, MaxWait: time.Second, Squatted: c.squatted},
			}
			r, err := Size(mustLookup(t, c.server), w)
			if err != nil {
				t.Fatal(err)
			}
			if r.Ports != c.ports || r.Binding != c.binding {
				t.Errorf("%d ports by %s, want %d by %s", r.Ports, r.Binding, c.ports, c.binding)
			}
			if got := withoutStart(t, mustLookup(t, c.server), w, r.Ports); got > 1e-6 {
				t.Errorf("refused share %g on its own range", got)
			}
			for _, b := range r.Bounds {
				t.Logf("%s: %d: %s", b.Name, b.Ports, b.Why)
			}
			t.Logf("one port: %+v", r.OnePort)
		})
	}
}

func TestSizeErrors(t *testing.T) {
	traffic := &Traffic{Rate: 500, Connect: 0, Transfer: 2 * time.Second}
	w := Workload{Sessions: 400, Traffic: traffic, Objective: Objective{Refused: 1e-6}}
	_, err := Size(mustLookup(t, "vsftpd"), w)
	var overload *OverloadError
	if !errors.As(err, &overload) {
		t.Fatalf("overload: %v", err)
	}
	if got, want := err.Error(), "400 sessions cannot carry 500 transfers/s of 2s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	_, err = Size(mustLookup(t, "vsftpd"), Workload{Sessions: 20000, SessionsPerAddress: 5, Objective: Objective{Refused: 1e-6}})
	var far *UnreachableError
	if !errors.As(err, &far) {
		t.Fatalf("20,000 sessions on vsftpd: %v", err)
	}
	t.Log(err, far.Remedy())
	_, err = Size(mustLookup(t, "vsftpd"), Workload{})
	var wrong *WorkloadError
	if !errors.As(err, &wrong) || wrong.Attribute != "concurrency.sessions" {
		t.Fatalf("no sessions: %v", err)
	}
}
