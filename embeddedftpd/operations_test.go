package embeddedftpd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A limited transfer takes at least the time that its rate asks for.
func TestRate(t *testing.T) {
	const rate, size = 100_000, 30_000
	for name, change := range map[string]func(*Config){
		"of the server": func(c *Config) { c.Rate = rate },
		"of the user": func(c *Config) {
			u := c.Users.(oneUser)
			u.Rate = rate
			c.Users = u
		},
	} {
		t.Run(name, func(t *testing.T) {
			ts := start(t, change)
			content := strings.Repeat("x", size)
			ts.file(t, "f", content)
			c := ts.login(t)
			// Of size bytes, all but the last chunk are paid for before the end.
			least := time.Duration(float64(size-rate/8) / rate * float64(time.Second))
			for _, typ := range []string{"I", "A"} {
				c.do(200, "TYPE %s", typ)
				began := time.Now()
				if c.get("RETR f") != content {
					t.Error("content differs")
				}
				if took := time.Since(began); took < least {
					t.Errorf("RETR in TYPE %s took %v, want at least %v", typ, took, least)
				}
				began = time.Now()
				c.put(content, "STOR g")
				if took := time.Since(began); took < least {
					t.Errorf("STOR in TYPE %s took %v, want at least %v", typ, took, least)
				}
			}
			data := c.passive()
			c.do(150, "STOR h")
			io.WriteString(data, content)
			c.do(426, "ABOR") // is heard during the pauses
			c.expect(226)
		})
	}
}

func TestTransferLog(t *testing.T) {
	var log bytes.Buffer
	ts := start(t, func(c *Config) { c.TransferLog = &log })
	ts.file(t, "a name", "12345")
	c := ts.login(t)
	c.get("RETR a name")
	c.get("LIST")
	c.do(200, "TYPE A")
	c.put("1\r\n", "STOR up")
	data := c.passive()
	c.do(150, "APPE up")
	io.WriteString(data, "x")
	c.hasStored("1 bytes")
	c.do(426, "ABOR")
	c.expect(226)
	c.do(221, "QUIT")
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for i, want := range []string{
		"1 127.0.0.1 5 /a_name b _ o r user ftp 0 * c",
		"1 127.0.0.1 3 /up a _ i r user ftp 0 * c",
		"/up a _ i r user ftp 0 * i",
	} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("%q, want …%q", lines[i], want)
		}
		if _, err := time.Parse(time.ANSIC, lines[i][:24]); err != nil {
			t.Error(err)
		}
	}
}

func TestMetrics(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "12345")
	c := ts.login(t)
	c.get("RETR f")
	handler := ts.Metrics()
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	code, text := ask("/metrics")
	for _, want := range []string{
		"pasvctl_sessions 1\n", "pasvctl_logins_total 1\n", "pasvctl_transfers_total 1\n", "pasvctl_sent_bytes_total 5\n",
		"pasvctl_passive_ports 8\n", "pasvctl_passive_reservations_total 1\n",
	} {
		if code != 200 || !strings.Contains(text, "\n"+want) {
			t.Errorf("%d, without %q:\n%s", code, want, text)
		}
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if name := strings.Fields(line)[0]; i%3 == 2 {
			if seen[name] {
				t.Errorf("%s stands twice", name)
			}
			seen[name] = true
		} else if name != "#" {
			t.Errorf("line %d: %q", i, line)
		}
	}
	if code, _ := ask("/ready"); code != 200 {
		t.Errorf("ready: %d", code)
	}
	if code, _ := ask("/"); code != 404 {
		t.Errorf("elsewhere: %d", code)
	}
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask("/ready"); code != 503 {
		t.Errorf("ready after the stop: %d", code)
	}
}

// Listeners that somebody else bound are used, and those of no use closed.
func TestHandedListeners(t *testing.T) {
	listen := func() *net.TCPListener {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l.(*net.TCPListener)
	}
	control, data, other := listen(), listen(), listen()
	at := func(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }
	wanted, useless := at(control), at(other)
	port := at(data).Port()
	ts := start(t, func(c *Config) {
		c.Listen, c.PassiveFirst, c.PassiveLast = []netip.AddrPort{wanted}, port, port
		c.Listeners = []*net.TCPListener{data, other, control}
	})
	if got := ts.Addrs(); len(got) != 1 || got[0] != wanted {
		t.Errorf("control ports %v, want %v", got, wanted)
	}
	ts.file(t, "f", "content")
	if got := ts.login(t).get("RETR f"); got != "content" {
		t.Errorf("%q", got)
	}
	if l, err := net.Listen("tcp4", useless.String()); err != nil {
		t.Errorf("the listener of no use stays bound: %v", err)
	} else {
		l.Close()
	}
	lost := listen()
	if _, err := New(t.Context(), Config{Listeners: []*net.TCPListener{lost}}); err == nil {
		t.Fatal("no error")
	}
	if err := lost.Close(); err == nil {
		t.Error("after a failure a listener stays bound")
	}
}

// A socket unit binds its ports before the network has their addresses.
func TestListenerOfAnAbsentAddress(t *testing.T) {
	absent := netip.MustParseAddr("203.0.113.99")
	listen := func() *net.TCPListener {
		lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
			return errors.Join(err, failed)
		}}
		l, err := lc.Listen(t.Context(), "tcp4", absent.String()+":0")
		if err != nil {
			t.Fatal(err)
		}
		return l.(*net.TCPListener)
	}
	control, data := listen(), listen()
	at := control.Addr().(*net.TCPAddr).AddrPort()
	port := data.Addr().(*net.TCPAddr).AddrPort().Port()
	ts := start(t, func(c *Config) {
		c.Listen, c.PassiveFirst, c.PassiveLast = []netip.AddrPort{at}, port, port
		c.Listeners = []*net.TCPListener{control, data}
	})
	if got := ts.Addrs(); len(got) != 1 || got[0] != at {
		t.Errorf("control ports %v, want %v", got, at)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ts.Ready() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := ts.Check(ctx); err != nil {
		t.Error(err)
	}
}

// Certificate and key are named where they do not fit.
func TestKeyOfAnotherCertificate(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.pem"), filepath.Join(dir, "b.key")
	writeCertificate(t, a, filepath.Join(dir, "a.key"))
	writeCertificate(t, filepath.Join(dir, "b.pem"), b)
	_, err := New(t.Context(), Config{
		Listen:       []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		PassiveFirst: 29000, PassiveLast: 29000, TLS: &TLS{Certificate: a, Key: b},
	})
	if err == nil || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), b) || !strings.Contains(err.Error(), "does not match") {
		t.Errorf("got %v", err)
	}
}
