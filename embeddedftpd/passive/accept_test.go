package passive

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// silent opens a pool of one port on which nobody accepts by himself, as if the
// goroutine that does had not run yet.
func silent(t *testing.T, adjust func(*Config)) *Pool {
	p := open(t, 1, func(c *Config) {
		c.Paused = true
		if adjust != nil {
			adjust(c)
		}
	})
	p.started.Store(true)
	return p
}

func here(t *testing.T, p *Pool) *Reservation {
	t.Helper()
	r, err := p.Reserve(soon(t), loopback, loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// closed waits until the pool has closed the other end.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection is not closed: %v", err)
	}
}

// While nobody looks at the ports, a session finds the connection that is there, and
// one that waits has them looked at.
func TestSessionsWhileTheWatchRests(t *testing.T) {
	p := open(t, 1, func(c *Config) { c.Paused = true })
	p.watch.quiet = time.Hour
	p.Start()
	at := netip.AddrPortFrom(loopback, p.config.First).String()
	// The reset may come before Dial has returned.
	if c, err := net.Dial("tcp", at); err == nil {
		closed(t, c)
		c.Close()
	}

	found := here(t, p)
	dial(t, loopback, found.Port())
	c, err := found.Accept(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()

	waits := here(t, p)
	go func() {
		for p.watch.waiting.Load() == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
		}
	}()
	if c, err = waits.Accept(soon(t), time.Minute); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A session that waits gets a port as soon as its user's client has connected, not
// only once that session asks for its connection.
func TestPortComesFreeWhenItsClientConnects(t *testing.T) {
	p := open(t, 1, func(c *Config) { c.Paused, c.MaxWait = true, 3*time.Second })
	p.watch.quiet = time.Hour
	p.Start()
	at := netip.AddrPortFrom(loopback, p.config.First).String()
	if c, err := net.Dial("tcp", at); err == nil {
		closed(t, c) // and now the watch rests
		c.Close()
	}
	first := here(t, p)
	go func() {
		for p.Stats().Waiting == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if c, err := net.Dial("tcp", at); err == nil {
			defer c.Close()
		}
	}()
	here(t, p)
	if c, err := first.Accept(soon(t), time.Minute); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

// What nobody has accepted yet when a reservation is made is not for it.
func TestEarlierConnectionIsNotForALaterReservation(t *testing.T) {
	p := silent(t, nil)
	early := dial(t, loopback, p.config.First)
	r := here(t, p)
	closed(t, early)
	p.Start()
	ours := dial(t, loopback, r.Port())
	got, err := r.Accept(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.RemoteAddr().String() != ours.LocalAddr().String() {
		t.Errorf("the connection is from %v, want %v", got.RemoteAddr(), ours.LocalAddr())
	}
	if st := p.Stats(); st.Strangers != 1 || st.Connected != 1 {
		t.Errorf("%+v", st)
	}
}

// A reservation whose connection has come, unseen, leaves no rest behind.
func TestReleaseSeesAConnectionThatNobodyFetched(t *testing.T) {
	p := silent(t, func(c *Config) { c.MaxWait = -1 })
	r := here(t, p)
	c := dial(t, loopback, r.Port())
	r.Release()
	closed(t, c)
	here(t, p).Release()
	if st := p.Stats(); st.Connected != 1 {
		t.Errorf("%+v", st)
	}
}

// pair gives both ends of a data connection.
func pair(t *testing.T, p *Pool) (*Socket, net.Conn) {
	t.Helper()
	r := here(t, p)
	client := dial(t, loopback, r.Port())
	c, err := r.Accept(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Socket), client
}

func TestSocket(t *testing.T) {
	p := open(t, 4, nil)
	before := descriptors(t)
	for range 20 {
		s, client := pair(t, p)
		io.WriteString(s, "small")
		s.Close()
		if got, err := io.ReadAll(client); string(got) != "small" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		client.Close()

		s, client = pair(t, p)
		io.WriteString(client, "bare")
		b := make([]byte, 5)
		if n, err := io.ReadFull(s, b[:4]); string(b[:n]) != "bare" || err != nil {
			t.Fatalf("%q, %v", b[:n], err)
		}
		s.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := s.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("nothing came: %v", err)
		}
		io.WriteString(client, "first, then the rest")
		s.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := io.ReadFull(s, b); string(b[:n]) != "first" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		client.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(s); string(got) != ", then the rest" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		s.Close()
		client.Close()

		s, client = pair(t, p)
		s.SetDeadline(time.Now())
		s.Read(b)
		Reset(s)
		if _, err := io.ReadAll(client); err == nil || !strings.Contains(err.Error(), "reset") {
			t.Fatalf("refused after a wait: %v", err)
		}
		client.Close()

		s, client = pair(t, p)
		Reset(s)
		if _, err := io.ReadAll(client); err == nil || !strings.Contains(err.Error(), "reset") {
			t.Fatalf("refused: %v", err)
		}
		if _, err := s.Read(b); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("a closed socket: %v", err)
		}
		client.Close()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d files are open, and %d were", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// A pool that is closed before or after it has started leaves nothing open.
func TestCloseLeavesNoDescriptor(t *testing.T) {
	before := descriptors(t)
	for _, paused := range []bool{true, false} {
		p := open(t, 5, func(c *Config) { c.Paused = paused })
		if !paused {
			r := here(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			r.Accept(ctx, time.Minute)
			cancel()
		}
		p.Close()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d files are open, and %d were", after, before)
	}
}

// However many strangers queue before it, a connection is found.
func TestQueueOfStrangers(t *testing.T) {
	p := silent(t, nil)
	const strangers = 200
	for range strangers {
		dial(t, loopback, p.config.First)
	}
	client := netip.MustParseAddr("127.0.0.2")
	r, err := p.Reserve(soon(t), client, loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	dial(t, client, r.Port())
	c, err := r.Accept(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if st := p.Stats(); st.Strangers != strangers {
		t.Errorf("%+v", st)
	}
}
