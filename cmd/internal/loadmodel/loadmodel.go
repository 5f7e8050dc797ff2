// Package loadmodel says what the model expects of a load that was measured on
// a running server: its rate, its connect times and its transfer times, on that
// server's profile and range.
//
// Packages ftpload and sizing meet here, and computes nothing that is
// not one of theirs.
package loadmodel

import (
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Server is the server that was measured.
type Server struct {
	Profile  sizing.Profile
	Ports    int           // of its range
	Squatted int           // of them, by other programs during the measurement
	MaxWait  time.Duration // if it lets a PASV wait
	Marked   bool          // TLS, and resumption, tell its sessions apart
}

// Load is a load as it was measured. Times are in seconds.
type Load struct {
	Sessions, Addresses int
	// Open: requests came in a Poisson stream, and not from sessions that ask
	// again when they are done.
	Open bool
	// OneEach: a session ended after each port, so that a port that is held
	// until then serves one transfer.
	OneEach    bool
	Rate       float64 // data connections asked for a second
	Carried    float64 // of them, those that got a port
	Listen     float64 // mean from the PASV reply until the server had accepted
	Hold       float64 // mean to the transfer's end, or the session's
	Abandoned  float64 // share
	AbandonFor float64
}

// Of is the load that a configuration has turned out to be.
func Of(c ftpload.Config, r *ftpload.Report) Load {
	return Load{
		Sessions: c.Sessions, Addresses: max(1, len(c.Sources)),
		Open: c.Rate > 0, OneEach: c.Relogin,
		Rate: r.Rate, Carried: r.Rate * (1 - r.RefusedShare),
		Listen: r.MeanAccept, Hold: r.MeanHold,
		Abandoned: c.Abandoned, AbandonFor: c.AbandonFor.Seconds(),
	}
}

// Expected is what the model says of a load.
type Expected struct {
	Refused float64 // share
	// AtMost: the model only bounds the share from above: it takes the worst
	// case, or a queue that is no better than the server's.
	AtMost bool
	Hold   float64 // seconds, the mean that the model was given
}

// Agrees reports whether a measured interval allows what was expected.
func (e Expected) Agrees(low, high float64) bool {
	return low <= e.Refused && (e.AtMost || e.Refused <= high)
}

// unlimited is a number of sources that is as good as infinite: a Poisson stream.
const unlimited = 1_000_000

// Expect computes the refused share of a load.
func (s Server) Expect(l Load) Expected {
	p := s.Profile
	if l.OneEach && p.Hold == sizing.HoldSession {
		// The cap of so many ports a session is on sessions, which are counted
		// apart.
		p.Hold, p.PortsPerSession = sizing.HoldTransfer, 0
	}
	// A session that abandons a port asks again after AbandonFor, which frees
	// the old port.
	p.AbandonedHold = min(p.AbandonedHold, fromSeconds(l.AbandonFor))
	w := sizing.Workload{
		Sessions: l.Sessions, SessionsPerAddress: (l.Sessions + l.Addresses - 1) / l.Addresses,
		MarkedSessions: s.Marked,
		Objective:      sizing.Objective{MaxWait: s.MaxWait, Squatted: s.Squatted},
		Traffic: &sizing.Traffic{
			Rate: l.Rate, Connect: fromSeconds(l.Listen), Transfer: fromSeconds(l.Hold - l.Listen),
			Abandoned: l.Abandoned, PeakFactor: 1,
		},
	}
	e := Expected{
		Hold:   held(p, w.Traffic),
		AtMost: p.Hold == sizing.HoldSession || w.ScopeOn(p) == sizing.ScopeAddress && p.WhenFull == sizing.FullWaits,
	}
	switch {
	case !l.Open:
		w.Traffic.Rate = l.unrefused(e.Hold)
	case p.Scope == sizing.ScopePort && p.Hold != sizing.HoldSession:
		w.Sessions, w.SessionsPerAddress = unlimited, unlimited
	}
	if l.Addresses > 1 && w.Sessions == l.Sessions { // each of them asks alike
		w.Traffic.RatePerAddress = w.Traffic.Rate / float64(l.Addresses)
	}
	e.Refused = sizing.Refused(p, w, s.Ports)
	return e
}

// held is the mean time that a port is held, in seconds.
func held(p sizing.Profile, t *sizing.Traffic) float64 {
	used := t.Connect.Seconds()
	if p.Hold != sizing.HoldListen {
		used += t.Transfer.Seconds()
	}
	return (1-t.Abandoned)*used + t.Abandoned*p.AbandonedHold.Seconds()
}

// unrefused is the rate that the sessions of a closed loop would ask at if
// nothing were refused. They ask at γ while they hold no port, which was
// measured: γ = rate / (S − carried·h). The model's λ is then γS/(1+γh).
func (l Load) unrefused(hold float64) float64 {
	sessions := float64(l.Sessions)
	idle := sessions - l.Carried*hold
	if idle <= 0 {
		return l.Rate
	}
	ask := l.Rate / idle
	return ask * sessions / (1 + ask*hold)
}

func fromSeconds(s float64) time.Duration { return time.Duration(max(s, 0) * float64(time.Second)) }
