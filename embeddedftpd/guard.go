package embeddedftpd

import (
	"container/list"
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
	failed map[netip.Addr]*list.Element
	oldest list.List // of *failures, by last
}

type failures struct {
	client netip.Addr
	count  int
	last   time.Time
}

// delay is how long the client has to wait before its password is checked.
func (g *loginGuard) delay(client netip.Addr, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	e := g.failed[client]
	if e == nil {
		return 0
	}
	d := firstDelay
	for range e.Value.(*failures).count - 1 {
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
		g.failed = map[netip.Addr]*list.Element{}
	}
	g.forget(now)
	e := g.failed[client]
	if e == nil {
		if len(g.failed) >= maxGuarded {
			g.drop(g.oldest.Front())
		}
		e = g.oldest.PushBack(&failures{client: client})
		g.failed[client] = e
	}
	f := e.Value.(*failures)
	f.count, f.last = f.count+1, now
	g.oldest.MoveToBack(e)
}

// forget drops the addresses whose last wrong password is long ago.
func (g *loginGuard) forget(now time.Time) {
	for e := g.oldest.Front(); e != nil && now.Sub(e.Value.(*failures).last) > forgetAfter; e = g.oldest.Front() {
		g.drop(e)
	}
}

func (g *loginGuard) drop(e *list.Element) {
	delete(g.failed, e.Value.(*failures).client)
	g.oldest.Remove(e)
}
