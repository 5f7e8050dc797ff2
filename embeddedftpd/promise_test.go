package embeddedftpd

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// These tests hold the pool to its promise: as many ports as an address may have
// sessions refuse none of them, whatever the others do.

// sized gives an address as many sessions as there are ports.
func sized(ports int) func(*Config) {
	return func(c *Config) {
		c.PassiveLast = c.PassiveFirst + uint16(ports) - 1
		c.MaxSessionsPerAddress = ports
		c.MaxWait = 100 * time.Millisecond
	}
}

// A session whose transfer command fails has its port for the next one.
func TestOnePortForOneSession(t *testing.T) {
	ts := start(t, sized(1))
	ts.file(t, "f", "the file")
	c := ts.login(t)
	for range 20 {
		c.epsv()
		c.do(550, "RETR missing")
		c.epsv()
		c.do(226, "ABOR")
	}
	if got := c.get("RETR f"); got != "the file" {
		t.Errorf("got %q", got)
	}
	if s := ts.Stats().Passive; s.Waited != 0 {
		t.Errorf("the session waited for its own port: %+v", s)
	}
}

// neighbours are sessions that transfer while one of their address misbehaves.
// Each must get the bytes it stored, and never wait for a port.
func neighbours(t *testing.T, ts *testServer, sessions []*client, transfers int) {
	var all sync.WaitGroup
	for i, c := range sessions {
		all.Go(func() {
			for j := range transfers {
				content := strings.Repeat(fmt.Sprintf("%d of %d, ", j, i), 300)
				name := fmt.Sprintf("f%d", i)
				ok := c.transfer("STOR "+name, func(data net.Conn) error { _, err := io.WriteString(data, content); return err }) &&
					c.transfer("RETR "+name, func(data net.Conn) error {
						got, err := io.ReadAll(data)
						if err == nil && string(got) != content {
							err = fmt.Errorf("%d bytes that are another's", len(got))
						}
						return err
					})
				if !ok {
					return
				}
			}
		})
	}
	all.Wait()
	if s := ts.Stats().Passive; s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNeighbourThatLoopsEPSV(t *testing.T) {
	t.Parallel()
	ts := start(t, sized(5))
	looping := ts.login(t)
	victims := []*client{ts.login(t), ts.login(t), ts.login(t), ts.login(t)}
	stop := make(chan struct{})
	var loop sync.WaitGroup
	var asked atomic.Int64
	loop.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			fmt.Fprint(looping.conn, "EPSV\r\n")
			if _, _, err := looping.text.ReadResponse(229); err != nil {
				t.Error(err)
				return
			}
			asked.Add(1)
		}
	})
	neighbours(t, ts, victims, 100)
	close(stop)
	loop.Wait()
	if s := ts.Stats().Passive; s.Waited != 0 || asked.Load() == 0 {
		t.Errorf("after %d EPSV: %+v", asked.Load(), s)
	}
}

// Sessions that log in, ask for a port and hang up leave their neighbours a port
// each: the next of them waits until the port has rested.
func TestNeighboursThatHangUp(t *testing.T) {
	t.Parallel()
	ts := start(t, sized(6))
	victims := []*client{ts.login(t), ts.login(t), ts.login(t), ts.login(t)}
	stop := make(chan struct{})
	var loop sync.WaitGroup
	for range 2 {
		loop.Go(func() {
			for {
				conn, err := net.Dial("tcp", ts.addr())
				if err != nil {
					t.Error(err)
					return
				}
				hangUp := make(chan struct{})
				conn.SetDeadline(time.Now().Add(patience))
				go func() {
					select {
					case <-stop:
					case <-hangUp:
					}
					conn.Close()
				}()
				fmt.Fprint(conn, "USER user\r\nPASS secret\r\nEPSV\r\nNOOP\r\n")
				got := readUntil(conn, "\r\n200 ")
				close(hangUp)
				select {
				case <-stop:
					return
				default:
				}
				// Its last session may be in still.
				if !strings.Contains(got, "\r\n229 ") && !strings.HasPrefix(got, "421 ") {
					t.Errorf("no port for one that may have one: %q", got)
					return
				}
			}
		})
	}
	for range 3 {
		ts.eventually(t, "ports rest", func(s Stats) bool { return s.Passive.Resting >= 2 })
		neighbours(t, ts, victims, 50)
	}
	close(stop)
	loop.Wait()
	if s := ts.Stats().Passive; s.Waited != 0 {
		t.Errorf("%+v", s)
	}
}

