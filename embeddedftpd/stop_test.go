package embeddedftpd

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestStop(t *testing.T) {
	ts := start(t, func(c *Config) { c.StopTimeout = 200 * time.Millisecond })
	idle, busy, stuck := ts.login(t), ts.login(t), ts.login(t)
	data := busy.passive()
	busy.do(150, "STOR f")
	blockedRetr(t, ts, stuck)
	stopped := make(chan error, 1)
	go func() { stopped <- ts.stop() }()
	idle.expect(421)
	io.WriteString(data, "to the end")
	data.Close()
	busy.expect(226)
	busy.expect(421)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got := ts.content(t, "f"); got != "to the end" {
		t.Errorf("the upload that was running: %q", got)
	}
	if _, err := net.DialTimeout("tcp", ts.addr(), time.Second); err == nil {
		t.Error("the port is open still")
	}
}

// A transfer that is not over in time is ended, and its client is told so,
// whether it reads or not.
func TestStopDuringTransfer(t *testing.T) {
	t.Parallel()
	ts := start(t, func(c *Config) { c.StopTimeout = 50 * time.Millisecond })
	c, deaf := ts.login(t), ts.login(t)
	data := blockedRetr(t, ts, c)
	fillReplies(t, ts, deaf)
	begun := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- ts.stop() }()
	c.expect(426)
	c.expect(421)
	if _, err := c.text.ReadLine(); err != io.EOF {
		t.Errorf("after 421: %v", err)
	}
	if _, err := io.Copy(io.Discard, data); err == nil {
		t.Error("the data connection ended as if the file were whole")
	}
	if err := <-stopped; err != nil || time.Since(begun) > patience/2 {
		t.Errorf("stopped after %v: %v", time.Since(begun), err)
	}
}

// fillReplies leaves so many replies unread that the session waits for the
// client to read.
func fillReplies(t *testing.T, ts *testServer, c *client) {
	t.Helper()
	c.conn.(*net.TCPConn).SetReadBuffer(4096)
	stuck := time.Now()
	for sent := 0; time.Since(stuck) < 200*time.Millisecond; {
		c.conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		n, err := io.WriteString(c.conn, strings.Repeat("HELP\r\n", 1000))
		if sent += n; n > 0 {
			stuck = time.Now()
		}
		if err == nil && sent > 64<<20 {
			t.Fatal("the session reads on, though nobody reads its replies")
		}
	}
}

// Serve returns in time though a login hangs, as one whose folder is on a file
// server that has gone does.
func TestStopWhileLoginHangs(t *testing.T) {
	t.Parallel()
	ts, release := hangingLogin(t)
	begun := time.Now()
	if err := ts.stop(); err != nil || time.Since(begun) > patience/2 {
		t.Errorf("stopped after %v: %v", time.Since(begun), err)
	}
	if !strings.Contains(ts.log.String(), "left behind") {
		t.Error("the log does not tell of the session")
	}
	release()
	ts.eventually(t, "the session ends when it can", func(s Stats) bool { return s.Sessions == 0 })
}

// hangingLogin starts a server with a session whose login hangs until release.
func hangingLogin(t *testing.T) (ts *testServer, release func()) {
	t.Helper()
	hanging := make(hangingUsers)
	ts = start(t, func(c *Config) { c.Users, c.StopTimeout = hanging, 50*time.Millisecond })
	c := dial(t, ts.addr())
	c.expect(220)
	c.do(331, "USER user")
	c.send("PASS secret")
	<-hanging
	return ts, func() { close(hanging) }
}

// hangingUsers say that they are asked, and do not answer until they are closed.
type hangingUsers chan struct{}

func (u hangingUsers) Authenticate(context.Context, string, string, int) (User, error) {
	u <- struct{}{}
	<-u
	return User{}, ErrLogin
}

// A session that waits for a port when the server stops is told, and the log
// holds no error: nothing went wrong.
func TestStopWhileWaitingForAPort(t *testing.T) {
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait, c.StopTimeout = patience, 50*time.Millisecond })
	a, b := ts.login(t), ts.login(t)
	a.epsv()
	b.send("EPSV")
	ts.eventually(t, "B waits", func(s Stats) bool { return s.Passive.Waiting == 1 })
	// A keeps its port: it is in the middle of an upload that does not begin.
	a.do(150, "STOR f")
	stopped := make(chan error, 1)
	go func() { stopped <- ts.stop() }()
	a.expect(426)
	a.expect(421)
	b.expect(425)
	b.expect(421)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if log := ts.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log holds an error: %s", log)
	}
}

// Nor does a login that hangs keep the ports from the successor, or its own
// client from another session.
func TestHandOverWhileLoginHangs(t *testing.T) {
	t.Parallel()
	ts, release := hangingLogin(t)
	_, said := ts.handOver(t, 50*time.Millisecond, nil)
	ts.eventually(t, "no more sessions begin here", func(Stats) bool {
		ts.admission.mu.Lock()
		defer ts.admission.mu.Unlock()
		return ts.admission.holding
	})
	newcomer := dial(t, ts.addr())
	newcomer.expect(220)
	if err := <-said; err != nil {
		t.Error(err)
	}
	if err := ts.stop(); err != nil {
		t.Error(err)
	}
	release()
	ts.eventually(t, "the session ends when it can", func(s Stats) bool { return s.Sessions == 0 })
}
