package passive

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// These tests hand connections to a pool without listeners, so that synctest
// can own the clock.

const testPort = 50000

var (
	alice  = netip.MustParseAddr("192.0.2.1")
	bob    = netip.MustParseAddr("192.0.2.2")
	server = netip.MustParseAddr("203.0.113.10")
)

func unbound(t *testing.T, ports int, adjust func(*Config)) *Pool {
	c := Config{Addresses: []netip.Addr{server}, First: testPort, Last: uint16(testPort + ports - 1)}
	if adjust != nil {
		adjust(&c)
	}
	p := newPool(c.complete())
	t.Cleanup(func() { p.Close() })
	return p
}

// Reserve is that of a session of its own.
func (p *Pool) Reserve(ctx context.Context, client, local netip.Addr, mark *Mark) (*Reservation, error) {
	return p.Session(client, local).Reserve(ctx, mark)
}

func reserve(t *testing.T, p *Pool, client netip.Addr) *Reservation {
	t.Helper()
	r, err := p.Reserve(t.Context(), client, server, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// connect lets a connection arrive and gives the client's end.
func connect(t *testing.T, p *Pool, from netip.Addr, port uint16) net.Conn {
	c, s := net.Pipe()
	t.Cleanup(func() { c.Close() })
	p.arrive(s, netip.AddrPortFrom(from, 1024), netip.AddrPortFrom(server, port))
	return c
}

// refused is whether the pool has closed the other end.
func refused(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

func delivered(t *testing.T, r *Reservation) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	c, err := r.Accept(ctx, time.Minute)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func TestOnePortServesEveryAddressAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, nil)
		a, b := reserve(t, p, alice), reserve(t, p, bob)
		connect(t, p, bob, testPort)
		if delivered(t, a) || !delivered(t, b) {
			t.Error("bob's connection is not bob's")
		}
		connect(t, p, alice, testPort)
		if !delivered(t, a) {
			t.Error("alice's connection did not arrive")
		}
	})
}

func TestPortsOfOneAddressAreDistinctAndNoneIsMissed(t *testing.T) {
	p := unbound(t, 200, func(c *Config) { c.MaxWait = -1 })
	seen := make(map[uint16]bool)
	for range 200 {
		r := reserve(t, p, alice)
		if seen[r.Port()] || r.Port() < testPort || r.Port() >= testPort+200 {
			t.Fatalf("port %d is outside the range or given twice", r.Port())
		}
		seen[r.Port()] = true
	}
	_, err := p.Reserve(t.Context(), alice, server, nil)
	if err != BusyError("all 200 passive ports are in use by sessions from 192.0.2.1") {
		t.Errorf("the 201st reservation: %v", err)
	}
	if _, err := p.Reserve(t.Context(), bob, server, nil); err != nil {
		t.Errorf("another address: %v", err)
	}
}

func TestFirstPortIsUniform(t *testing.T) {
	const ports, draws = 8, 8000
	p := unbound(t, ports, func(c *Config) { c.Rest = -1 })
	var count [ports]float64
	for range draws {
		r := reserve(t, p, alice)
		count[r.Port()-testPort]++
		r.Release()
	}
	var chi2 float64
	for _, n := range count {
		d := n - draws/ports
		chi2 += d * d / (draws / ports)
	}
	// The quantile of χ² with 7 degrees of freedom at 1 − 1e-6.
	if chi2 > 40.52 {
		t.Errorf("χ² = %.1f over %v", chi2, count)
	}
}

func TestTurnsComeInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait = time.Minute })
		current := reserve(t, p, alice)
		turns := make(chan int)
		got := make(chan *Reservation)
		for i := range 20 {
			go func() {
				r, err := p.Reserve(t.Context(), alice, server, nil)
				if err != nil {
					t.Error(err)
				}
				turns <- i
				got <- r
			}()
			synctest.Wait()
		}
		if st := p.Stats(); st.Waiting != 20 || st.Pending != 1 {
			t.Errorf("stats %+v", st)
		}
		for want := range 20 {
			connect(t, p, alice, testPort)
			if !delivered(t, current) {
				t.Fatalf("no connection before turn %d", want)
			}
			if i := <-turns; i != want {
				t.Fatalf("turn %d went to waiter %d", want, i)
			}
			current = <-got
		}
		current.Release()
	})
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait, c.maxQueue = 3*time.Second, 2 })
		reserve(t, p, alice)
		errs := make(chan error, 2)
		began := time.Now()
		for range 2 {
			go func() {
				_, err := p.Reserve(t.Context(), alice, server, nil)
				errs <- err
			}()
		}
		synctest.Wait()
		_, err := p.Reserve(t.Context(), alice, server, nil)
		if err != BusyError("the 1 passive port is in use by sessions from 192.0.2.1, and 2 more wait") || time.Since(began) != 0 {
			t.Errorf("with a full queue: %v after %v", err, time.Since(began))
		}
		for range 2 {
			if err := <-errs; err != BusyError("the 1 passive port is in use by sessions from 192.0.2.1; none came free in 3s") {
				t.Errorf("after the wait: %v", err)
			}
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("gave up after %v", d)
		}
		if st := p.Stats(); st.Refused != 3 || st.Waiting != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestCancelledWaitersGetNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait = time.Minute })
		first := reserve(t, p, alice)
		ctx, cancel := context.WithCancel(t.Context())
		dead := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := p.Reserve(ctx, alice, server, nil)
				dead <- err
			}()
		}
		synctest.Wait()
		alive := make(chan *Reservation)
		go func() { alive <- reserve(t, p, alice) }()
		synctest.Wait()
		cancel()
		// Without a wait: the turn and the cancellation meet.
		connect(t, p, alice, testPort)
		r := <-alive
		for range 3 {
			if err := <-dead; err != context.Canceled {
				t.Errorf("a cancelled wait gave %v", err)
			}
		}
		connect(t, p, alice, testPort)
		if !delivered(t, first) || !delivered(t, r) {
			t.Error("a connection went astray")
		}
		if st := p.Stats(); st.Pending+st.Waiting+st.Resting+st.Clients != 0 {
			t.Errorf("left over: %+v", st)
		}
	})
}

func TestReservationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.Expiry, c.Rest, c.MaxWait = 10*time.Second, 2*time.Second, time.Minute })
		began := time.Now()
		old := reserve(t, p, alice)
		next := make(chan *Reservation)
		go func() { next <- reserve(t, p, alice) }()
		if _, err := old.Accept(t.Context(), time.Minute); err != ErrExpired || time.Since(began) != 10*time.Second {
			t.Errorf("Accept gave %v after %v", err, time.Since(began))
		}
		if c := connect(t, p, alice, testPort); !refused(c) {
			t.Error("a connection to a port at rest stays open")
		}
		r := <-next
		if d := time.Since(began); d != 12*time.Second {
			t.Errorf("the next session had the port after %v", d)
		}
		old.Release()
		connect(t, p, alice, testPort)
		if !delivered(t, r) {
			t.Error("the next session's connection is lost")
		}
		if st := p.Stats(); st.Expired != 1 || st.Late != 1 || st.Connected != 1 || st.Clients != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestAnotherPortIsPreferredToOneAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 2, func(c *Config) { c.MaxWait, c.Rest = time.Minute, time.Second })
		began := time.Now()
		a := reserve(t, p, alice)
		a.Release()
		b := reserve(t, p, alice)
		if b.Port() == a.Port() || time.Since(began) != 0 {
			t.Errorf("ports %d, then %d, after %v", a.Port(), b.Port(), time.Since(began))
		}
		time.Sleep(time.Millisecond)
		b.Release()
		if c := reserve(t, p, alice); time.Since(began) != time.Second || c.Port() != a.Port() {
			t.Errorf("with both at rest: port %d after %v", c.Port(), time.Since(began))
		}
		if reserve(t, p, bob); time.Since(began) != time.Second {
			t.Error("another client waited")
		}
	})
}

func TestNoRestWhereTheConnectionCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, nil)
		a := reserve(t, p, alice)
		c := connect(t, p, alice, testPort)
		a.Release()
		if !refused(c) {
			t.Error("the connection outlives its reservation")
		}
		if _, err := a.Accept(t.Context(), time.Minute); err != ErrReleased {
			t.Errorf("Accept gave %v", err)
		}
		began := time.Now()
		if reserve(t, p, alice); time.Since(began) != 0 {
			t.Errorf("the port rested for %v", time.Since(began))
		}
	})
}

func TestRestOutlastsAStalledListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, func(c *Config) { c.MaxWait, c.Rest = time.Minute, time.Second })
		began := time.Now()
		reserve(t, p, alice).Release()
		p.stall(5*time.Second, errors.New("planted"))
		reserve(t, p, alice)
		if d := time.Since(began); d < 6*time.Second || d > 8*time.Second {
			t.Errorf("the rest ended after %v, the backlog was read after 5 s", d)
		}
	})
}

func TestReleaseTouchesNoOtherReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 1, nil)
		a := reserve(t, p, alice)
		connect(t, p, alice, testPort)
		if !delivered(t, a) {
			t.Fatal("no connection")
		}
		b := reserve(t, p, alice)
		a.Release()
		a.Release()
		connect(t, p, alice, testPort)
		if !delivered(t, b) {
			t.Error("a session that finished took another's reservation with it")
		}
	})
}

func TestStrangersCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 2, nil)
		r := reserve(t, p, alice)
		other := testPort + (r.Port()+1-testPort)%2
		for _, c := range []net.Conn{connect(t, p, bob, r.Port()), connect(t, p, alice, other)} {
			if !refused(c) {
				t.Error("a stranger's connection stays open")
			}
		}
		connect(t, p, alice, r.Port())
		if second := connect(t, p, alice, r.Port()); !refused(second) {
			t.Error("the second connection of one reservation stays open")
		}
		if !delivered(t, r) {
			t.Error("the true client lost its port")
		}
		if st := p.Stats(); st.Strangers != 3 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestClientKey(t *testing.T) {
	for _, c := range []struct {
		addr   string
		prefix int
		want   string
	}{
		{"192.0.2.7", 64, "192.0.2.7"},
		{"::ffff:192.0.2.7", 64, "192.0.2.7"},
		{"2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"},
		{"2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"},
		{"2001:db8:1:2:3:4:5:6", 56, "2001:db8:1::"},
		{"fe80::1%eth0", 128, "fe80::1"},
	} {
		if got := ClientKey(netip.MustParseAddr(c.addr), c.prefix); got.String() != c.want {
			t.Errorf("ClientKey(%s, %d) = %v, want %s", c.addr, c.prefix, got, c.want)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unbound(t, 2, func(c *Config) { c.MaxWait = time.Minute })
		idle, connected := reserve(t, p, alice), reserve(t, p, alice)
		c := connect(t, p, alice, connected.Port())
		reserve(t, p, alice)
		errs := make(chan error, 2)
		go func() {
			_, err := p.Reserve(t.Context(), alice, server, nil)
			errs <- err
		}()
		go func() {
			_, err := idle.Accept(t.Context(), time.Minute)
			errs <- err
		}()
		synctest.Wait()
		p.Close()
		for range 2 {
			if err := <-errs; err != ErrClosed {
				t.Errorf("got %v", err)
			}
		}
		if !refused(c) {
			t.Error("an unclaimed connection outlives the pool")
		}
		if _, err := p.Reserve(t.Context(), alice, server, nil); err != ErrClosed {
			t.Errorf("Reserve after Close: %v", err)
		}
		idle.Release()
		connected.Release()
		if st := p.Stats(); st.Pending+st.Held+st.Waiting+st.Resting+st.Clients != 0 {
			t.Errorf("left over: %+v", st)
		}
	})
}
