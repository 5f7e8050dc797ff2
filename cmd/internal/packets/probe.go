package packets

import (
	"net/netip"
	"time"
)

// How long a probe waits. An answer ends it at once, so that a long patience
// costs nothing if packets pass; silence takes its whole time.
const (
	Patience = 5 * time.Second
	Silence  = 300 * time.Millisecond
)

// Verdict is the result of a new connection.
type Verdict string

// The verdicts. A reset is an answer: the packet has passed the firewall,
// whether or not a program listens behind it.
const (
	Admitted Verdict = "admitted"
	Dropped  Verdict = "dropped"
)

// Probe is a new connection to be tried.
type Probe struct {
	From netip.Addr
	To   netip.AddrPort
	// Want only says how long to wait: Patience for an answer, or Silence
	// if none is expected.
	Want Verdict
}

// Result is what happened to a probe.
type Result struct {
	Probe
	Got Verdict
	Err error // neither verdict: the network itself failed
}