// readUntil reads replies until one of them holds the text.
func readUntil(conn net.Conn, text string) string {
	var got strings.Builder
	b := make([]byte, 512)
	for !strings.Contains(got.String(), text) {
		n, err := conn.Read(b)
		got.Write(b[:n])
		if err != nil {
			break
		}
	}
	return got.String()
}

// The session after one that hung up waits for the port that it left, and its
// late connection gets nothing of the next one's.
func TestPortOfASessionThatHungUp(t *testing.T) {
	t.Parallel()
	ts := start(t, sized(1))
	ts.file(t, "f", "the file")
	for range 2 {
		c := ts.login(t)
		port := c.epsv()
		c.conn.Close()
		ts.eventually(t, "the session ends", func(s Stats) bool { return s.Sessions == 0 })
		if late, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			if got, _ := io.ReadAll(late); len(got) > 0 {
				t.Errorf("the late connection got %q", got)
			}
			late.Close()
		}
		next := dial(t, ts.addr())
		// It waits; a second one is beyond the cap.
		ts.eventually(t, "it is in", func(s Stats) bool { return s.Sessions == 1 })
		dial(t, ts.addr()).expect(421)
		next.expect(220)
		next.login()
		if got := next.get("RETR f"); got != "the file" {
			t.Errorf("got %q", got)
		}
		next.do(221, "QUIT")
		ts.eventually(t, "the session ends", func(s Stats) bool { return s.Sessions == 0 })
	}
	if s := ts.Stats().Passive; s.Refused+s.Waited != 0 {
		t.Errorf("%+v", s)
	}
}

// A client that hangs up while it waits, for its turn to log in or for a port,
// waits no longer.
func TestHangUpEndsTheWait(t *testing.T) {
	t.Parallel()
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait, c.MaxSessionsPerAddress = patience, 2 })
	holder, waiter := ts.login(t), ts.login(t)
	holder.epsv()
	waiter.send("EPSV\r\nNOOP\r\nNOOP")
	ts.eventually(t, "it waits", func(s Stats) bool { return s.Passive.Waiting == 1 })
	waiter.conn.Close()
	ts.eventually(t, "it waits no longer", func(s Stats) bool { return s.Passive.Waiting == 0 && s.Sessions == 1 })
	if s := ts.Stats().Passive; s.Pending != 1 {
		t.Errorf("it got a turn: %+v", s)
	}

	again := ts.login(t)
	holder.conn.Close() // its port rests
	ts.eventually(t, "the session ends", func(s Stats) bool { return s.Sessions == 1 && s.Passive.Resting == 1 })
	third := dial(t, ts.addr())
	ts.eventually(t, "it is in", func(s Stats) bool { return s.Sessions == 2 })
	third.conn.Close()
	ts.eventually(t, "it is out", func(s Stats) bool { return s.Sessions == 1 })
	again.do(200, "NOOP")
}

// The deadline that ends the watch for a hang-up does not outlive it.
func TestSessionGoesOnAfterAWait(t *testing.T) {
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait = 10 * time.Millisecond })
	a, b := ts.login(t), ts.login(t)
	port := a.epsv()
	b.do(425, "EPSV")
	b.do(200, "NOOP")
	b.send("EPSV\r\nNOOP")
	b.expect(425)
	b.expect(200)
	a.connect(port)
	ts.eventually(t, "the connection is held", func(s Stats) bool { return s.Passive.Held == 1 })
	b.put("x", "STOR f")
}
