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

	"golang.org/x/sys/unix"
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
	p.quiet = time.Hour
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
		for p.listeners[0].waiting.Load() == 0 && t.Context().Err() == nil {
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
	p.quiet = time.Hour
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

// barePair is pair before Poll.
func barePair(t *testing.T, p *Pool) (*Socket, net.Conn) {
	t.Helper()
	r := here(t, p)
	client := dial(t, loopback, r.Port())
	c, err := r.AcceptBare(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Socket), client
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

// A connection that Accept gives wakes its reader for each byte, one of AcceptBare at
// the end or for LowWater bytes, until Wake.
func TestSmallUploadsWakeOnce(t *testing.T) {
	p := open(t, 1, nil)
	wakes := func(s *Socket) (woken bool) {
		descriptor(s, func(fd int) error {
			woken = readable(uintptr(fd))
			return nil
		})
		return woken
	}
	s, client := pair(t, p)
	io.WriteString(client, "x")
	if !wakes(s) {
		t.Error("Accept: the reader is not woken")
	}
	s.Close()
	for what, after := range map[string]func(s *Socket, client net.Conn){
		"LowWater": func(_ *Socket, client net.Conn) { client.Write(make([]byte, LowWater-1)) },
		"the end":  func(_ *Socket, client net.Conn) { client.(*net.TCPConn).CloseWrite() },
		"Wake":     func(s *Socket, _ net.Conn) { s.Wake() },
	} {
		s, client := barePair(t, p)
		io.WriteString(client, "x")
		s.Poll()
		if wakes(s) {
			t.Errorf("%s: the reader is woken before", what)
		}
		after(s, client)
		if !wakes(s) {
			t.Errorf("%s: the reader is not woken", what)
		}
		s.Close()
	}
}

// A bare socket has what a small transfer needs, and is closed once.
func TestBareSocket(t *testing.T) {
	p := open(t, 1, nil)
	before := descriptors(t)
	for _, end := range []func(*Socket){func(s *Socket) { s.Close() }, func(s *Socket) { Reset(s) }} {
		s, client := barePair(t, p)
		n, err := s.Try(func(fd int) (int64, error) {
			n, err := unix.Write(fd, []byte("small"))
			return int64(n), err
		})
		if n != 5 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		end(s)
		if _, err := s.Try(func(int) (int64, error) { panic("a closed descriptor") }); err != unix.EAGAIN {
			t.Errorf("closed: %v", err)
		}
		Reset(s)
		if err := s.Close(); err == nil {
			t.Error("closed twice")
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
