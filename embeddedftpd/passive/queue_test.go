package passive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// renew is the session's next Reserve.
func renew(t *testing.T, s *Session, mark *Mark) *Reservation {
	t.Helper()
	r, err := s.Reserve(t.Context(), mark)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSessionGetsItsOwnPortBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait, c.Rest, c.Expiry = time.Minute, 2*time.Second, 10*time.Second })
		began := time.Now()
		s := p.Session(alice, server)
		for range 10 {
			renew(t, s, nil)
		}
		renew(t, s, nil).Release()
		r := renew(t, s, nil)
		if time.Since(began) != 0 {
			t.Fatalf("waited %v for its own port", time.Since(began))
		}
		if _, err := r.Accept(t.Context(), time.Minute); err != ErrExpired {
			t.Fatal(err)
		}
		r = renew(t, s, nil)
		if time.Since(began) != 10*time.Second {
			t.Fatalf("after expiry: after %v", time.Since(began))
		}
		connect(t, p, alice, testPort)
		if !delivered(t, r) {
			t.Error("the renewed reservation's connection is lost")
		}

		// The port belongs to nobody now, and then to another session.
		reserve(t, p, alice).Release()
		if renew(t, s, nil); time.Since(began) < 12*time.Second {
			t.Errorf("the session took the rest of another's reservation after %v", time.Since(began))
		}
	})
}

// A session that asks again and again, in clear text and under TLS in turns,
// leaves all other ports to the other sessions of its address.
func TestSessionOccupiesOnePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ports = 3
		p := unbound(t, ports, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.MaxWait = -1 })
		looping, mark := p.Session(alice, server), NewMark()
		for range 50 {
			renew(t, looping, nil)
			renew(t, looping, mark)
		}
		for range ports - 1 {
			reserve(t, p, alice)
		}
		if _, err := p.Reserve(t.Context(), alice, server, nil); err == nil {
			t.Error("two sessions have one port")
		}
	})
}

// Whatever a session does, as many sessions as there are ports are never
// refused.
func TestAsManySessionsAsPortsAreNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions = 6
		p := unbound(t, sessions, func(c *Config) { c.MaxWait, c.Expiry = 100*time.Millisecond, 3*time.Second })
		together(t, sessions, func(i int) error {
			random := rand.New(rand.NewPCG(7, uint64(i)))
			s := p.Session(alice, server)
			for range 300 {
				before := time.Now()
				r, err := s.Reserve(t.Context(), nil)
				if waited := time.Since(before); err != nil || waited > p.config.Rest {
					return fmt.Errorf("after %v: %w", waited, err)
				}
				switch random.IntN(5) {
				case 0: // and then the next
				case 1:
					r.Release()
				case 2:
					connect(t, p, alice, r.Port())
				case 3:
					s.End(func() {})
					s = p.Session(alice, server)
				}
				time.Sleep(time.Duration(random.IntN(20)*random.IntN(200)) * time.Millisecond)
			}
			s.End(func() {})
			return nil
		})
		time.Sleep(p.config.Rest + 1)
		if st := p.Stats(); st.Refused != 0 || st.Waited == 0 || st.Pending+st.Held+st.Resting+st.Clients != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWaitGoesOnToTheEndOfARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait, c.Rest = 100*time.Millisecond, 2*time.Second })
		s := p.Session(alice, server)
		renew(t, s, nil)
		began := time.Now()
		var rested time.Duration
		s.End(func() { rested = time.Since(began) })
		other := reserve(t, p, alice)
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("waited %v", waited)
		}
		if synctest.Wait(); rested != 2*time.Second {
			t.Errorf("the port had rested after %v", rested)
		}
		var busy BusyError
		began = time.Now()
		if _, err := p.Reserve(t.Context(), alice, server, nil); !errors.As(err, &busy) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("for a port that is reserved: %v after %v", err, time.Since(began))
		}
		connect(t, p, alice, testPort)
		if !delivered(t, other) {
			t.Error("the connection is lost")
		}
	})
}

// What comes before the client can know of the reservation is not for it, also
// where the session waited, or has got its own port back.
func TestConnectionBeforeTheReservationIsAnnounced(t *testing.T) {
	p := unbound(t, 1, nil)
	s := p.Session(alice, server)
	p.mu.Lock()
	r := p.place(p.source(s.key), testPort, s, nil)
	p.mu.Unlock()
	if c := connect(t, p, alice, testPort); !refused(c) {
		t.Error("a connection that came too early stays open")
	}
	r.announce()
	connect(t, p, alice, testPort)
	if !delivered(t, r) {
		t.Error("the connection is lost")
	}
}

func TestOnWaitEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait = time.Minute })
		began := time.Now()
		reserve(t, p, alice)
		ended := false
		s := p.Session(alice, server)
		s.OnWait = func(cancel context.CancelFunc) func() {
			time.AfterFunc(time.Second, cancel)
			return func() { ended = true }
		}
		if _, err := s.Reserve(t.Context(), nil); err != context.Canceled || time.Since(began) != time.Second || !ended {
			t.Errorf("%v after %v, ended %v", err, time.Since(began), ended)
		}
		if st := p.Stats(); st.Waiting != 0 {
			t.Errorf("%+v", st)
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
		s, marked := p.Session(alice, server), p.Session(alice, server)
		plain := renew(t, s, nil)
		got := make(chan error, 1)
		m := NewMark()
		go func() {
			_, err := marked.Reserve(t.Context(), m)
			var r *Reservation
			if err == nil {
				r, err = marked.Reserve(t.Context(), m)
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
		if _, err := s.Reserve(t.Context(), nil); err != nil || time.Since(began) != p.config.Rest {
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
		s := p.Session(alice, server)
		renew(t, s, NewMark())
		other, err := p.Reserve(t.Context(), alice, server, NewMark())
		if err != nil {
			t.Fatal(err)
		}
		other.Release()
		if _, err := s.Reserve(t.Context(), nil); err != nil || time.Since(began) != p.config.Rest {
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
