package embeddedftpd

import (
	"container/list"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Bounds of the back-off for wrong passwords: the second attempt for a name from
// an address waits for firstDelay, each one after it twice as long, up to
// maxDelay. An address as a whole waits only beyond freePerAddress, from which
// one is taken off every drainEvery: one device with an old password, or ten,
// delay nobody else behind their NAT.
const (
	firstDelay     = 250 * time.Millisecond
	maxDelay       = 8 * time.Second
	forgetAfter    = 5 * time.Minute
	freePerAddress = 100
	drainEvery     = time.Second
	maxGuarded     = 16_384 // entries
)

// loginGuard slows the guessing of passwords. Who has sent wrong passwords waits
// *before* the next one is looked at: a guesser who hangs up on a slow answer
// gains nothing.
type loginGuard struct {
	mu     sync.Mutex
	seed   maphash.Seed
	failed map[guarded]*list.Element // of *failures
	oldest list.List                 // by last
}

// guarded is whose wrong passwords are counted.
type guarded struct {
	client netip.Addr
	name   uint64 // hash of the name; 0: every name of the client
}

type failures struct {
	guarded
	count float64
	last  time.Time
}

// at is f's count at a time.
func (f *failures) at(now time.Time) float64 {
	if f.name != 0 {
		return f.count
	}
	return max(f.count-float64(now.Sub(f.last))/float64(drainEvery), 0)
}

// delay is how long the client has to wait before its password is checked, and
// how many wrong ones for the name are behind it.
func (g *loginGuard) delay(client netip.Addr, name string, now time.Time) (wait time.Duration, wrong int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	wrong = g.count(g.named(client, name), now)
	n := max(wrong, g.count(guarded{client: client}, now)-freePerAddress)
	if n <= 0 {
		return 0, wrong
	}
	for wait = firstDelay; n > 1 && wait < maxDelay; n-- {
		wait *= 2
	}
	return wait, wrong
}

func (g *loginGuard) count(of guarded, now time.Time) int {
	if e := g.failed[of]; e != nil {
		return int(e.Value.(*failures).at(now))
	}
	return 0
}

// named is the key of a name, which may be of any length.
func (g *loginGuard) named(client netip.Addr, name string) guarded {
	if g.failed == nil {
		g.seed, g.failed = maphash.MakeSeed(), map[guarded]*list.Element{}
	}
	return guarded{client, maphash.String(g.seed, name) | 1}
}

// wrong counts a wrong password.
func (g *loginGuard) wrong(client netip.Addr, name string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	for _, of := range []guarded{g.named(client, name), {client: client}} {
		e := g.failed[of]
		if e == nil {
			if len(g.failed) >= maxGuarded {
				g.drop(g.oldest.Front())
			}
			e = g.oldest.PushBack(&failures{guarded: of})
			g.failed[of] = e
		}
		f := e.Value.(*failures)
		f.count, f.last = f.at(now)+1, now
		g.oldest.MoveToBack(e)
	}
}

// right forgets the wrong passwords for a name from the client.
func (g *loginGuard) right(client netip.Addr, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.failed[g.named(client, name)]; e != nil {
		g.drop(e)
	}
}

// forget drops the entries whose last wrong password is long ago.
func (g *loginGuard) forget(now time.Time) {
	for e := g.oldest.Front(); e != nil && now.Sub(e.Value.(*failures).last) > forgetAfter; e = g.oldest.Front() {
		g.drop(e)
	}
}

func (g *loginGuard) drop(e *list.Element) {
	delete(g.failed, e.Value.(*failures).guarded)
	g.oldest.Remove(e)
}
