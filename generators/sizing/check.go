package sizing

import (
	"fmt"
	"math"
	"time"
)

// WorkloadError says that a number of a workload is outside what a workload can have.
type WorkloadError struct {
	Attribute string // as a spec writes it: "traffic.abandoned"
	Problem   string
}

func (e *WorkloadError) Error() string { return e.Attribute + " " + e.Problem }

// MaxSessions bounds the sessions of a workload.
const MaxSessions = 10_000_000

// MaxConnections bounds the data connections of a burst's session.
const MaxConnections = 1_000_000

// MaxParallel bounds the sessions with which one client asks at once.
const MaxParallel = 64

func (w Workload) check() error {
	bad := func(attribute, problem string) error { return &WorkloadError{attribute, problem} }
	switch {
	case w.Sessions < 1 || w.Sessions > MaxSessions:
		return bad("concurrency.sessions", fmt.Sprintf("is %d, not 1 to %s", w.Sessions, Count(MaxSessions)))
	case w.SessionsPerAddress < 0:
		return bad("concurrency.sessions_per_address", fmt.Sprintf("is %d, below 0", w.SessionsPerAddress))
	case !(w.Objective.Refused >= 0 && w.Objective.Refused < 1):
		return bad("objective.refused", fmt.Sprintf("is %v, not a share from 0 to below 1", w.Objective.Refused))
	case w.Objective.MaxWait < 0:
		return bad("objective.max_wait", "is below 0")
	case w.Objective.Squatted < 0 || w.Objective.Squatted > MaxPorts:
		return bad("objective.squatted", fmt.Sprintf("is %d, not 0 to %s", w.Objective.Squatted, Count(MaxPorts)))
	}
	if w.Traffic == nil {
		return nil
	}
	return w.Traffic.check()
}

func (t *Traffic) check() error {
	if t.Parallel < 0 || t.Parallel > MaxParallel {
		return &WorkloadError{"traffic.parallel", fmt.Sprintf("is %d, not 0 to %d", t.Parallel, MaxParallel)}
	}
	for _, share := range []struct {
		attribute string
		value     float64
	}{
		{"traffic.transfers_per_second", t.Rate},
		{"traffic.transfers_per_second_per_address", t.RatePerAddress},
		{"traffic.peak_factor", t.PeakFactor},
		{"traffic.connect_time", t.Connect.Seconds()},
		{"traffic.transfer_time", t.Transfer.Seconds()},
		{"traffic.client_ports", float64(t.ClientPorts)},
	} {
		if !(share.value >= 0) || math.IsInf(share.value, 0) {
			return &WorkloadError{share.attribute, fmt.Sprintf("is %v, not 0 or more", share.value)}
		}
	}
	if t.RatePerAddress > t.Rate {
		return &WorkloadError{"traffic.transfers_per_second_per_address", fmt.Sprintf("is %s, above transfers_per_second, %s", number(t.RatePerAddress), number(t.Rate))}
	}
	if t.ConnectP99 != 0 && (t.ConnectP99 < t.Connect || t.ConnectP99 > time.Duration(MaxConnectSpread*float64(t.Connect))) {
		return &WorkloadError{"traffic.connect_time_p99", fmt.Sprintf("is %s, not 1 to %v times the connect time of %s", t.ConnectP99, MaxConnectSpread, t.Connect)}
	}
	if !(t.Abandoned >= 0 && t.Abandoned < 1) {
		return &WorkloadError{"traffic.abandoned", fmt.Sprintf("is %v, not a share from 0 to below 1", t.Abandoned)}
	}
	for _, b := range t.Bursts.All() {
		if b.Sessions < 1 || b.Sessions > MaxSessions || b.Connections < 0 || b.Connections > MaxConnections {
			return &WorkloadError{"traffic.burst", fmt.Sprintf("has %d sessions with %d connections each, not 1 to %s with up to %s",
				b.Sessions, b.Connections, Count(MaxSessions), Count(MaxConnections))}
		}
		if b.Within <= 0 {
			return &WorkloadError{"traffic.burst", fmt.Sprintf("starts within %s, not more than 0s", b.Within)}
		}
	}
	return nil
}

// overloaded reports whether the sessions, or those of the busiest address,
// cannot carry the rate: a session is busy with one data connection for
// h_listen + (1−a)·transfer, whatever part of that the server holds a port.
func (l *load) overloaded() error {
	if l.rate*l.busy() >= float64(l.sessions) {
		return &OverloadError{Sessions: l.sessions, Rate: l.rate, Busy: l.busy()}
	}
	if l.addressRate*l.busy() >= float64(l.perAddress) {
		return &OverloadError{Sessions: l.perAddress, Rate: l.addressRate, Busy: l.busy(), PerAddress: true}
	}
	return nil
}
