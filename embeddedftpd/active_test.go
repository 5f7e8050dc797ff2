package embeddedftpd

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// listenFor opens a port that the server is to connect to, and says where.
func listenFor(t *testing.T, host string) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

func portArg(at netip.AddrPort) string {
	a := at.Addr().As4()
	return fmt.Sprintf("%d,%d,%d,%d,%d,%d", a[0], a[1], a[2], a[3], at.Port()>>8, at.Port()&255)
}

func TestActiveMode(t *testing.T) {
	ts := start(t, func(c *Config) { c.ActiveMode = true })
	ts.file(t, "f", "content")
	fetch := func(c *client, l net.Listener) {
		t.Helper()
		c.do(150, "RETR f")
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if b, err := io.ReadAll(conn); err != nil || string(b) != "content" {
			t.Errorf("%q, %v", b, err)
		}
		c.expect(226)
	}
	c := ts.login(t)
	if features := c.do(211, "FEAT"); !strings.Contains(features, "\n EPRT\n") {
		t.Errorf("FEAT: %s", features)
	}
	l, at := listenFor(t, "127.0.0.1")
	c.do(200, "PORT %s", portArg(at))
	fetch(c, l)
	c.do(425, "RETR f") // an address is for one transfer
	c.do(200, "EPRT |1|127.0.0.1|%d|", at.Port())
	fetch(c, l)

	six := dial(t, ts.addr6())
	six.expect(220)
	six.do(331, "USER user")
	six.do(230, "PASS secret")
	l6, at6 := listenFor(t, "::1")
	six.do(200, "EPRT !2!::1!%d!", at6.Port())
	fetch(six, l6)
	six.do(504, "PORT %s", portArg(at))

	// Nobody is attacked: not another host, not a system port (RFC 2577).
	for _, arg := range []string{"127,0,0,2,200,1", "192,0,2,1,200,1", "127,0,0,1,0,22", "127,0,0,1,3,255"} {
		c.do(504, "PORT %s", arg)
	}
	for _, arg := range []string{"|1|192.0.2.1|5000|", "|2|::1|5000|", "|1|127.0.0.1|25|", "|2|::ffff:127.0.0.2|5000|"} {
		c.do(504, "EPRT %s", arg)
	}
	for _, arg := range []string{"1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,200,1", "127,0,0,1,+9,1", "a,b,c,d,e,f", ",,,,,"} {
		c.do(501, "PORT %s", arg)
	}
	for _, arg := range []string{"|1|127.0.0.1|5000", "|2|127.0.0.1|5000|", "|1|::1|5000|", "|3|x|5000|", "|1|127.0.0.1|65536|", "|1|localhost|5000|", "|2|fe80::1%lo|5000|", "|"} {
		c.do(501, "EPRT %s", arg)
	}
	c.do(425, "RETR f") // none of them stuck

	// Nobody listens there: the transfer fails, the session goes on.
	c.do(200, "PORT %s", portArg(at))
	l.Close()
	c.do(150, "RETR f")
	c.expect(425)
	c.do(200, "EPSV ALL")
	c.do(503, "PORT %s", portArg(at))
	c.do(503, "EPRT |1|127.0.0.1|%d|", at.Port())
}
