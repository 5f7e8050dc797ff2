package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// These tests are about clients that share an address.

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

func TestBackOff(t *testing.T) {
	g := loginGuard{seed: maphash.MakeSeed(), recent: map[guarded]failures{}}
	now := time.Now()
	delay := func(client netip.Addr, name string, now time.Time) time.Duration {
		wait, _ := g.delay(client, name, now)
		return wait
	}
	for _, want := range []time.Duration{0, 250, 500, 1000, 2000, 4000, 8000, 8000} {
		if got := delay(here, "bob", now); got != want*time.Millisecond {
			t.Errorf("delay %v, want %v", got, want*time.Millisecond)
		}
		g.wrong(here, "bob", now)
	}
	if got := delay(there, "bob", now); got != 0 {
		t.Errorf("another address waits %v", got)
	}
	if got := delay(here, "alice", now); got != 0 {
		t.Errorf("another name waits %v", got)
	}
	if _, failures := g.delay(here, "bob", now); failures != 8 {
		t.Errorf("%d failures", failures)
	}
	if got := delay(here, "bob", now.Add(forgetAfter+1)); got != 0 {
		t.Errorf("after a while it still waits %v", got)
	}
	g.wrong(here, "bob", now)
	g.right(here, "bob")
	if got := delay(here, "bob", now); got != 0 {
		t.Errorf("after the right password it still waits %v", got)
	}
	for i := range 2 * maxGuarded {
		g.wrong(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "bob", now)
	}
	if n := len(g.recent) + len(g.older); n < maxGuarded || n > 2*maxGuarded {
		t.Errorf("%d entries remembered", n)
	}
}

// A device that keeps trying an old password delays nobody else, however long it
// does; who tries many names is slowed down for all of them.
func TestBackOffOfAnAddress(t *testing.T) {
	g := loginGuard{seed: maphash.MakeSeed(), recent: map[guarded]failures{}}
	now := time.Now()
	for range 10_000 {
		wait, _ := g.delay(here, "old device", now)
		now = now.Add(max(wait, 2*time.Second))
		g.wrong(here, "old device", now)
	}
	if wait, _ := g.delay(here, "alice", now); wait != 0 {
		t.Errorf("one device makes another name wait %v", wait)
	}
	tried := 0
	for ; tried < 10*freePerAddress; tried++ {
		name := fmt.Sprint("guess ", tried)
		if wait, _ := g.delay(here, name, now); wait == maxDelay {
			break
		}
		g.wrong(here, name, now)
	}
	if tried < freePerAddress || tried > freePerAddress+10 {
		t.Errorf("an address waits %v after %d names", maxDelay, tried)
	}
	if wait, _ := g.delay(here, "alice", now.Add(10*drainEvery)); wait != 0 {
		t.Errorf("after a pause it still waits %v", wait)
	}
}

// The session counts by address and name, and a right password ends its own count.
func TestWrongPasswordsOfAnotherName(t *testing.T) {
	ts := start(t, nil)
	loopback := netip.MustParseAddr("127.0.0.1")
	c := dial(t, ts.addr())
	c.expect(220)
	for _, name := range []string{"bob", "user"} {
		c.do(331, "USER %s", name)
		c.do(530, "PASS wrong")
	}
	ts.login(t)
	for name, want := range map[string]int{"bob": 1, "user": 0, "alice": 0} {
		if _, failures := ts.guard.delay(loopback, name, time.Now()); failures != want {
			t.Errorf("%s: %d failures, want %d", name, failures, want)
		}
	}
}

// slowHash takes a second of the test's clock.
type slowHash struct{ running, most *atomic.Int32 }

func (h slowHash) matches(password string) bool {
	n := h.running.Add(1)
	defer h.running.Add(-1)
	h.most.Store(max(h.most.Load(), n))
	time.Sleep(time.Second)
	return password == "right"
}

// Behind a hundred wrong log-ins a known name with few failures is next; what a
// wrong password for one learns, it learns when an unknown name would.
func TestRightPasswordAmongWrongOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := slowHash{new(atomic.Int32), new(atomic.Int32)}
		u := &UserFile{users: map[string]int{"alice": 0}, entries: []userEntry{{User{Name: "alice"}, h.matches}}, seed: maphash.MakeSeed(), hashing: newHashLine()}
		atOnce := int32(cap(u.hashing.free))
		began := time.Now()
		var all sync.WaitGroup
		attempt := func(name, password string, failures int) (took func() time.Duration) {
			var d time.Duration
			done := make(chan struct{})
			all.Go(func() {
				defer close(done)
				_, err := u.Authenticate(t.Context(), name, password, failures)
				if right := name == "alice" && password == "right"; right != (err == nil) || !right && !errors.Is(err, ErrLogin) {
					t.Errorf("%s: %v", name, err)
				}
				d = time.Since(began)
			})
			synctest.Wait()
			return func() time.Duration { <-done; return d }
		}
		for i := range 100 {
			attempt(fmt.Sprint("bob", i), "wrong", 0)
		}
		right := attempt("alice", "right", fewFailures)
		unknown := attempt("carol", "wrong", 0)
		wrong := attempt("alice", "wrong", 0)
		guessed := attempt("alice", "right", fewFailures+1)
		if d := right(); d != 2*time.Second {
			t.Errorf("the right password took %v", d)
		}
		if u, w := unknown(), wrong(); w < u {
			t.Errorf("a wrong password took %v, an unknown name %v", w, u)
		}
		if d := guessed(); d < unknown() {
			t.Errorf("with many failures it took %v", d)
		}
		all.Wait()
		if n := h.most.Load(); n != atOnce || n > maxHashing || len(u.hashing.free) != int(atOnce) {
			t.Errorf("%d at once, and %d places are left of %d", n, len(u.hashing.free), atOnce)
		}

		ctx, cancel := context.WithCancel(t.Context())
		for range atOnce {
			attempt("alice", "wrong", 0)
		}
		gone := make(chan error, 1)
		go func() {
			_, err := u.Authenticate(ctx, "alice", "right", 0)
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if all.Wait(); len(u.hashing.free) != int(atOnce) {
			t.Errorf("%d places are left of %d", len(u.hashing.free), atOnce)
		}
	})
}

