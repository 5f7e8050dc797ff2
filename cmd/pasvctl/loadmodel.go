package main

import (
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// measuredSite is the site that a measured server is; nil where none is named.
type measuredSite struct{ *plan.Site }

// modelled is what the model says of a load that was measured.
type modelled struct {
	Site    string  `json:"site"`
	Ports   int     `json:"ports"`
	Hold    float64 `json:"hold"` // seconds, the mean that the model was given
	Refused float64 `json:"refused"`
	Agrees  bool    `json:"agrees"`
}

func (m *modelled) word() string {
	if m.Agrees {
		return "they agree"
	}
	return "they DISAGREE"
}

// crowd is a number of sources that is as good as infinite: a Poisson stream.
const crowd = 1_000_000

// model computes the refused share of the load as it was measured: its rate,
// its connect times and its transfer times, on the site's server and range.
// Nobody else holds a port: what a squatter takes shows in the measurement.
func (s *measuredSite) model(c ftpload.Config, r *ftpload.Report) *modelled {
	if s == nil || r.Asked == 0 {
		return nil
	}
	p := s.Profile
	w := sizing.Workload{
		Sessions: c.Sessions, SessionsPerAddress: c.Sessions,
		MarkedSessions: c.TLS != nil && s.TLS.ReuseRequired,
		Objective:      sizing.Objective{Refused: s.Objective.Refused, MaxWait: s.Objective.MaxWait},
		Traffic: &sizing.Traffic{
			Connect:   fromSeconds(r.MeanListen),
			Transfer:  fromSeconds(r.MeanHold - r.MeanListen),
			Abandoned: c.Abandoned, PeakFactor: 1,
		},
	}
	if n := len(c.Sources); n > 1 {
		w.SessionsPerAddress = (c.Sessions + n - 1) / n
	}
	// A session of ours that abandons a port asks anew after AbandonFor, which
	// gives the old port back.
	p.AbandonedHold = min(p.AbandonedHold, c.AbandonFor)
	hold := held(p, w.Traffic)
	if c.Rate > 0 {
		w.Traffic.Rate = r.Rate
		if p.Scope == sizing.ScopePort && p.Hold != sizing.HoldSession {
			w.Sessions, w.SessionsPerAddress = crowd, crowd
		}
	} else {
		w.Traffic.Rate = closedRate(c, r, hold)
	}
	m := &modelled{Site: s.Name, Ports: s.DataPorts.Count(), Hold: hold}
	m.Refused = sizing.Refused(p, w, m.Ports)
	m.Agrees = r.Low <= m.Refused && m.Refused <= r.High
	return m
}

// held is the mean time that a port is held, seconds.
func held(p sizing.Profile, t *sizing.Traffic) float64 {
	used := t.Connect.Seconds()
	if p.Hold != sizing.HoldListen {
		used += t.Transfer.Seconds()
	}
	return (1-t.Abandoned)*used + t.Abandoned*p.AbandonedHold.Seconds()
}

// closedRate is the rate that the sessions of a closed loop would ask at if
// nothing were refused. They ask at γ while they hold no port, which was
// measured: γ = asked / (S·T − carried·h). The model's λ is then γS/(1+γh).
func closedRate(c ftpload.Config, r *ftpload.Report, hold float64) float64 {
	sessions := float64(c.Sessions)
	idle := sessions*r.Seconds - float64(r.Asked-r.Refused)*hold
	if idle <= 0 {
		return r.Rate
	}
	ask := float64(r.Asked) / idle
	return ask * sessions / (1 + ask*hold)
}

func fromSeconds(s float64) time.Duration { return time.Duration(max(s, 0) * float64(time.Second)) }
