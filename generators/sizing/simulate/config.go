package simulate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Shape is the distribution of connect and transfer times about their means.
// An abandoned hold is a timeout, and constant.
type Shape string

// The shapes. Lognormal transfer times have a coefficient of variation of 1.31
// (σ = 1), connect times that of the workload's ConnectP99.
const (
	Constant    Shape = "constant"
	Exponential Shape = "exponential"
	Lognormal   Shape = "lognormal"
)

// Arrivals is the source of the requests for ports.
type Arrivals string

// The arrivals. Those of finite sources are from the workload's sessions,
// each of which thinks for an exponential time between two requests. Open ones
// are a Poisson stream of the wanted rate, however many are under way.
const (
	Finite Arrivals = "finite"
	Open   Arrivals = "open"
)

// Config is what to simulate, and how long.
type Config struct {
	Profile  sizing.Profile
	Workload sizing.Workload
	Ports    int
	Seed     uint64
	Shape    Shape    // "" is Exponential
	Arrivals Arrivals // "" is Finite
	// LostSYNs is the share of the connections, 0 to 1, whose first SYN is lost
	// and which take 1 s longer than the connect time (RFC 6298).
	LostSYNs float64
	// Replications are independent runs, over which the confidence intervals
	// are taken; at least 5, or 2 with a burst, and 20 if it is 0.
	Replications int
	// Requests are those of each replication, after it has warmed up. If it is
	// 0, they are 20,000, or with importance splitting as many fewer as keep
	// the simulation within some 50 million events.
	Requests int
	// Split asks for importance splitting, which sees refused shares down to
	// about 1e-12; Auto leaves it to the model's estimate.
	Split Split
	// Burst, if there is one, is played beside the traffic of the other
	// sessions, again and again: its sessions start at random instants of its
	// time, and only their requests count. If the sessions of one address
	// compete, at most as many as the busiest one has are played.
	Burst *sizing.Burst
	// Retry is how long a refused session of a burst waits before it asks for
	// the same data connection again, at most 100 times; 0: it goes on with the
	// next one at once. A session that the server drops is gone either way.
	Retry time.Duration
	// Progress, if there is one, is called after each replication, never by
	// two at a time.
	Progress func(done, total int)
}

// Split says whether rare refusals are multiplied by importance splitting.
type Split string

// The ways. SplitAuto splits if the model expects less than one refusal in
// 10,000 requests.
const (
	SplitAuto   Split = ""
	SplitNever  Split = "never"
	SplitAlways Split = "always"
)

// Bounds of a Config.
const (
	MaxReplications = 10_000
	MaxRequests     = 100_000_000
)

// setup is a Config in the simulation's own terms: seconds, rates, counts.
type setup struct {
	profile  sizing.Profile
	ports    int // that can be drawn
	squatted int
	tries    int
	shape    Shape
	arrivals Arrivals
	requests int
	most     int // events of a replication, copies included

	sessions   int     // that compete for the ports
	rate       float64 // requests a second, of all of them
	think      float64 // mean time between two requests of a session
	parallel   int
	connect    float64
	spread     float64 // σ of lognormal connect times
	lostSYNs   float64
	transfer   float64
	abandoned  float64
	timeout    float64 // of an abandoned PASV
	patience   float64 // longest wait; below 0: nobody waits
	rest       float64 // TIME_WAIT of a port
	raceWindow float64

	split      bool // rare events: weights and computed refusals
	levels     []level
	perRequest float64 // events, by the last pilot
	allHolds   bool    // the worst case: everybody else holds a port
	burst      *sizing.Burst
	retry      float64 // seconds; 0: refused sessions go on
	unlimited  bool    // TLS tells the sessions apart: nobody is ever refused
}

func newSetup(c Config) (*setup, error) {
	w, p := c.Workload, c.Profile
	// Everything that makes a workload impossible, overload too, package
	// sizing says; that no range is enough is no reason not to look.
	if err := sizing.Check(p, w); err != nil {
		return nil, err
	}
	s := &setup{
		profile: p, ports: max(0, c.Ports-p.NeverDrawn), squatted: min(w.Objective.Squatted, max(0, c.Ports-p.NeverDrawn)),
		tries: p.TriesOn(c.Ports), shape: c.Shape, lostSYNs: c.LostSYNs, arrivals: c.Arrivals, requests: c.Requests, most: mostEvents,
		sessions: w.Sessions, parallel: 1, patience: -1,
		timeout: w.AbandonedHoldOn(p).Seconds(), rest: p.PortRest.Seconds(), raceWindow: p.RaceWindow.Seconds(),
	}
	if s.requests == 0 {
		s.requests = usualRequests
	}
	perAddress := w.Sessions
	if w.SessionsPerAddress > 0 {
		perAddress = min(w.SessionsPerAddress, w.Sessions)
	}
	switch w.ScopeOn(p) {
	case sizing.ScopeTLS:
		s.unlimited = true
	case sizing.ScopeAddress:
		s.sessions = perAddress
	}
	if w.WaitsOn(p) {
		s.patience = w.Objective.MaxWait.Seconds()
	}
	s.allHolds = (w.Traffic == nil || w.Objective.WorstCase) && c.Burst == nil
	if c.Burst != nil {
		b := *c.Burst
		b.Sessions, b.Connections = min(b.Sessions, s.sessions), max(1, b.Connections)
		s.burst, s.retry = &b, c.Retry.Seconds()
	}
	if w.Traffic == nil {
		return s, nil
	}
	return s, s.addTraffic(w, perAddress)
}

