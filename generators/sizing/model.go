package sizing

import (
	"slices"
	"time"
)

// Hold says until when a server keeps a passive port to itself.
type Hold string

// The holds, shortest first.
const (
	HoldListen   Hold = "listen"   // from the PASV reply to accept
	HoldTransfer Hold = "transfer" // to the end of the transfer
	HoldSession  Hold = "session"  // to the next PASV or the session's end
)

// Pick says how a server draws a port.
type Pick string

// The picks.
const (
	PickScan        Pick = "scan"        // looks at every port of the range before it gives up
	PickRandom      Pick = "random"      // Tries draws with replacement
	PickDistinct    Pick = "distinct"    // Tries draws without replacement
	PickScanPartial Pick = "scan_window" // Tries neighbouring ports, upwards from a random start
)

// Scope says what a reserved port is exclusive to.
type Scope string

// The scopes.
const (
	ScopePort    Scope = "port"         // one reservation a port
	ScopeAddress Scope = "address_port" // one reservation a client address and port
	ScopeTLS     Scope = "tls_session"  // any number: TLS resumption tells the sessions apart
)

// WhenFull says what a server does with a PASV that finds no port.
type WhenFull string

// The reactions.
const (
	FullRefuses WhenFull = "refuses"       // 4xx, the session goes on
	FullDrops   WhenFull = "drops_session" // the session dies
	FullLeaves  WhenFull = "leaves_range"  // a kernel port outside the range
	FullWaits   WhenFull = "waits"         // queues, in order
	FullUnknown WhenFull = "unknown"       // undocumented and unmeasured
)

// Strangers says what a server does with the connection of a stranger on a
// port that waits for a client.
type Strangers string

// The ways with strangers.
const (
	StrangersServed  Strangers = "served"  // it is taken for the client's
	StrangersRefused Strangers = "refused" // it is closed, and the client's transfer fails
	StrangersIgnored Strangers = "ignored" // it is closed, and the client still gets its port
)

// ActiveFrom is where a server's data connections in active mode come from.
type ActiveFrom string

// What ActiveFrom can be.
const (
	ActiveTwenty    ActiveFrom = "20"        // ftp-data, whatever the control port is
	ActiveEphemeral ActiveFrom = "ephemeral" // any of the kernel's for outgoing connections
)

// Profile says how a server treats passive ports.
type Profile struct {
	Name  string // as in a spec's server attribute
	Title string // as its makers write it
	Hold  Hold
	Pick  Pick
	Tries int // draws before it gives up; 0 for PickScan
	// TriesPerPort makes the draws of PickRandom grow with the range: that
	// many for each of its ports but one, at least MinTries, at most Tries.
	TriesPerPort, MinTries int
	// DistinctTries ends PickRandom's draws when that many different ports
	// have been drawn, or all but one, too; 0 if only the draws are counted.
	DistinctTries int
	Scope         Scope
	WhenFull      WhenFull
	// MarksSessions: if a workload's MarkedSessions are demanded, the
	// server tells its sessions apart by TLS and Scope becomes ScopeTLS.
	MarksSessions bool
	// HoldsRange: the server binds every port of its range when it starts and
	// keeps it, so that no other program can squat one.
	HoldsRange bool
	// AbandonedHold is how long a PASV that no connection follows keeps its
	// port.
	AbandonedHold time.Duration
	// IdleFrees: AbandonedHold is the idle timeout, after which the session
	// ends; a workload's IdleTimeout takes its place.
	IdleFrees bool
	// RaceWindow is the time between a server's choice of a port and its
	// listening on it, in which another session may choose the same port and
	// then fail (δ of the listen race); 0 if it draws again.
	RaceWindow time.Duration
	// PortRest is how long a port cannot be bound again after a transfer that
	// the server was first to close: TIME_WAIT, 60 s on Linux, on a server
	// that does not set SO_REUSEADDR; 0 on all that do.
	PortRest time.Duration
	// Strangers is how the server treats a connection from another address than the
	// control connection's.
	Strangers Strangers
	// ResumesTLS: the server can demand that a data connection resumes the TLS
	// session of its control connection, and so serves no other client's.
	ResumesTLS bool
	// AdmitsForeign: pasvctl has it serve data connections from other addresses than
	// their control connections' where foreign_data asks for that, while PORT and
	// EPRT to such addresses stay refused.
	AdmitsForeign bool
	// WhyNotForeign says, in a sentence, why it does not although the server could.
	WhyNotForeign string `json:",omitzero"`
	// AnnouncesName: pasvctl can have it resolve a host name for its 227 reply.
	AnnouncesName bool
	// AnnouncesByClient: it can name another address to clients of a network.
	AnnouncesByClient bool
	// ActiveFrom is the port from which it opens data connections in active mode, as
	// pasvctl configures it; "" where pasvctl does not.
	ActiveFrom ActiveFrom `json:",omitzero"`
	// ActiveInClear: it opens no data connection under TLS in active mode.
	ActiveInClear bool `json:",omitzero"`
	// AlwaysActive: the server has no setting that turns active mode off.
	AlwaysActive bool `json:",omitzero"`
	// NoImplicitTLS: the server cannot speak TLS from the first byte on.
	NoImplicitTLS bool
	// PortsPerSession is the number of ports the server wants per admitted
	// session by a cap of its own (Pure-FTPd: 2); 0 if it has no such cap.
	PortsPerSession int
	// MinPorts is the smallest range the server accepts or survives, 1 unless
	// it is known to need more.
	MinPorts int
	// FixedPorts is the range's size if it cannot be chosen (AWS Transfer
	// Family: 9); 0 if it is free.
	FixedPorts int
	// NeverDrawn is the number of ports of the range that the server never
	// draws (goftp: 1).
	NeverDrawn int
	// Sources says where each of the fields above comes from.
	Sources []string
}

