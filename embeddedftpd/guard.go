package embeddedftpd

import (
	"net/netip"
	"sync"
	"time"
)

// Bounds of the back-off for wrong passwords: the second attempt of an address
// waits for firstDelay, each one after it twice as long, up to maxDelay.
const (
	firstDelay  = 250 * time.Millisecond
	maxDelay    = 8 * time.Second
	forgetAfter = 5 * time.Minute
	maxGuarded  = 16_384 // addresses remembered
)

// loginGuard slows the guessing of passwords. An address with wrong passwords
// behind it waits *before* its next one is looked at: a guesser who hangs up
// on a slow answer gains nothing.
type loginGuard struct {
	mu     sync.Mutex
	failed map[netip.Addr]failures
}

type failures struct {
	count int
	last  time.Time
}

// delay is how long the client has to wait before its password is checked.
func (g *loginGuard) delay(client netip.Addr, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.failed[client]
	if f.count == 0 || now.Sub(f.last) > forgetAfter {
		return 0
	}
	d := firstDelay
	for range f.count - 1 {
		if d *= 2; d >= maxDelay {
			return maxDelay
		}
	}
	return d
}

// wrong counts a wrong password.
func (g *loginGuard) wrong(client netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = map[netip.Addr]failures{}
	}
	f, known := g.failed[client]
	if !known && len(g.failed) >= maxGuarded {
		g.makeRoom(now)
	}
	if now.Sub(f.last) > forgetAfter {
		f.count = 0
	}
	g.failed[client] = failures{min(f.count+1, 100), now}
}

// makeRoom drops what is forgotten anyway, or else any one address.
func (g *loginGuard) makeRoom(now time.Time) {
	before := len(g.failed)
	for client, f := range g.failed {
		if now.Sub(f.last) > forgetAfter {
			delete(g.failed, client)
		}
	}
	if len(g.failed) < before {
		return
	}
	for client := range g.failed {
		delete(g.failed, client)
		return
	}
}
