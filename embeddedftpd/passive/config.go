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
	// maxQueue is how many reservations of one client may wait, with Foreign of all.
	maxQueue = 1024
	// maxHandshakes is how many TLS handshakes of data connections may run at once. One
	// more ends the oldest, so that those which say nothing never shut out those that do.
	maxHandshakes = 1024
	// HandshakeTimeout is how long such a handshake may take.
	HandshakeTimeout = 10 * time.Second
)

// Config says which ports a pool holds and how patient it is.
type Config struct {
	// Addresses are the distinct local addresses on which every port is bound. :: is every
	// IPv6 address, and every IPv4 address too unless an IPv4 address stands beside it.
	Addresses []netip.Addr
	// First and Last are the range, both included: 1 to 65535, First ≤ Last.
	First, Last uint16
	// Listeners are already bound ones. Those of the range are used, others closed. Open
	// owns them all from the call on, also when it fails.
	Listeners []*net.TCPListener
	// Paused: connections come through Arrive only, until Start.
	Paused bool

	// MaxWait is how long Reserve waits if other sessions of the client occupy every port,
	// up to Rest longer if one of them only rests; negative: not at all.
	MaxWait time.Duration
	// Expiry is how long a reservation lives without its connection.
	Expiry time.Duration
	// Rest is how long a port is kept from a client's other sessions for a connection that
	// may still be under way: a lost SYN is sent again after 1 s (RFC 6298 section 2).
	// Negative: no rest.
	Rest time.Duration
	// IPv6Prefix is how many bits of an IPv6 address make one client, 1 to 128.
	IPv6Prefix int

	// Foreign, if it is not nil, admits data connections from other addresses than their
	// control connection's: those for which it returns true. In clear text a port is then
	// one reservation's, and whoever connects there first is served. It must not call the
	// pool.
	Foreign func(from netip.Addr) bool

	// TLS is that of the control connections, needed for marks. It has GetCertificate, and
	// neither GetConfigForClient nor functions that wrap sessions.
	TLS *tls.Config
	// Reuse says what a data connection under TLS must show.
	Reuse Reuse

	// Log receives accept errors (warn) and refused connections (debug); nil: nobody.
	Log *slog.Logger

	// Tests make these shorter and smaller.
	handshakeTimeout        time.Duration
	maxQueue, maxHandshakes int
}

// Reuse is what the data connection of a marked reservation must show.
type Reuse int

const (
	// ReuseRequired: it must resume its control connection's TLS session. Any number of
	// sessions then share one port, which is worth nothing to anybody else.
	ReuseRequired Reuse = iota

	// ReusePreferred: one that does not resume is matched as in clear text, where ports
	// are exclusive.
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
