package passive

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// What a Config field means when it is zero.
const (
	DefaultMaxWait    = time.Second
	DefaultExpiry     = 30 * time.Second
	DefaultRest       = 2 * time.Second
	DefaultIPv6Prefix = 64
)

const (
	// maxQueue is how many reservations of one client may wait at once, and of all
	// clients together with Config.Foreign.
	maxQueue = 1024
	// maxHandshakes is how many TLS handshakes of data connections may run at once.
	// One more ends the oldest, so that connections which say nothing never shut out
	// those that do; one client ends its own oldest first, beyond spareHandshakes.
	maxHandshakes = 1024
	// HandshakeTimeout is how long such a handshake may take.
	HandshakeTimeout = 10 * time.Second
)

// Config says which ports a pool holds and how patient it is.
type Config struct {
	// Addresses are the distinct local addresses on which every port is bound, at
	// least one. 0.0.0.0 is every IPv4 address; :: is every IPv6 address, and every
	// IPv4 address too unless an IPv4 address stands beside it.
	Addresses []netip.Addr
	// First and Last are the range, both included: 1 to 65535, First ≤ Last.
	First, Last uint16
	// Listeners are already bound ones, from socket activation or from a daemon
	// that hands over. Those of the range are used instead of binding again, others
	// closed. Open owns them all from the call on, also when it fails.
	Listeners []*net.TCPListener
	// Paused: connections come through Arrive only, until Start.
	Paused bool

	// MaxWait is how long Reserve waits for a port if other sessions of the same
	// client occupy every one; negative: it never waits. If one of them only rests,
	// the wait lasts up to Rest longer.
	MaxWait time.Duration
	// Expiry is how long after Reserve a reservation lives without its connection,
	// however often its client says NOOP.
	Expiry time.Duration
	// Rest is how long a port is kept from a client's other sessions after a
	// reservation there ended without its connection, which may still be under
	// way: a lost SYN is sent again after 1 s (RFC 6298 section 2). Negative: no
	// rest.
	Rest time.Duration
	// IPv6Prefix is how many leading bits of an IPv6 address make one client, 1
	// to 128.
	IPv6Prefix int

	// Foreign, if it is not nil, admits data connections from other addresses than
	// their control connection's: those for which it returns true, of which the
	// control connections' own must be. In clear text a port is then one
	// reservation's, whoever has it, and whoever connects there first is served; a
	// mark still says whose a connection is. It must not call the pool.
	Foreign func(from netip.Addr) bool

	// TLS is the configuration of the control connections, needed for Reserve with a
	// mark. It has GetCertificate, and neither GetConfigForClient nor functions that
	// wrap sessions. A daemon that does not set the ticket keys makes new ones at
	// every start, and then no ticket of an earlier run is worth anything.
	TLS *tls.Config
	// Reuse says what a data connection under TLS must show.
	Reuse Reuse

	// Log receives accept errors (warn) and refused connections (debug); nil
	// discards them.
	Log *slog.Logger

	// Tests make these shorter and smaller.
	handshakeTimeout        time.Duration
	maxQueue, maxHandshakes int
}

// Reuse is what the data connection of a marked reservation must show.
type Reuse int

const (
	// ReuseRequired: it must resume its control connection's TLS session, which
	// identifies the reservation. Any number of sessions then share one port, and
	// a port that somebody else reaches first is worth nothing to them.
	ReuseRequired Reuse = iota

	// ReusePreferred: one that does not resume is matched by address and port, as
	// in clear text, after its handshake. Ports are then as exclusive as in
	// clear text.
	ReusePreferred
)

// complete fills in c's defaults.
func (c Config) complete() Config {
	c.MaxWait = cmp.Or(c.MaxWait, DefaultMaxWait)
	c.Expiry = cmp.Or(c.Expiry, DefaultExpiry)
	c.Rest = cmp.Or(c.Rest, DefaultRest)
	c.IPv6Prefix = cmp.Or(c.IPv6Prefix, DefaultIPv6Prefix)
	c.maxQueue = cmp.Or(c.maxQueue, maxQueue)
	c.handshakeTimeout = cmp.Or(c.handshakeTimeout, HandshakeTimeout)
	c.maxHandshakes = cmp.Or(c.maxHandshakes, maxHandshakes)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return c
}
