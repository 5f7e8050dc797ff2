package sizing

import (
	"math"
	"testing"
	"time"
)

// The model against running servers: open arrivals on loopback, a mean connect
// delay of 50 ms, small downloads. The refused share was counted by a client,
// with its standard error; the offered load was measured in the same runs.
func TestModelAgainstServers(t *testing.T) {
	inside, rows := 0, 0
	for _, m := range []struct {
		server         string
		rate, offered  float64
		ports          int
		refused, error float64
	}{
		{"vsftpd", 84.6, 4.49, 1, 0.817, 0.013},
		{"vsftpd", 255, 12.65, 2, 0.851, 0.009},
		{"vsftpd", 79.0, 3.79, 4, 0.287, 0.016},
		{"vsftpd", 232, 12.72, 8, 0.463, 0.013},
		{"vsftpd", 236, 12.40, 16, 0.110, 0.008},
		{"proftpd", 237, 12.15, 8, 0.420, 0.013},
		{"proftpd", 233, 11.86, 16, 0.053, 0.006},
		{"pyftpdlib", 247, 12.98, 8, 0.449, 0.013},
		{"ftpserverlib", 244, 13.21, 8, 0.459, 0.013},
	} {
		p := mustLookup(t, m.server)
		p.MinPorts = 1
		w := Workload{
			Sessions: 1_000_000, // next to open arrivals
			Traffic:  &Traffic{Rate: m.rate, Connect: time.Duration(m.offered / m.rate * float64(time.Second))},
		}
		model := Refused(p, w, m.ports)
		off := (model - m.refused) / m.error
		t.Logf("%-12s %2d ports: measured %.3f ± %.3f, model %.3f", m.server, m.ports, m.refused, m.error, model)
		rows++
		if math.Abs(off) <= 1.96 {
			inside++
		}
		if off < -1.96 || off > 3 {
			t.Errorf("%s on %d ports: measured %.3f, model %.3f, %.1f standard errors off", m.server, m.ports, m.refused, model, off)
		}
	}
	if 10*inside < 8*rows {
		t.Errorf("the model lies in only %d of %d intervals", inside, rows)
	}
}
