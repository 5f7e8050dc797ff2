package embeddedftpd

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
)

// connectFrom opens a data connection from another address than the control
// connection's.
func (c *client) connectFrom(from, port string) net.Conn {
	c.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

const elsewhere = "127.0.0.9"

func TestForeignData(t *testing.T) {
	ts := start(t, func(c *Config) { c.ForeignData, c.ActiveMode = true, true })
	c := ts.login(t)
	for name, size := range map[string]int{"small": 100, "large": 300_000} {
		ts.file(t, name, strings.Repeat("x", size))
		data := c.connectFrom(elsewhere, c.epsv())
		c.do(150, "RETR %s", name)
		if got, err := io.ReadAll(data); err != nil || len(got) != size {
			t.Errorf("RETR %s: %d bytes, %v", name, len(got), err)
		}
		data.Close()
		c.expect(226)

		data = c.connectFrom(elsewhere, c.epsv())
		c.do(150, "STOR up")
		io.WriteString(data, strings.Repeat("y", size))
		data.Close()
		c.expect(226)
		if got := ts.content(t, "up"); len(got) != size {
			t.Errorf("STOR of %d bytes stored %d", size, len(got))
		}
	}
	if n := strings.Count(ts.log.String(), "foreign="+elsewhere); n != 4 {
		t.Errorf("the log names the address of %d transfers of 4", n)
	}
	if got := c.get("RETR small"); len(got) != 100 {
		t.Errorf("from its own address: %q", got)
	}
	if n := strings.Count(ts.log.String(), "foreign="); n != 4 {
		t.Error("the log names a data connection from the session's own address")
	}
	c.do(504, "PORT 127,0,0,9,200,1")
	c.do(504, "EPRT |1|%s|51201|", elsewhere)
	c.do(200, "PORT 127,0,0,1,200,1")

	// Another client's session has another port.
	other := c.epsv()
	if mine := ts.login(t).epsv(); mine == other {
		t.Error("two sessions have one port")
	}
}

// In clear text whoever connects first to the port is served, from whatever
// address: what sizing.TheftOdds says. Under TLS the thief gets nothing, and the
// client is served from an address that is neither.
func TestForeignDataTheft(t *testing.T) {
	t.Run("clear text", func(t *testing.T) {
		ts := start(t, func(c *Config) { c.ForeignData = true })
		ts.file(t, "f", "mine alone")
		c := ts.login(t)
		thief := c.connectFrom(elsewhere, c.epsv())
		c.do(150, "RETR f")
		if got, err := io.ReadAll(thief); err != nil || string(got) != "mine alone" {
			t.Errorf("the thief: %q, %v", got, err)
		}
		c.expect(226)
	})
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			ts := start(t, func(c *Config) { c.ForeignData, c.TLS = true, &TLS{Required: true}; c.PassiveLast = c.PassiveFirst })
			ts.file(t, "f", "mine alone")
			victim, thief := ts.loginTLS(t, version), ts.loginTLS(t, version)
			port := victim.epsv()
			for what, config := range map[string]*tls.Config{"no session": clientTLS(version), "another session": thief.config} {
				conn := tls.Client(victim.connectFrom(elsewhere, port), config)
				if conn.Handshake() == nil {
					if b, _ := io.ReadAll(conn); len(b) > 0 {
						t.Errorf("%s: got %q", what, b)
					}
				}
				conn.Close()
			}
			data := tls.Client(victim.connectFrom("127.0.0.8", port), victim.config)
			victim.do(150, "RETR f")
			if b, err := io.ReadAll(data); err != nil || string(b) != "mine alone" {
				t.Errorf("the victim: %q, %v", b, err)
			}
			data.Close()
			victim.expect(226)
		})
	}
}

// An address that is no client's is none for data connections either.
func TestForeignDataFromNoClient(t *testing.T) {
	ts := start(t, func(c *Config) {
		c.ForeignData, c.Clients = true, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/29")}
	})
	ts.file(t, "f", "content")
	c := ts.login(t)
	port := c.epsv()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(elsewhere)}, Timeout: patience}
	if conn, err := d.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil { // or reset already
		conn.SetDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("it is served")
		}
		conn.Close()
	}
	data := c.connectFrom("127.0.0.5", port)
	c.do(150, "RETR f")
	if got, err := io.ReadAll(data); err != nil || string(got) != "content" {
		t.Errorf("another address of the clients: %q, %v", got, err)
	}
	c.expect(226)
}

// Ports that ended sessions have left count towards all sessions where a port is
// one session's, and only there.
func TestForeignDataCountsPortsAtRest(t *testing.T) {
	for what, want := range map[bool]bool{true: true, false: false} {
		a := admission{by: map[netip.Addr]*address{}, max: 2, maxPerAddress: 2, prefix6: 64, exclusive: what}
		for i := range 2 {
			p, why := a.enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), time.Now())
			if why != "" {
				t.Fatal(why)
			}
			a.leave(p)
			if i == 1 {
				_, why := a.enter(netip.AddrFrom4([4]byte{10, 0, 0, 9}), time.Now())
				if refused := why != ""; refused != want {
					t.Errorf("exclusive %v: %q", what, why)
				}
				a.rested(p)
			}
		}
		if _, why := a.enter(netip.AddrFrom4([4]byte{10, 0, 0, 8}), time.Now()); why != "" {
			t.Errorf("exclusive %v, after a rest: %s", what, why)
		}
	}
}

func TestForeignDataDoesNotHandOver(t *testing.T) {
	ts := start(t, func(c *Config) { c.ForeignData = true })
	ts.file(t, "f", "content")
	c := ts.login(t)
	mine, its := socketPair(t)
	killed := false
	err := ts.HandOver(handover.Successor{Conn: mine, Kill: func() { killed = true; its.Close() }})
	if err == nil || !strings.Contains(err.Error(), "restart") || !killed {
		t.Errorf("killed %v: %v", killed, err)
	}
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("afterwards: %q", got)
	}
}
