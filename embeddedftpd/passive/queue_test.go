package passive

import (
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"
)

func TestRenewTakesItsOwnPortBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait, c.Rest, c.Expiry = time.Minute, 2*time.Second, 10*time.Second })
		began := time.Now()
		replaced := reserve(t, p, alice)
		r, err := replaced.Renew(t.Context(), nil)
		if err != nil || time.Since(began) != 0 {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		replaced.Release()
		r.Release()
		if r, err = r.Renew(t.Context(), nil); err != nil || time.Since(began) != 0 {
			t.Fatalf("after a release: %v after %v", err, time.Since(began))
		}
		if _, err := r.Accept(t.Context()); err != ErrExpired {
			t.Fatal(err)
		}
		expired := r
		if r, err = expired.Renew(t.Context(), nil); err != nil || time.Since(began) != 10*time.Second {
			t.Fatalf("after expiry: %v after %v", err, time.Since(began))
		}
		connect(t, p, alice, testPort)
		if !delivered(t, r) {
			t.Error("the renewed reservation's connection is lost")
		}

		// The port belongs to nobody now, and then to another session.
		other := reserve(t, p, alice)
		other.Release()
		if _, err := replaced.Renew(t.Context(), nil); err != nil || time.Since(began) < 12*time.Second {
			t.Errorf("Renew took the rest of another session's reservation: %v after %v", err, time.Since(began))
		}
	})
}

func TestRenewPrefersAnotherPortAndJumpsNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 2, func(c *Config) { c.MaxWait, c.Rest = time.Minute, 2*time.Second })
		began := time.Now()
		a := reserve(t, p, alice)
		b, err := a.Renew(t.Context(), nil)
		if err != nil || b.Port() == a.Port() {
			t.Fatalf("renewed on port %d: %v", b.Port(), err)
		}
		turn := make(chan time.Duration, 1)
		go func() {
			reserve(t, p, alice)
			turn <- time.Since(began)
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		if _, err := b.Renew(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if waited := <-turn; waited != 2*time.Second {
			t.Errorf("the one who waited had a turn after %v", waited)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("the one who renewed had a turn after %v", d)
		}
	})
}

func TestMarkedReservationsShareAndPreferNoRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 2, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.MaxWait = -1 })
		mark := func() *Reservation {
			t.Helper()
			r, err := p.Reserve(t.Context(), alice, server, NewMark())
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		for range 500 {
			mark()
		}
		aborted := mark()
		aborted.Release()
		for range 50 {
			if r := mark(); r.Port() == aborted.Port() {
				t.Fatal("a marked reservation took a port at rest while another was free")
			}
		}
		// One session, two data connections: each has a port of its own.
		m := NewMark()
		seen := make(map[uint16]bool)
		for range 2 {
			r, err := p.Reserve(t.Context(), alice, server, m)
			if err != nil {
				t.Fatal(err)
			}
			seen[r.Port()] = true
		}
		if len(seen) != 2 {
			t.Errorf("ports %v", seen)
		}
		if _, err := p.Reserve(t.Context(), alice, server, m); err == nil {
			t.Error("a mark has two reservations on one port")
		}
		if _, err := p.Reserve(t.Context(), alice, server, nil); err == nil {
			t.Error("a reservation in clear text shares a port")
		}
	})
}

func TestMarkedReservationNeedsNoRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.MaxWait = time.Minute })
		began := time.Now()
		plain := reserve(t, p, alice)
		got := make(chan error, 1)
		m := NewMark()
		go func() {
			r, err := p.Reserve(t.Context(), alice, server, m)
			if err == nil {
				r, err = r.Renew(t.Context(), m)
			}
			if err == nil {
				r.Release()
			}
			got <- err
		}()
		synctest.Wait()
		plain.Release()
		if err := <-got; err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		// The marked one's connection may still come: nothing for clear text, not even
		// for the session that was here before.
		if _, err := plain.Renew(t.Context(), nil); err != nil || time.Since(began) != p.config.Rest {
			t.Errorf("in clear text: %v after %v", err, time.Since(began))
		}
	})
}

// TestRestAfterASharedReservation: connections of several sessions may still
// come, so the port is for none of them in clear text.
func TestRestAfterASharedReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.MaxWait = time.Minute })
		began := time.Now()
		r, err := p.Reserve(t.Context(), alice, server, NewMark())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Renew(t.Context(), nil); err != nil || time.Since(began) != p.config.Rest {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestWaiterThatLeavesFreesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.MaxWait = time.Minute })
		began := time.Now()
		if _, err := p.Reserve(t.Context(), alice, server, NewMark()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone, got := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := p.Reserve(ctx, alice, server, nil)
			gone <- err
		}()
		synctest.Wait()
		go func() {
			_, err := p.Reserve(t.Context(), alice, server, NewMark())
			got <- err
		}()
		synctest.Wait()
		if st := p.Stats(); st.Waiting != 2 {
			t.Fatalf("a marked reservation overtook one in clear text: %+v", st)
		}
		cancel()
		if err := <-gone; err != context.Canceled {
			t.Error(err)
		}
		if err := <-got; err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
