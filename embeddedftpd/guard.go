package embeddedftpd

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// The second attempt for a name from an address waits for firstDelay, each one after it
// twice as long. An address as a whole waits only beyond freePerAddress, from which one
// goes every drainEvery: one device with an old password delays nobody else behind its
// NAT.
const (
	firstDelay     = 250 * time.Millisecond
	maxDelay       = 8 * time.Second
	forgetAfter    = 5 * time.Minute
	freePerAddress = 100
	drainEvery     = time.Second
	maxGuarded     = 16_384 // entries that are remembered at least
)

// loginGuard slows the guessing of passwords. Who has sent wrong ones waits *before*
// the next one is looked at: to hang up on a slow answer gains nothing.
type loginGuard struct {
	mu   sync.Mutex
	seed maphash.Seed
	// recent becomes older once it has maxGuarded entries, in place of the one before.
	recent, older map[guarded]failures
}

// guarded is whose wrong passwords are counted.
type guarded struct {
	client netip.Addr
	name   uint64 // hash of the name; 0: every name of the client
}

type failures struct {
	count float64
	last  time.Time
}

// delay is how long the client has to wait, and how many wrong ones for the name it has
// sent.
func (g *loginGuard) delay(client netip.Addr, name string, now time.Time) (wait time.Duration, wrong int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wrong = int(g.count(g.named(client, name), now))
	n := max(wrong, int(g.count(guarded{client: client}, now))-freePerAddress)
	if n <= 0 {
		return 0, wrong
	}
	for wait = firstDelay; n > 1 && wait < maxDelay; n-- {
		wait *= 2
	}
	return wait, wrong
}

func (g *loginGuard) count(of guarded, now time.Time) float64 {
	f, ok := g.recent[of]
	if !ok {
		f = g.older[of]
	}
	since := now.Sub(f.last)
	switch {
	case since > forgetAfter:
		return 0
	case of.name != 0:
		return f.count
	}
	return max(f.count-float64(since)/float64(drainEvery), 0)
}

// named is the key of a name, which may be of any length.
func (g *loginGuard) named(client netip.Addr, name string) guarded {
	return guarded{client, maphash.String(g.seed, name) | 1}
}

// wrong counts a wrong password.
func (g *loginGuard) wrong(client netip.Addr, name string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, of := range []guarded{g.named(client, name), {client: client}} {
		g.recent[of] = failures{g.count(of, now) + 1, now}
	}
	if len(g.recent) >= maxGuarded {
		g.recent, g.older = map[guarded]failures{}, g.recent
	}
}

// right forgets the wrong passwords for a name from the client.
func (g *loginGuard) right(client netip.Addr, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.named(client, name)
	delete(g.recent, of)
	delete(g.older, of)
}
