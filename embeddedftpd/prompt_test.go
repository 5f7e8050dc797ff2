package embeddedftpd

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// promptPair gives a reader of a prompt client, and the client's end.
func promptPair(t *testing.T) (*promptReader, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	server.SetReadDeadline(time.Now().Add(patience))
	r := newPromptReader(server.(*net.TCPConn))
	atWork = company{}
	r.prompt, r.slept = true, time.Now().Add(time.Hour) // it has not been awake for long
	r.meanwhile = func() bool { return true }
	return r, client
}

func TestPromptReader(t *testing.T) {
	b := make([]byte, 16)
	t.Run("what is there is found by looking", func(t *testing.T) {
		r, client := promptPair(t)
		io.WriteString(client, "NOOP")
		if !r.soon(func() bool { n, _ := r.now(b); return n == 4 }) || !r.prompt || looking.Load() {
			t.Errorf("not found, or no longer prompt: %+v", r)
		}
	})
	t.Run("who is slow is slept for, and not looked for again", func(t *testing.T) {
		r, client := promptPair(t)
		r.several = false // nothing makes it prompt again
		done := time.AfterFunc(20*time.Millisecond, func() { io.WriteString(client, "NOOP") })
		defer done.Stop()
		if n, err := r.Read(b); n != 4 || err != nil || r.prompt {
			t.Errorf("%d, %v, prompt %v", n, err, r.prompt)
		}
		if r.soon(func() bool { t.Error("it is looked for"); return true }) {
			t.Error("found")
		}
	})
	t.Run("who is not found is not looked for again, and the time is counted", func(t *testing.T) {
		r, _ := promptPair(t)
		before := looked.Load()
		if r.soon(func() bool { return false }) || r.prompt || looked.Load() == before {
			t.Errorf("found, still prompt, or not counted: %+v", r)
		}
	})
	t.Run("nobody looks for long", func(t *testing.T) {
		r, client := promptPair(t)
		r.slept = time.Now().Add(-time.Hour)
		if r.soon(func() bool { t.Error("it is looked for"); return true }) {
			t.Error("found")
		}
		io.WriteString(client, "NOOP")
		if n, err := r.Read(b); n != 4 || err != nil || time.Since(r.slept) > time.Minute {
			t.Errorf("%d, %v, slept %v ago", n, err, time.Since(r.slept))
		}
	})
	t.Run("meanwhile something is done until it is done", func(t *testing.T) {
		r, client := promptPair(t)
		calls := 0
		r.meanwhile = func() bool {
			if calls++; calls == 3 {
				io.WriteString(client, "NOOP")
			}
			return calls == 3
		}
		// Where a machine is too busy for three looks.
		defer time.AfterFunc(100*time.Millisecond, func() { io.WriteString(client, "NOOP") }).Stop()
		if n, err := r.Read(b); n != 4 || err != nil || calls < 1 || calls > 3 {
			t.Errorf("%d, %v after %d calls", n, err, calls)
		}
	})
	t.Run("who is one of a few does not look", func(t *testing.T) {
		r, _ := promptPair(t)
		for range 100 {
			began := time.Now()
			atWork.join(&promptReader{}, began)
			if !r.soon(func() bool { return true }) {
				return
			}
			if time.Since(began) < maxAwake {
				t.Fatal("it is looked for")
			}
		}
	})
	t.Run("only one looks", func(t *testing.T) {
		r, _ := promptPair(t)
		looking.Store(true)
		defer looking.Store(false)
		if r.soon(func() bool { t.Error("two look"); return true }) {
			t.Error("found")
		}
	})
	t.Run("to look leaves nothing to the garbage collector", func(t *testing.T) {
		r, _ := promptPair(t)
		if n := testing.AllocsPerRun(100, func() { r.now(b); r.beside() }); n > 0 {
			t.Errorf("%v allocations each time", n)
		}
	})
	t.Run("a deadline and an end are what they are without it", func(t *testing.T) {
		r, client := promptPair(t)
		r.tcp.SetReadDeadline(time.Unix(1, 0))
		if _, err := r.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		r.tcp.SetReadDeadline(time.Now().Add(patience))
		client.Close()
		r.prompt = true
		if _, err := r.Read(b); err != io.EOF {
			t.Errorf("end: %v", err)
		}
	})
}

// A session accepts its data connection before the command comes, and before
// anybody else does.
func TestMeanwhile(t *testing.T) {
	pool := start(t, nil).pool
	loopback := netip.MustParseAddr("127.0.0.1")
	for range 20 {
		r, err := pool.Reserve(t.Context(), loopback, loopback, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &session{data: dataState{next: reserved{r}}}
		if s.meanwhile() {
			t.Error("the connection is there before it was made")
		}
		client, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, r.Port())))
		if err != nil {
			t.Fatal(err)
		}
		if !s.meanwhile() {
			t.Error("the connection is not accepted")
		}
		r.Release()
		client.Close()
		if !s.meanwhile() || !new(session).meanwhile() {
			t.Error("there is something to do for nobody")
		}
	}
}
