// Package ftpload is a load client for FTP servers: it holds sessions open,
// asks for passive ports at a given rate or as fast as it can, and counts what
// the server refused, and how.
//
// It measures; it does not judge. What the model says of the same load is
// package sizing's to compute and the load command's to compare.
package ftpload

import (
	"crypto/tls"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// Operation is what a session does with its data connections.
type Operation string

// The operations.
const (
	Retrieve Operation = "retr"
	Store    Operation = "stor"
	List     Operation = "list"
)

// Shape is the distribution of a delay.
type Shape string

// The shapes.
const (
	Constant    Shape = "constant"
	Exponential Shape = "exponential"
	Lognormal   Shape = "lognormal" // σ = 1: one in a hundred is 6.2 times the mean or more
)

// Delay is a random time: the pause between a PASV reply and the connection.
type Delay struct {
	Shape Shape
	Mean  time.Duration
}

func (d Delay) draw(r *rand.Rand) time.Duration {
	switch d.Shape {
	case Exponential:
		return time.Duration(r.ExpFloat64() * float64(d.Mean))
	case Lognormal:
		return time.Duration(math.Exp(r.NormFloat64()-0.5) * float64(d.Mean))
	default:
		return d.Mean
	}
}

// Limits of a Config.
const (
	MaxSessions = 20000
	MaxRate     = 1e5      // data connections a second
	MaxSize     = 64 << 30 // bytes of an upload
	MaxDuration = 24 * time.Hour
)

// Config is one measurement.
type Config struct {
	Addr     string // host:port of the control port
	User     string
	Password string
	Sessions int
	// Sources are local addresses to bind to, dealt to the sessions in turn;
	// none leaves the choice to the kernel.
	Sources  []netip.Addr
	Extended bool // EPSV (RFC 2428) instead of PASV
	Op       Operation
	// Path is what is fetched, stored or listed. "%d" in it is replaced by
	// the session's number from 0, so that each session has a file of its own:
	// only then is data that reaches the wrong session seen.
	Path string
	Size int64 // bytes of an upload
	// Rate is the number of data connections asked for a second, as a Poisson
	// stream over all sessions; 0 is a closed loop, in which each session
	// asks again when it is done.
	Rate float64
	// Together, if it is above 0, lets all sessions start at random instants of
	// that time, and again once all are through: each then makes Connections
	// data connections, one after another, and one whose session ends makes no
	// more. Rate must be 0.
	Together     time.Duration
	Connections  int
	ConnectDelay Delay
	Abandoned    float64 // share of PASVs that no connection follows, 0 to 1
	// AbandonFor is how long a session is silent after a port that it abandons:
	// its next PASV would give the port back.
	AbandonFor time.Duration
	ReadRate   float64 // bytes a second of a slow reader; 0 is full speed
	// Relogin ends each session after one port and logs in again: on servers
	// that keep a session's port until its end, a port then serves one transfer.
	Relogin bool
	// TLS is the client's configuration for AUTH TLS with PROT P (RFC 4217);
	// nil is clear text. Each session gets a session cache of its own.
	TLS      *tls.Config
	Duration time.Duration
	Timeout  time.Duration // longest wait for a reply or for data
	// FirstPort and LastPort are the range that the server should keep to; 0
	// leaves it unchecked.
	FirstPort, LastPort uint16
	Seed                uint64
}

// Check reports the first setting that is out of bounds.
func (c *Config) Check() error {
	switch {
	case c.Sessions < 1 || c.Sessions > MaxSessions:
		return fmt.Errorf("sessions must be 1 to %d, not %d", MaxSessions, c.Sessions)
	case math.IsNaN(c.Rate) || c.Rate < 0 || c.Rate > MaxRate:
		return fmt.Errorf("rate must be 0 to %g a second, not %g", float64(MaxRate), c.Rate)
	case c.Together < 0 || c.Together > 0 && (c.Rate > 0 || c.Connections < 1):
		return fmt.Errorf("sessions that start together, within %s, have no rate and make at least one connection: %g/s, %d", c.Together, c.Rate, c.Connections)
	case math.IsNaN(c.Abandoned) || c.Abandoned < 0 || c.Abandoned > 1:
		return fmt.Errorf("abandoned must be a share from 0 to 1, not %g", c.Abandoned)
	case c.AbandonFor < 0:
		return fmt.Errorf("abandoned for must be 0 or more, not %s", c.AbandonFor)
	case math.IsNaN(c.ReadRate) || c.ReadRate < 0 || math.IsInf(c.ReadRate, 0):
		return fmt.Errorf("read rate must be 0 or more bytes a second, not %g", c.ReadRate)
	case c.Duration <= 0 || c.Duration > MaxDuration:
		return fmt.Errorf("duration must be above 0 and at most %s, not %s", MaxDuration, c.Duration)
	case c.Timeout <= 0:
		return fmt.Errorf("timeout must be above 0, not %s", c.Timeout)
	case c.ConnectDelay.Mean < 0 || c.ConnectDelay.Mean > c.Timeout:
		return fmt.Errorf("connect delay must be 0 to the timeout of %s, not %s", c.Timeout, c.ConnectDelay.Mean)
	case c.ConnectDelay.Shape != Constant && c.ConnectDelay.Shape != Exponential && c.ConnectDelay.Shape != Lognormal:
		return fmt.Errorf("connect delay is constant, exponential or lognormal, not %q", c.ConnectDelay.Shape)
	case c.Op != Retrieve && c.Op != Store && c.Op != List:
		return fmt.Errorf("operation is retr, stor or list, not %q", c.Op)
	case c.Op != List && c.Path == "":
		return fmt.Errorf("%s needs a path", c.Op)
	case c.Size < 0 || c.Size > MaxSize:
		return fmt.Errorf("size must be 0 to %d bytes, not %d", int64(MaxSize), c.Size)
	case c.FirstPort > c.LastPort:
		return fmt.Errorf("the range %d-%d is reversed", c.FirstPort, c.LastPort)
	}
	for _, s := range []string{c.User, c.Password, c.Path} {
		if strings.ContainsAny(s, "\r\n\x00") {
			return fmt.Errorf("user, password and path must not contain line breaks")
		}
	}
	return nil
}

// alone is c for a fetch that is no part of the load.
func (c Config) alone() Config {
	c.Op, c.Abandoned, c.ReadRate = Retrieve, 0, 0
	c.ConnectDelay = Delay{Shape: Constant}
	return c
}

func (c *Config) path(session int) string {
	return strings.ReplaceAll(c.Path, "%d", fmt.Sprint(session))
}

// ownFiles reports whether sessions use different files, so that a mix-up of
// their data would be seen.
func (c *Config) ownFiles() bool {
	return c.Op != List && strings.Contains(c.Path, "%d")
}
