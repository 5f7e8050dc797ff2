package sizing

import (
	"cmp"
	"math"
	"time"
)

// Defaults of a workload whose fields are zero.
const (
	// DefaultClientPorts is the size of Linux's default range of local ports,
	// 32768-60999.
	DefaultClientPorts = 28232
)

// load is a workload's traffic on one server, with every default filled in.
// Times are in seconds, rates per second.
type load struct {
	sessions, perAddress int
	rate, addressRate    float64 // data connections asked for, at peak
	abandoned            float64
	connect, transfer    float64
	spread               float64 // σ of the lognormal connect time
	abandonedHold        float64
	clientPorts          int
	parallel             int  // requests in the same instant, at least 1
	open                 bool // requests come however many sessions wait or hold
}

// loadOf returns nil if a workload has no traffic.
func loadOf(p Profile, w Workload) *load {
	if w.Traffic == nil {
		return nil
	}
	t := w.Traffic
	peak := cmp.Or(t.PeakFactor, 1)
	l := &load{
		sessions: w.Sessions, perAddress: w.perAddress(),
		rate: t.Rate * peak, addressRate: t.RatePerAddress * peak,
		abandoned: t.Abandoned,
		connect:   t.Connect.Seconds(), transfer: t.Transfer.Seconds(), spread: t.ConnectSpread(),
		abandonedHold: w.AbandonedHoldOn(p).Seconds(),
		clientPorts:   t.ClientPorts,
		parallel:      min(max(1, t.Parallel), w.perAddress()),
	}
	if l.addressRate <= 0 {
		l.addressRate = min(l.rate, l.carriedByAddress())
	}
	if l.clientPorts <= 0 {
		l.clientPorts = DefaultClientPorts
	}
	return l
}

// MaxConnectSpread is how many times the mean the 99th percentile of lognormal
// times can be: e^(z²/2), z = 2.326, less some.
const MaxConnectSpread = 14.9

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// ConnectSpread is σ of the connect times, taken as lognormal: the smaller root
// of e^(zσ − σ²/2) = p99/mean, where z is the normal distribution's 99th
// percentile; 1 if ConnectP99 is not given.
func (t *Traffic) ConnectSpread() float64 {
	if t.ConnectP99 <= 0 || t.Connect <= 0 {
		return 1
	}
	return z99 - math.Sqrt(max(0, z99*z99-2*math.Log(float64(t.ConnectP99)/float64(t.Connect))))
}

// ConnectP99OrDefault is ConnectP99, or what it is taken as.
func (t *Traffic) ConnectP99OrDefault() time.Duration {
	sigma := t.ConnectSpread()
	return time.Duration(float64(t.Connect) * math.Exp(z99*sigma-sigma*sigma/2))
}

// ScopeOn is what a port is exclusive to on a server, for this workload.
func (w Workload) ScopeOn(p Profile) Scope {
	if w.MarkedSessions && p.MarksSessions {
		return ScopeTLS
	}
	if w.ForeignData && p.Scope == ScopeAddress {
		return ScopePort
	}
	return p.Scope
}

// AbandonedHoldOn is how long a PASV that no connection follows keeps its port
// on a server, for this workload.
func (w Workload) AbandonedHoldOn(p Profile) time.Duration {
	if p.IdleFrees && w.IdleTimeout > 0 {
		return w.IdleTimeout
	}
	return p.AbandonedHold
}

// WaitsOn reports whether a request that finds no port waits for one.
func (w Workload) WaitsOn(p Profile) bool {
	return p.WhenFull == FullWaits && p.Scope == ScopeAddress && w.ScopeOn(p) != ScopeTLS
}

// proven reports whether TLS shows whose a data connection is.
func (w Workload) proven(p Profile) bool { return w.MarkedSessions && p.ResumesTLS }

// perAddress is the number of sessions behind the busiest address.
func (w Workload) perAddress() int {
	if w.SessionsPerAddress <= 0 {
		return w.Sessions
	}
	return min(w.SessionsPerAddress, w.Sessions)
}

// listening is the mean time from the PASV reply to accept, or until the
// server gives up on a PASV that nobody follows.
func (l *load) listening() float64 {
	return (1-l.abandoned)*l.connect + l.abandoned*l.abandonedHold
}

// busy is the mean time that a session spends on one data connection.
func (l *load) busy() float64 {
	return l.listening() + (1-l.abandoned)*l.transfer
}

// mostBusy is the share of its time that the busiest address's sessions are
// assumed to be busy at most, if the spec does not say what they ask for.
const mostBusy = 0.9

// carriedByAddress is the rate that the sessions of one address carry.
func (l *load) carriedByAddress() float64 {
	if l.busy() == 0 {
		return math.Inf(1)
	}
	return mostBusy * float64(l.perAddress) / l.busy()
}

// AddressRate is the rate at which the busiest client address is assumed to ask
// for data connections, a second: what the workload says, or else all of the
// site's, but no more than the address's sessions carry when they are busy
// nine tenths of their time. An even share of the site's rate would be no
// bound, and fall as the site admits more sessions. Carried is that second
// figure. Both are 0 without traffic.
func AddressRate(p Profile, w Workload) (rate, carried float64) {
	l := loadOf(p, w)
	if l == nil {
		return 0, 0
	}
	return l.addressRate, l.carriedByAddress()
}

// held is the mean time that a port is held for one data connection.
func (l *load) held(h Hold) float64 {
	if h == HoldListen {
		return l.listening()
	}
	return l.busy()
}

// sources is γ·h: what sessions that hold no port offer, where together they
// carry rate data connections a second that hold a port for h each. A session
// starts one every S/λ seconds and holds a port for h of them.
func offeredBy(sessions int, rate, h float64) float64 {
	return rate * h / (float64(sessions) - rate*h)
}
