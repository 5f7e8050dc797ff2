package embeddedftpd

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

func onePort(c *Config) { c.PassiveLast = c.PassiveFirst }

// The late connection of a transfer that was given up never meets the next
// session of its address.
func TestLateConnection(t *testing.T) {
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait = patience })
	ts.file(t, "a", "for A alone")
	ts.file(t, "b", "for B alone")
	a, b := ts.login(t), ts.login(t)
	for what, giveUp := range map[string]func(){
		"ABOR":          func() { a.do(226, "ABOR") },
		"ABOR and RETR": func() { a.do(150, "RETR a"); a.do(426, "ABOR"); a.expect(226) },
		"a lost session": func() {
			a.conn.Close()
			ts.eventually(t, "A ends", func(s Stats) bool { return s.Sessions == 1 })
			a = ts.login(t)
		},
	} {
		port := a.epsv()
		giveUp()
		b.send("EPSV")
		ts.eventually(t, "B waits", func(s Stats) bool { return s.Passive.Waiting == 1 })
		if late, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			if got, _ := io.ReadAll(late); len(got) > 0 {
				t.Errorf("%s: the late connection got %q", what, got)
			}
			late.Close()
		}
		b.expect(229)
		data := b.connect(port)
		b.do(150, "RETR b")
		if got, err := io.ReadAll(data); err != nil || string(got) != "for B alone" {
			t.Errorf("%s: B got %q, %v", what, got, err)
		}
		b.expect(226)
	}
}

// Ports that are asked for and never used come back, NOOP or not.
func TestPassiveSquatting(t *testing.T) {
	ts := start(t, func(c *Config) { onePort(c); c.ConnectTimeout = 200 * time.Millisecond; c.MaxWait = patience })
	squatter, honest := ts.login(t), ts.login(t)
	squatter.epsv()
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				fmt.Fprint(squatter.conn, "NOOP\r\n")
			}
		}
	}()
	honest.put("x", "STOR f")
	close(stop)
	<-stopped
	if s := ts.Stats().Passive; s.Expired != 1 {
		t.Errorf("%+v", s)
	}
}

// Connections that say nothing are out after LoginTimeout, and the places they
// took are free again.
func TestHalfOpen(t *testing.T) {
	const most = 100
	ts := start(t, func(c *Config) { c.MaxSessions, c.LoginTimeout = most, 300*time.Millisecond })
	for range 3 * most {
		conn, err := net.Dial("tcp", ts.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	ts.eventually(t, "the rest are refused", func(s Stats) bool { return s.RefusedSessions >= 2*most })
	if s := ts.Stats(); s.Sessions > most {
		t.Errorf("%d sessions, at most %d", s.Sessions, most)
	}
	ts.eventually(t, "all are out", func(s Stats) bool { return s.Sessions == 0 })
	ts.login(t).do(221, "QUIT")
}

// A session that dies at any point leaves nothing behind: no session, no
// reservation, no file, no goroutine (TestMain looks).
func TestDeathAtEveryPoint(t *testing.T) {
	ts := start(t, func(c *Config) { c.PassiveLast = c.PassiveFirst + 31; c.MaxWait = patience; c.LoginTimeout = patience })
	ts.file(t, "f", string(make([]byte, 8<<20)))
	// The first login opens what stays open, and the first upload the pipes of
	// splice.
	warm := ts.login(t)
	warm.put("x", "STOR warm")
	warm.conn.Close()
	ts.eventually(t, "the sessions end", func(s Stats) bool { return s.Sessions == 0 })
	before := openFiles(t)

	var data []net.Conn
	keep := func(c *net.TCPConn) *net.TCPConn { data = append(data, c); return c }
	points := map[string]func(c *client){
		"greeted":     func(c *client) {},
		"user":        func(c *client) { c.do(331, "USER user") },
		"half a line": func(c *client) { c.do(331, "USER user"); fmt.Fprint(c.conn, "PASS sec") },
		"passive":     func(c *client) { c.login(); c.epsv() },
		"connected":   func(c *client) { c.login(); keep(c.passive()) },
		"waiting for the data connection": func(c *client) {
			c.login()
			c.epsv()
			c.do(150, "RETR f")
		},
		"downloading": func(c *client) {
			c.login()
			keep(c.passive()).SetReadBuffer(4096)
			c.do(150, "RETR f")
		},
		"uploading": func(c *client) {
			c.login()
			d := keep(c.passive())
			c.do(150, "STOR g")
			io.WriteString(d, "part")
		},
		"listing":    func(c *client) { c.login(); keep(c.passive()); c.send("MLSD") },
		"downloaded": func(c *client) { c.login(); c.get("RETR warm") },
		"sent ahead": func(c *client) {
			c.login()
			keep(c.passive())
			c.send("STOR g\r\nNOOP\r\nSTAT\r\nABOR\r\nNOOP\r\nQUIT")
		},
		"between names": func(c *client) { c.login(); c.do(350, "RNFR f") },
	}
	for name, reach := range points {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", name, reset), func(t *testing.T) {
				c := dial(t, ts.addr())
				c.expect(220)
				reach(c)
				if reset {
					c.conn.(*net.TCPConn).SetLinger(0)
				}
				c.conn.Close()
			})
		}
	}
	ts.eventually(t, "the sessions end", func(s Stats) bool {
		return s.Sessions == 0 && s.Passive.Pending == 0 && s.Passive.Held == 0 && s.Passive.Waiting == 0
	})
	for _, d := range data {
		d.Close()
	}
	ts.eventually(t, "no more files are open than before", func(Stats) bool {
		runtime.GC() // closes the pipes that the runtime keeps for splice
		return openFiles(t) <= before
	})
	if ts.roots.open["/"] != nil || len(ts.roots.open) != 0 {
		t.Errorf("roots are open still: %v", ts.roots.open)
	}
}

// login logs a client in that has been greeted.
func (c *client) login() {
	c.t.Helper()
	c.do(331, "USER user")
	c.do(230, "PASS secret")
	c.do(200, "TYPE I")
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err) // Linux has it
	}
	return len(all)
}

// A ticket of a daemon since restarted is worth nothing on a data connection;
// on a control connection it costs a full handshake.
func TestTicketOfAnEarlierRun(t *testing.T) {
	change := func(c *Config) { c.TLS = &TLS{Required: true}; onePort(c) }
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			earlier := start(t, change)
			old := earlier.loginTLS(t, version)
			old.do(200, "NOOP")
			if err := earlier.stop(); err != nil {
				t.Fatal(err)
			}
			ts := start(t, change)
			ts.file(t, "f", "mine alone")
			c := ts.loginTLS(t, version)
			conn := tls.Client(c.connect(c.epsv()), old.config)
			if conn.Handshake() == nil {
				if b, _ := io.ReadAll(conn); len(b) > 0 {
					t.Errorf("got %q", b)
				}
			}
			again := &tlsClient{client: dial(t, ts.addr()), config: old.config}
			again.expect(220)
			again.do(234, "AUTH TLS")
			again.handshake()
			if again.conn.(*tls.Conn).ConnectionState().DidResume {
				t.Error("a ticket of an earlier run was resumed")
			}
			again.do(200, "NOOP")
		})
	}
}