// Workload is what a site asks of its server.
type Workload struct {
	Sessions           int
	SessionsPerAddress int
	Traffic            *Traffic // nil: the worst case
	Objective          Objective
	// MarkedSessions: TLS is required and so is resumption of the control
	// connection's session.
	MarkedSessions bool
	// ForeignData: data connections may come from other addresses than their
	// control connections', which then tell no two of them apart.
	ForeignData bool `json:",omitzero"`
	// IdleTimeout is after how long without a command the server ends a
	// session; 0: as its profile has it.
	IdleTimeout time.Duration `json:",omitzero"`
}

// Traffic is the load at its peak. Rates are per second and include the peak
// factor only through PeakFactor.
type Traffic struct {
	Rate           float64       // data connections asked for a second
	RatePerAddress float64       // from the busiest address, at most Rate; 0: see AddressRate
	Connect        time.Duration // mean, connections whose SYN was lost apart
	// ConnectP99 is the connect time that one connection in a hundred exceeds:
	// from Connect to MaxConnectSpread times that. 0: as lognormal times with
	// σ = 1 have it, 6.2 times the mean.
	ConnectP99  time.Duration
	Transfer    time.Duration
	Abandoned   float64 // share, 0 to below 1
	ClientPorts int
	PeakFactor  float64
	// Parallel is the number of sessions with which one client asks in the
	// same instant (mirror --parallel=4); 0 and 1: each asks by itself.
	Parallel int
	Bursts   Bursts `json:",omitzero"`
}

// MaxBursts bounds the bursts of a workload.
const MaxBursts = 8

// Bursts are sessions that start together, each burst at a time of its own. An
// array keeps workloads comparable; entries without sessions are none.
type Bursts [MaxBursts]Burst

// All are the entries that are bursts.
func (b Bursts) All() []Burst {
	return slices.DeleteFunc(b[:], func(each Burst) bool { return each == Burst{} })
}

// Burst is sessions that start together, evenly within a time, beside the
// traffic of all others.
type Burst struct {
	Sessions    int           // 1 to the workload's
	Within      time.Duration // above 0
	Connections int           // data connections of each, one after another; 0 is 1
}

// Objective is what the range must achieve.
type Objective struct {
	// Refused is the share of the data connections that may be refused, above 0
	// and below 1; 0 is the server's default: DefaultRefused, and for one with a
	// listen race and traffic DefaultRefusedInRace, or what it reaches.
	Refused   float64
	MaxWait   time.Duration
	Squatted  int
	WorstCase bool
}

// Bound is one lower bound on the number of ports, with its reason.
type Bound struct {
	Name  string `json:"name"` // contention, listen_race, per_address, four_tuples, burst, server
	Ports int    `json:"ports"`
	Why   string `json:"why"` // one sentence, with this workload's numbers
}

// Result is the smallest safe number of ports and what it rests on.
type Result struct {
	Ports   int     // the largest of Bounds
	Bounds  []Bound // all that apply, in a fixed order
	Binding string  // name of the bound that binds; if several do, the one that gives the share
	Refused float64 // refused share with Ports ports
	// Objective is the share that may be refused, a default filled in.
	Objective float64
	OnePort   OnePort
}

// Why is why the bound that binds asks for as many ports as it does.
func (r Result) Why() string { return r.bound(r.Binding).Why }

// OnePort says what a range of one port would do here.
type OnePort struct {
	Works   bool    `json:"works"`
	Refused float64 `json:"refused"`
	Why     string  `json:"why"`
	// Verdict is what one port is or does, in words that complete "one port":
	// is enough, is too few, refuses 3 %, refuses all.
	Verdict string `json:"verdict"`
}
