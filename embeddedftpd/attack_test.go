package embeddedftpd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
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
			late.SetDeadline(time.Now().Add(patience / 4))
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

// Who asks for a port and hangs up before there is one keeps it from nobody, and
// is no error of the server's.
func TestHangUpWhileWaitingForAPort(t *testing.T) {
	t.Parallel()
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait = patience })
	a, b, c := ts.login(t), ts.login(t), ts.login(t)
	a.epsv()
	for i, waiter := range []*client{b, c} {
		waiter.send("EPSV")
		ts.eventually(t, "it waits", func(s Stats) bool { return s.Passive.Waiting == i+1 })
	}
	b.conn.(*net.TCPConn).SetLinger(0)
	b.conn.Close()
	a.do(226, "ABOR")
	c.expect(229)
	ts.eventually(t, "B is gone", func(s Stats) bool { return s.Sessions == 2 && s.Passive.Pending == 1 })
	if log := ts.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log holds an error: %s", log)
	}
}

// Thousands of connections that say nothing, or begin a TLS handshake and go no
// further, are out after LoginTimeout, and the places they took are free again.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	const most = 1000
	for name, mode := range map[string]*TLS{"clear text": nil, "implicit TLS": {Implicit: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, func(c *Config) { c.MaxSessions, c.LoginTimeout, c.TLS = most, 2*time.Second, mode })
			for range 3 * most {
				conn, err := net.Dial("tcp", ts.addr())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				io.WriteString(conn, "\x16\x03\x01\x02\x00\x01") // so far a ClientHello, or no line
			}
			ts.eventually(t, "all have been looked at", func(s Stats) bool { return s.RefusedSessions+s.TotalSessions == 3*most })
			if s := ts.Stats(); s.Sessions > most {
				t.Errorf("%d sessions, at most %d", s.Sessions, most)
			}
			ts.eventually(t, "all are out", func(s Stats) bool { return s.Sessions == 0 })
			if mode != nil {
				ts.loginTLS(t, tls.VersionTLS13).do(221, "QUIT")
			} else {
				ts.login(t).do(221, "QUIT")
			}
		})
	}
}

// Whoever connects to another's port from elsewhere gets nothing and puts
// nothing in, and costs the client neither its port nor its turn.
func TestClearTextPortTheft(t *testing.T) {
	ts := start(t, onePort)
	ts.file(t, "f", "mine alone")
	c := ts.login(t)
	elsewhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: patience}
	for _, command := range []string{"RETR f", "STOR g"} {
		port := c.epsv()
		for range 3 {
			thief, err := elsewhere.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
			if errors.Is(err, syscall.ECONNRESET) {
				continue // refused before it knew
			} else if err != nil {
				t.Fatal(err)
			}
			thief.SetDeadline(time.Now().Add(patience / 4))
			io.WriteString(thief, "not the client's")
			if got, _ := io.ReadAll(thief); len(got) > 0 {
				t.Errorf("%s: the thief got %q", command, got)
			}
			thief.Close()
		}
		data := c.connect(port)
		c.do(150, "%s", command)
		if command == "STOR g" {
			io.WriteString(data, "the client's")
			data.CloseWrite()
		}
		got, err := io.ReadAll(data)
		if err != nil || command == "RETR f" && string(got) != "mine alone" {
			t.Errorf("%s: %q, %v", command, got, err)
		}
		data.Close()
		c.expect(226)
	}
	if got := ts.content(t, "g"); got != "the client's" {
		t.Errorf("stored %q", got)
	}
	ts.eventually(t, "six strangers were counted, and two reservations", func(s Stats) bool {
		return s.Passive.Strangers == 6 && s.Passive.Reserved == 2
	})
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

// The same under TLS, with handshakes among the points.
func TestDeathAtEveryPointOfTLS(t *testing.T) {
	ts := start(t, func(c *Config) {
		c.PassiveLast, c.MaxWait, c.LoginTimeout, c.TLS = c.PassiveFirst+31, patience, patience, &TLS{Required: true}
	})
	ts.file(t, "f", string(make([]byte, 8<<20)))
	warm := ts.loginTLS(t, tls.VersionTLS13)
	warm.conn.Close()
	ts.eventually(t, "the sessions end", func(s Stats) bool { return s.Sessions == 0 })
	before := openFiles(t)

	const hello = "\x16\x03\x01\x02\x00\x01" // how one begins
	var data []net.Conn
	connected := func(c *tlsClient) net.Conn {
		conn := c.passive()
		data = append(data, conn)
		return conn
	}
	points := map[string]func(*tlsClient){
		"protected":          func(*tlsClient) {},
		"passive":            func(c *tlsClient) { c.epsv() },
		"connected":          func(c *tlsClient) { connected(c) },
		"in the handshake":   func(c *tlsClient) { io.WriteString(connected(c), hello) },
		"waiting for it":     func(c *tlsClient) { io.WriteString(connected(c), hello); c.do(150, "RETR f") },
		"the wrong protocol": func(c *tlsClient) { io.WriteString(connected(c), "clear text"); c.do(150, "STOR g") },
		"shaken hands":       func(c *tlsClient) { tls.Client(connected(c), c.config).Handshake() },
		"downloading": func(c *tlsClient) {
			conn := tls.Client(connected(c), c.config)
			c.do(150, "RETR f")
			io.ReadFull(conn, make([]byte, 100))
		},
		"uploading": func(c *tlsClient) {
			conn := tls.Client(connected(c), c.config)
			c.do(150, "STOR g")
			io.WriteString(conn, "part")
		},
	}
	for name, reach := range points {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", name, reset), func(t *testing.T) {
				c := ts.loginTLS(t, tls.VersionTLS13)
				reach(c)
				tcp := c.conn.(*tls.Conn).NetConn().(*net.TCPConn)
				if reset {
					tcp.SetLinger(0)
				}
				tcp.Close()
			})
		}
	}
	for name, sent := range map[string]string{"before the handshake": "", "in the first handshake": hello} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, ts.addr())
			c.expect(220)
			c.do(234, "AUTH TLS")
			io.WriteString(c.conn, sent)
			c.conn.Close()
		})
	}
	ts.eventually(t, "the sessions end", func(s Stats) bool { return s.Sessions == 0 })
	for _, d := range data {
		d.Close()
	}
	ts.eventually(t, "the pool holds nothing", func(s Stats) bool {
		return s.Passive.Pending == 0 && s.Passive.Held == 0 && s.Passive.Waiting == 0 && s.Passive.Handshaking == 0
	})
	ts.eventually(t, "no more files are open than before", func(Stats) bool { return openFiles(t) <= before })
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
			port := c.epsv()
			thief := tls.Client(c.connect(port), old.config)
			thief.Handshake() // TLS 1.3 may tell of the refusal afterwards
			c.do(150, "RETR f")
			if b, _ := io.ReadAll(thief); len(b) > 0 {
				t.Errorf("got %q", b)
			}
			data := tls.Client(c.connect(port), c.config)
			if b, err := io.ReadAll(data); err != nil || string(b) != "mine alone" {
				t.Errorf("the session itself got %q, %v", b, err)
			}
			data.Close()
			c.expect(226)
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