func TestNewcomersHoldAQuarter(t *testing.T) {
	now := time.Now()
	a := admission{by: map[netip.Addr]*address{}, max: 40, maxPerAddress: 16, prefix6: 64}
	var ended []*place
	enter := func(client netip.Addr, at time.Time) *place {
		t.Helper()
		p, why := a.enter(client, at)
		if why != "" {
			t.Fatal(why)
		}
		a.onCrowded(p, func() { ended = append(ended, p) })
		return p
	}
	expect := func(what string, want ...*place) {
		t.Helper()
		if fmt.Sprint(ended) != fmt.Sprint(want) {
			t.Errorf("%s: %d were ended, want %d", what, len(ended), len(want))
		}
		ended = nil
	}
	// A burst is refused by the cap alone.
	var burst []*place
	for range 16 {
		burst = append(burst, enter(here, now))
	}
	if _, why := a.enter(here, now); !strings.Contains(why, "your address") {
		t.Errorf("the 17th: %q", why)
	}
	expect("a burst")
	// Those who have logged in are safe; of the others a quarter stay.
	for _, p := range burst[4:] {
		a.loggedIn(p)
	}
	now = now.Add(newcomerPatience)
	next := enter(here, now)
	expect("one more", burst[0])
	if a.sessions != 16 || next.turn == nil {
		t.Errorf("%d sessions", a.sessions)
	}
	a.leave(burst[0]) // as its session does
	a.rested(burst[0])
	if at := a.by[here]; a.sessions != 16 || at.sessions != 16 || at.resting != 0 {
		t.Errorf("its end was counted twice: %d and %+v", a.sessions, at)
	}
	// Of the site's quarter the address that has most gives one.
	for i := range 6 {
		enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), now.Add(-newcomerPatience+1))
	}
	expect("up to the quarter")
	enter(there, now)
	expect("beyond the quarter", burst[1])
	enter(there, now.Add(newcomerPatience))
	expect("beyond it again", burst[2])
}

// Whom the server does not serve ends no connection of those it serves.
func TestStrangersCrowdNobodyOut(t *testing.T) {
	now := time.Now()
	a := admission{by: map[netip.Addr]*address{}, max: 8, maxPerAddress: 8, prefix6: 64, clients: []netip.Prefix{netip.PrefixFrom(here, 32)}}
	for range 2 {
		p, _ := a.enter(here, now)
		a.onCrowded(p, func() { t.Error("a client's connection was ended") })
	}
	if _, why := a.enter(there, now.Add(newcomerPatience)); !strings.Contains(why, "does not serve") {
		t.Errorf("a stranger: %q", why)
	}
}

// The oldest connection that has not logged in is told why it ends.
func TestCrowdedOut(t *testing.T) {
	ts := start(t, func(c *Config) { c.MaxSessionsPerAddress = 4 })
	in := ts.login(t)
	first, second := dial(t, ts.addr()), dial(t, ts.addr())
	first.expect(220)
	second.expect(220)
	ts.mu.Lock()
	for se := range ts.sessions {
		ts.admission.mu.Lock()
		se.place.since = se.place.since.Add(-newcomerPatience)
		ts.admission.mu.Unlock()
	}
	ts.mu.Unlock()
	dial(t, ts.addr()).expect(220)
	if text := first.expect(421); !strings.Contains(text, "not logged in") {
		t.Errorf("421 %s", text)
	}
	second.do(331, "USER user")
	second.do(230, "PASS secret")
	in.do(200, "NOOP")
	if s := ts.Stats(); s.RefusedSessions != 0 {
		t.Errorf("%+v", s)
	}
}

// A handshake that never comes is not waited for as long as a log-in.
func TestSilentHandshake(t *testing.T) {
	t.Parallel()
	ts := start(t, func(c *Config) { c.TLS, c.LoginTimeout = &TLS{Implicit: true}, time.Hour })
	dial(t, ts.addr())
	ts.eventually(t, "it is in", func(s Stats) bool { return s.Sessions == 1 })
	ts.eventually(t, "it is out", func(s Stats) bool { return s.Sessions == 0 })
}
