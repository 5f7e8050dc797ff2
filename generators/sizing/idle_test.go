package sizing

import (
	"testing"
	"time"
)

// The idle timeout of a workload is how long an abandoned PASV keeps its port,
// on servers that end the session with it, and counts as the profile's own.
func TestIdleTimeoutIsTheAbandonedHold(t *testing.T) {
	w := Workload{Sessions: 400, SessionsPerAddress: 50, Traffic: &Traffic{
		Rate: 10, Connect: 200 * time.Millisecond, Transfer: time.Second, Abandoned: 0.01, ClientPorts: DefaultClientPorts,
	}}
	for server, frees := range map[string]bool{"proftpd": true, "vsftpd": true, "pureftpd": true, "embedded": false, "pyftpdlib": false} {
		p, hour := mustLookup(t, server), w
		hour.IdleTimeout = time.Hour
		same := p
		if frees {
			same.AbandonedHold = time.Hour
		}
		if got, want := size(t, p, hour).Ports, size(t, same, w).Ports; got != want || frees && p.Hold != HoldSession && got <= size(t, p, w).Ports {
			t.Errorf("%s: %d ports with an idle timeout of an hour, want %d; %d without", server, got, want, size(t, p, w).Ports)
		}
	}
}