func (s *setup) addTraffic(w sizing.Workload, perAddress int) error {
	t := w.Traffic
	s.rate = t.Rate
	if t.PeakFactor > 0 {
		s.rate *= t.PeakFactor
	}
	if w.ScopeOn(s.profile) == sizing.ScopeAddress {
		s.rate, _ = sizing.AddressRate(s.profile, w)
	}
	if s.rate <= 0 {
		return &sizing.WorkloadError{Attribute: "traffic.transfers_per_second", Problem: "is 0: there is nothing to simulate"}
	}
	s.connect, s.spread, s.transfer, s.abandoned = t.Connect.Seconds(), t.ConnectSpread(), t.Transfer.Seconds(), t.Abandoned
	s.parallel = min(max(1, t.Parallel), perAddress)
	busy := (1-s.abandoned)*(s.connect+s.transfer) + s.abandoned*s.timeout
	s.think = float64(s.sessions)/s.rate - busy
	if s.profile.Hold == sizing.HoldSession && s.arrivals == Open && !s.allHolds {
		return errors.New("a server that holds its ports until the session ends is simulated with finite sources only")
	}
	return nil
}

func (c *Config) check() error {
	if c.Shape == "" {
		c.Shape = Exponential
	}
	if c.Arrivals == "" {
		c.Arrivals = Finite
	}
	if c.Replications == 0 {
		c.Replications = 20
	}
	switch {
	case c.Shape != Constant && c.Shape != Exponential && c.Shape != Lognormal:
		return fmt.Errorf("shape is %q, not %s, %s or %s", c.Shape, Constant, Exponential, Lognormal)
	case c.Arrivals != Finite && c.Arrivals != Open:
		return fmt.Errorf("arrivals are %q, not %s or %s", c.Arrivals, Finite, Open)
	case c.Split != SplitAuto && c.Split != SplitNever && c.Split != SplitAlways:
		return fmt.Errorf("split is %q, not %q, %s or %s", c.Split, SplitAuto, SplitNever, SplitAlways)
	case c.Burst != nil && (c.Workload.Traffic == nil || c.Burst.Sessions < 1 || c.Burst.Within <= 0 || c.Burst.Connections < 0 ||
		c.Burst.Connections > sizing.MaxConnections || c.Arrivals != Finite || c.Split == SplitAlways):
		return fmt.Errorf("a burst takes traffic, finite arrivals, sessions and a time, and no splitting: %+v", *c.Burst)
	case c.Retry < 0:
		return fmt.Errorf("retry is %s, below 0", c.Retry)
	case !(c.LostSYNs >= 0 && c.LostSYNs <= 1):
		return fmt.Errorf("lost SYNs are %g, not a share from 0 to 1", c.LostSYNs)
	case c.Ports < 1 || c.Ports > sizing.MaxPorts:
		return fmt.Errorf("ports are %d, not 1 to %d", c.Ports, sizing.MaxPorts)
	case c.Replications < 5 && (c.Burst == nil || c.Replications < 2) || c.Replications > MaxReplications:
		return fmt.Errorf("replications are %d, not 5 to %d", c.Replications, MaxReplications)
	case c.Requests != 0 && (c.Requests < 100 || c.Requests > MaxRequests):
		return fmt.Errorf("requests are %d, not 100 to %d", c.Requests, MaxRequests)
	}
	return nil
}

// warmUp is the time before anything is counted: several of the longest holds.
// An abandoned hold is constant, so that after one of them those of the start
// are gone, and a second one lets the sessions settle.
func (s *setup) warmUp() float64 {
	time := 5 * (s.connect + s.transfer + s.rest + math.Max(0, s.patience))
	if s.abandoned > 0 {
		time += 2 * s.timeout
	}
	return time
}

// length is the time that is counted.
func (s *setup) length() float64 { return float64(s.requests) / s.rate }
