package embeddedftpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// readyPatience is how long /ready waits for what a healthy server does at once.
const readyPatience = 5 * time.Second

// metric is one line of the Prometheus text format.
type metric struct {
	name, kind, help string
	value            func(Stats) uint64
}

var metrics = []metric{
	{"pasvctl_sessions", "gauge", "Control connections now.", func(s Stats) uint64 { return uint64(s.Sessions) }},
	{"pasvctl_sessions_total", "counter", "Control connections admitted.", func(s Stats) uint64 { return s.TotalSessions }},
	{"pasvctl_sessions_refused_total", "counter", "Control connections turned away.", func(s Stats) uint64 { return s.RefusedSessions }},
	{"pasvctl_logins_total", "counter", "Logins.", func(s Stats) uint64 { return s.Logins }},
	{"pasvctl_logins_failed_total", "counter", "Wrong names or passwords.", func(s Stats) uint64 { return s.FailedLogins }},
	{"pasvctl_transfers_total", "counter", "Transfers that ended well, listings included.", func(s Stats) uint64 { return s.Transfers }},
	{"pasvctl_transfers_failed_total", "counter", "Transfers that did not.", func(s Stats) uint64 { return s.FailedTransfers }},
	{"pasvctl_sent_bytes_total", "counter", "Bytes sent over data connections.", func(s Stats) uint64 { return s.BytesSent }},
	{"pasvctl_received_bytes_total", "counter", "Bytes received over data connections.", func(s Stats) uint64 { return s.BytesReceived }},

	{"pasvctl_passive_ports", "gauge", "Passive ports held.", func(s Stats) uint64 { return uint64(s.Passive.Ports) }},
	{"pasvctl_passive_pending", "gauge", "Reservations without a connection.", func(s Stats) uint64 { return uint64(s.Passive.Pending) }},
	{"pasvctl_passive_waiting", "gauge", "Sessions that wait for a passive port.", func(s Stats) uint64 { return uint64(s.Passive.Waiting) }},
	{"pasvctl_passive_resting", "gauge", "Ports kept from a client for a late connection.", func(s Stats) uint64 { return uint64(s.Passive.Resting) }},
	{"pasvctl_passive_reservations_total", "counter", "Reservations made.", func(s Stats) uint64 { return s.Passive.Reserved }},
	{"pasvctl_passive_waits_total", "counter", "Reservations that had to wait first.", func(s Stats) uint64 { return s.Passive.Waited }},
	{"pasvctl_passive_refused_total", "counter", "Reservations refused: no port came free in time.", func(s Stats) uint64 { return s.Passive.Refused }},
	{"pasvctl_passive_expired_total", "counter", "Reservations that no connection followed.", func(s Stats) uint64 { return s.Passive.Expired }},
	{"pasvctl_passive_strangers_total", "counter", "Connections from clients with no reservation there.", func(s Stats) uint64 { return s.Passive.Strangers }},
	{"pasvctl_passive_late_total", "counter", "Connections to a port at rest.", func(s Stats) uint64 { return s.Passive.Late }},
	{"pasvctl_passive_unproven_total", "counter", "Connections whose TLS session was nobody's.", func(s Stats) uint64 { return s.Passive.Unproven }},
}

// Metrics serves the counters at /metrics, in the Prometheus text format, and at /ready
// whether the server lives (Check): 200, or 503 before Serve and once it stops. It
// names no user and no client, and has no access control.
func (s *Server) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		now := s.Stats()
		for _, m := range metrics {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value(now))
		}
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
		defer cancel()
		if err := s.Check(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ready\n")
	})
	return mux
}

// Ready reports whether the server accepts sessions.
func (s *Server) Ready() bool { return s.accepting.Load() }
