package embeddedftpd

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
)

// Config is all that a server needs to know. A zero duration or count takes
// the default in parentheses.
type Config struct {
	// Listen holds the addresses of the control port. :: is every IPv6 address, and every
	// IPv4 address too unless an IPv4 address stands beside it.
	Listen []netip.AddrPort
	// PassiveFirst and PassiveLast bound the passive ports, 1 to 65535, inclusive.
	// All of them are bound at start, on every address of Listen.
	PassiveFirst, PassiveLast uint16
	// Listeners are already bound ones, from socket activation. Those of Listen and
	// of the passive ports are used instead of binding again, others closed. New
	// owns them all from the call on, also when it fails.
	Listeners []*net.TCPListener
	// Predecessor is a server that hands over its ports, all of which, and no
	// others, must be those of Listen and the passive range. New owns it.
	Predecessor *handover.Predecessor

	// Announce is the IPv4 address in a 227 reply, for a server behind a NAT;
	// zero: the control connection's own. A 229 reply names none (RFC 2428 section 3).
	Announce netip.Addr
	// AnnounceName is a host name of that address, in place of Announce. It is
	// resolved at start and each minute; while it cannot be, the last answer stands.
	AnnounceName string
	// AnnounceTo are those for clients of single networks; the first that fits comes
	// first.
	AnnounceTo []Announcement

	Clients []netip.Prefix // who may connect; empty: everyone
	// MaxSessions bounds the control connections at once (1024), and
	// MaxSessionsPerAddress those of one client (MaxSessions): an IPv4 address or the
	// first IPv6ClientPrefix bits, 1 to 128, of an IPv6 one (64). A session that has
	// ended counts until its passive port has rested. Connections that have not
	// logged in hold a quarter of each number, at least 2: more of them end the
	// oldest, if that is 5 s old.
	MaxSessions, MaxSessionsPerAddress int
	IPv6ClientPrefix                   int
	// MaxWait is how long a PASV waits for a free passive port before it is
	// refused with 425 (1 s); up to passive.DefaultRest longer for one at rest. With
	// MaxSessionsPerAddress ports none is ever refused, with ForeignData of MaxSessions.
	MaxWait time.Duration

	// Users authenticates logins; nil: nobody but anonymous can log in.
	Users         Users
	AnonymousRoot string // the folder of "anonymous" and "ftp", read-only; empty: no such logins
	TLS           *TLS   // nil: clear text only

	LoginTimeout     time.Duration // to a login (60 s), of which TLS gets passive.HandshakeTimeout
	MaxLoginAttempts int           // wrong passwords that close a session (3)
	IdleTimeout      time.Duration // between two commands, transfers not counted (300 s)
	ConnectTimeout   time.Duration // from a transfer command or PASV to the data connection (30 s)
	StallTimeout     time.Duration // how long a data connection may carry no byte (60 s)
	StopTimeout      time.Duration // how long transfers may go on when the server stops (10 s)

	// ForeignData admits data connections from other addresses than their control
	// connection's, if Clients have them (a NAT's pool, proxies). In clear text each
	// session then needs a passive port of its own, and whoever connects there first
	// is served; under TLS, without ReusePreferred, the resumed session says whose a
	// connection is. PORT and EPRT stay refused to other addresses. Such a server
	// does not hand over.
	ForeignData bool
	ActiveMode  bool // lets PORT and EPRT through, to the client's own address only
	// Rate bounds the bytes a second of each transfer whose user has no bound of
	// its own, TotalRate those of all together; 0: as fast as it goes.
	Rate, TotalRate int64
	// TransferLog receives a line in xferlog format for each file transferred;
	// nil: nobody. Each line is one Write, and no two are at the same time.
	TransferLog io.Writer
	// Log receives what happens; nil: slog.Default(). Passwords never reach it.
	Log *slog.Logger
}

// withDefaults returns c with its zero values filled in, or every mistake in it.
func (c Config) withDefaults() (Config, error) {
	c.Listen, c.Listeners = slices.Clone(c.Listen), slices.Clone(c.Listeners)
	for i, at := range c.Listen {
		c.Listen[i] = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	c.MaxSessions = cmp.Or(c.MaxSessions, 1024)
	c.MaxSessionsPerAddress = cmp.Or(c.MaxSessionsPerAddress, c.MaxSessions)
	c.IPv6ClientPrefix = cmp.Or(c.IPv6ClientPrefix, 64)
	c.MaxWait = cmp.Or(c.MaxWait, time.Second)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 60*time.Second)
	c.MaxLoginAttempts = cmp.Or(c.MaxLoginAttempts, 3)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 300*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 30*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, 60*time.Second)
	c.StopTimeout = cmp.Or(c.StopTimeout, 10*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	return c, c.check()
}

// addresses are the distinct addresses of Listen.
func (c Config) addresses() []netip.Addr {
	var all []netip.Addr
	for _, at := range c.Listen {
		if !slices.Contains(all, at.Addr()) {
			all = append(all, at.Addr())
		}
	}
	return all
}

// descriptors is how many file descriptors a server needs at most. A session has a
// control and a data connection, two for its root, a file and the two ends of a pipe.
func (c Config) descriptors() uint64 {
	const ofSession, reserve = 7, 64
	ports := int(c.PassiveLast) - int(c.PassiveFirst) + 1
	return uint64(ofSession*c.MaxSessions + ports*len(c.addresses()) + len(c.Listen) + reserve)
}

// descriptorLimit is how many file descriptors the process may have (RLIMIT_NOFILE).
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1<<64 - 1
	}
	return uint64(limit.Cur)
}

func (c Config) check() error {
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }

	if len(c.Listen) == 0 {
		complain("no address to listen on")
	}
	for _, at := range c.Listen {
		if !at.IsValid() {
			complain("%v is not an address to listen on", at)
		}
	}
	if c.PassiveFirst == 0 || c.PassiveFirst > c.PassiveLast {
		complain("passive ports %d-%d: want 1 <= first <= last <= 65535", c.PassiveFirst, c.PassiveLast)
	}
	if c.Announce.IsValid() && !c.Announce.Unmap().Is4() {
		complain("announced address %v: a 227 reply can only hold IPv4", c.Announce)
	}
	for _, to := range c.AnnounceTo {
		if !to.Clients.IsValid() || !to.Address.Is4() {
			complain("announced address %v for clients of %v: a 227 reply can only hold IPv4", to.Address, to.Clients)
		}
	}
	if c.AnnounceName != "" && c.Announce.IsValid() {
		complain("an address and a host name to announce: want one of them")
	}
	if c.IPv6ClientPrefix < 1 || c.IPv6ClientPrefix > 128 {
		complain("IPv6 client prefix %d: want 1 to 128", c.IPv6ClientPrefix)
	}
	for field, value := range reflect.ValueOf(c).Fields() {
		if value.CanInt() && value.Int() < 0 {
			complain("%s: %v is negative", field.Name, value)
		}
	}
	if c.AnonymousRoot != "" {
		if info, err := os.Stat(c.AnonymousRoot); err != nil {
			complain("anonymous root: %w", err)
		} else if !info.IsDir() {
			complain("anonymous root %s is not a folder", c.AnonymousRoot)
		}
	}
	return errors.Join(wrong...)
}
