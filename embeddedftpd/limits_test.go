package embeddedftpd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestSessionLimits(t *testing.T) {
	ts := start(t, func(c *Config) { c.MaxSessions, c.MaxSessionsPerAddress = 3, 2 })
	a, b := dial(t, ts.addr()), dial(t, ts.addr())
	a.expect(220)
	b.expect(220)
	full := dial(t, ts.addr())
	if text := full.expect(421); !strings.Contains(text, "your address") {
		t.Errorf("421 %s", text)
	}
	six := dial(t, ts.addr6())
	six.expect(220)
	if text := dial(t, ts.addr6()).expect(421); !strings.Contains(text, "Too many sessions;") {
		t.Errorf("421 %s", text)
	}
	a.do(221, "QUIT")
	ts.eventually(t, "a session ends", func(s Stats) bool { return s.Sessions == 2 })
	dial(t, ts.addr()).expect(220)
}

func TestClients(t *testing.T) {
	ts := start(t, func(c *Config) { c.Clients = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	dial(t, ts.addr()).expect(220)
	dial(t, ts.addr6()).expect(421)
	if s := ts.Stats(); s.RefusedSessions != 1 {
		t.Errorf("%+v", s)
	}
}

func TestTimeouts(t *testing.T) {
	ts := start(t, func(c *Config) { c.LoginTimeout, c.IdleTimeout = 300*time.Millisecond, 50*time.Millisecond })
	slow := dial(t, ts.addr())
	slow.expect(220)
	// A byte now and then does not put the end off.
	for range 5 {
		fmt.Fprint(slow.conn, "N")
		time.Sleep(20 * time.Millisecond)
	}
	slow.expect(421)
	idle := ts.login(t)
	idle.expect(421)
	if _, err := idle.text.ReadLine(); err == nil {
		t.Error("the session goes on after 421")
	}
}

// Who logs in once more, as somebody else perhaps, has LoginTimeout for that
// again; who never logged in has it once.
func TestLoginTimeoutOfAnotherLogin(t *testing.T) {
	ts := start(t, func(c *Config) { c.LoginTimeout = time.Second })
	for _, again := range []struct {
		code    int
		command string
	}{{331, "USER user"}, {220, "REIN"}} {
		c := ts.login(t)
		for begun := time.Now(); time.Since(begun) < ts.cfg.LoginTimeout; time.Sleep(100 * time.Millisecond) {
			c.do(200, "NOOP")
		}
		c.do(again.code, again.command)
		c.login()
		c.do(again.code, again.command)
		c.expect(421)
	}
}

// The idle time does not run while a transfer does.
func TestTransferIsNotIdle(t *testing.T) {
	ts := start(t, func(c *Config) { c.IdleTimeout = 100 * time.Millisecond })
	c := ts.login(t)
	data := c.passive()
	c.do(150, "STOR f")
	time.Sleep(300 * time.Millisecond)
	data.Close()
	c.expect(226)
	c.expect(421)
}

func TestWrongPasswords(t *testing.T) {
	ts := start(t, nil)
	c := dial(t, ts.addr())
	c.expect(220)
	for _, code := range []int{530, 530, 421} {
		c.do(331, "USER user")
		c.do(code, "PASS hunter2")
	}
	if strings.Contains(ts.log.String(), "hunter2") {
		t.Error("the log holds a password")
	}
	ts.login(t).do(221, "QUIT")
	if strings.Contains(ts.log.String(), "secret") {
		t.Error("the log holds a password")
	}
	if s := ts.Stats(); s.Logins != 1 || s.FailedLogins != 3 {
		t.Errorf("%+v", s)
	}
}

// A user whose root is gone is told so, and is not taken for a guesser.
func TestRootGone(t *testing.T) {
	ts := start(t, func(c *Config) { c.Users = oneUser{User{Name: "user", Root: "/nowhere/at/all"}} })
	c := dial(t, ts.addr())
	c.expect(220)
	for range 5 {
		c.do(331, "USER user")
		if text := c.do(530, "PASS secret"); strings.Contains(text, "nowhere") {
			t.Errorf("the reply names the folder: %s", text)
		}
	}
	if s := ts.Stats(); s.FailedLogins != 0 {
		t.Errorf("%+v", s)
	}
}

// A root that has become a FIFO keeps nobody waiting.
func TestRootIsNoFolder(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ts := start(t, func(c *Config) { c.Users = oneUser{User{Name: "user", Root: fifo}} })
	c := dial(t, ts.addr())
	c.expect(220)
	c.do(331, "USER user")
	c.do(530, "PASS secret")
}

// Sessions that come at once share one open root, and the last one closes it.
func TestRootIsShared(t *testing.T) {
	dir := t.TempDir()
	before := openFiles(t)
	var cache rootCache
	roots := make([]*sharedRoot, 50)
	var group sync.WaitGroup
	for i := range roots {
		group.Go(func() { roots[i], _ = cache.get(dir) })
	}
	group.Wait()
	for _, r := range roots {
		if r == nil || r != roots[0] {
			t.Fatal("a root of its own")
		}
	}
	for _, r := range roots {
		r.release()
	}
	if len(cache.open) != 0 || openFiles(t) != before {
		t.Errorf("%d roots and %d descriptors are left, there were %d", len(cache.open), openFiles(t), before)
	}
}

// Who has sent a wrong password waits before the next one is looked at, also in
// another session.
func TestBackOffIsWaitedFor(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for _, wait := range []time.Duration{0, firstDelay, 2 * firstDelay} {
		c := dial(t, ts.addr())
		c.expect(220)
		c.do(331, "USER user")
		begun := time.Now()
		c.do(530, "PASS wrong")
		if took := time.Since(begun); took < wait {
			t.Errorf("answered after %v, want %v", took, wait)
		}
	}
	begun := time.Now()
	ts.login(t)
	if took := time.Since(begun); took < 4*firstDelay {
		t.Errorf("the right password was looked at after %v: a guesser need not wait", took)
	}
}

func TestHostileCommandLines(t *testing.T) {
	ts := start(t, nil)
	c := dial(t, ts.addr())
	c.expect(220)
	c.send("%s", strings.Repeat("A", 1<<20))
	c.expect(500)
	c.send("NOOP %s", strings.Repeat("A", maxLine))
	c.expect(500)
	c.do(200, "NOOP")
	c.send("%s", strings.Repeat("\xff", 5000))
	c.expect(500)
	c.send("\r")
	c.expect(500)
	c.do(200, "\xff\xfb\x01NO\xff\xf4OP")
	fmt.Fprint(c.conn, "NOOP\n")
	c.expect(200)
	// Without end it is the end.
	go io.Copy(c.conn, strings.NewReader(strings.Repeat("A", 2*maxDiscarded)))
	if _, err := c.text.ReadLine(); err == nil {
		t.Error("the session goes on")
	}
}

// Names with the byte 255, Telnet's IAC, travel doubled.
func TestTelnetNames(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	c.do(257, "MKD a\xff\xffb")
	if _, err := os.Stat(ts.root + "/a\xffb"); err != nil {
		t.Error(err)
	}
	if text := c.do(250, "CWD a\xff\xffb"); !strings.Contains(text, "a\xff\xffb") {
		t.Errorf("%q", text)
	}
}

// A session that panics takes no other with it.
func TestPanic(t *testing.T) {
	ts := start(t, func(c *Config) { c.Users = panicking{} })
	other := dial(t, ts.addr())
	other.expect(220)
	c := dial(t, ts.addr())
	c.expect(220)
	c.do(331, "USER user")
	c.send("PASS x")
	if _, err := c.text.ReadLine(); err == nil {
		t.Error("the session goes on")
	}
	other.do(200, "NOOP")
	if !strings.Contains(ts.log.String(), "as it should") {
		t.Error("the log does not hold the panic")
	}
}

type panicking struct{}

func (panicking) Authenticate(context.Context, string, string, int) (User, error) {
	panic("as it should")
}

func TestBusyPool(t *testing.T) {
	ts := start(t, func(c *Config) { c.PassiveLast, c.MaxWait = c.PassiveFirst, 50*time.Millisecond })
	a, b := ts.login(t), ts.login(t)
	port := a.epsv()
	if text := b.do(425, "EPSV"); !strings.Contains(text, "1 passive port") {
		t.Errorf("425 %s", text)
	}
	a.connect(port)
	ts.eventually(t, "the connection is held", func(s Stats) bool { return s.Passive.Held == 1 })
	b.do(229, "EPSV")
}

// Sessions at once, each with its own content: nobody gets another's.
func TestManySessions(t *testing.T) {
	ts := start(t, func(c *Config) { c.MaxWait = patience })
	var all sync.WaitGroup
	for i := range 20 {
		content := strings.Repeat(fmt.Sprint(i, " "), 1000*i+1)
		c := ts.login(t)
		all.Go(func() {
			for j := range 10 {
				name := fmt.Sprintf("f-%d-%d", i, j)
				ok := c.transfer("STOR "+name, func(data net.Conn) error { _, err := io.WriteString(data, content); return err }) &&
					c.transfer("RETR "+name, func(data net.Conn) error {
						b, err := io.ReadAll(data)
						if string(b) != content {
							err = fmt.Errorf("%s: %d bytes that are another's, or %v", name, len(b), err)
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
	if s := ts.Stats(); s.Transfers != 400 || s.FailedTransfers != 0 {
		t.Errorf("%+v", s)
	}
}

// transfer does one transfer from any goroutine, and reports whether it went
// well.
func (c *client) transfer(command string, use func(net.Conn) error) bool {
	step := func(code int, command string) string {
		if command != "" {
			fmt.Fprintf(c.conn, "%s\r\n", command)
		}
		_, text, err := c.text.ReadResponse(code)
		if err != nil {
			c.t.Errorf("%s: %v", command, err)
		}
		return text
	}
	_, port, _ := strings.Cut(step(229, "EPSV"), "(|||")
	port, _, _ = strings.Cut(port, "|)")
	data, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), patience)
	if err != nil {
		c.t.Error(err)
		return false
	}
	defer data.Close()
	step(150, command)
	if err := use(data); err != nil {
		c.t.Error(err)
		return false
	}
	data.Close()
	step(226, "")
	return !c.t.Failed()
}

func TestConfigErrors(t *testing.T) {
	good := Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, PassiveFirst: 20000, PassiveLast: 20001}
	for want, change := range map[string]func(*Config){
		"no address":        func(c *Config) { c.Listen = nil },
		"is not an address": func(c *Config) { c.Listen = make([]netip.AddrPort, 1) },
		"passive ports":     func(c *Config) { c.PassiveFirst = 0 },
		"passive ports 3-2": func(c *Config) { c.PassiveFirst, c.PassiveLast = 3, 2 },
		"announced":         func(c *Config) { c.Announce = netip.MustParseAddr("::1") },
		"prefix":            func(c *Config) { c.IPv6ClientPrefix = 129 },
		"MaxSessions: -1":   func(c *Config) { c.MaxSessions = -1 },
		"IdleTimeout: -1ns": func(c *Config) { c.IdleTimeout = -1 },
		"anonymous root":    func(c *Config) { c.AnonymousRoot = "/nowhere/at/all" },
	} {
		c := good
		change(&c)
		if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A port of the range that is taken is named, and nothing stays bound.
func TestTakenPort(t *testing.T) {
	squatter, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	taken := squatter.Addr().(*net.TCPAddr).AddrPort()
	control, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := control.Addr().(*net.TCPAddr).AddrPort()
	control.Close()
	_, err = New(t.Context(), Config{Listen: []netip.AddrPort{at}, PassiveFirst: taken.Port(), PassiveLast: taken.Port()})
	if err == nil || !strings.Contains(err.Error(), taken.String()) {
		t.Fatalf("%v does not name %v", err, taken)
	}
	if l, err := net.Listen("tcp4", at.String()); err != nil {
		t.Errorf("the control port stays bound: %v", err)
	} else {
		l.Close()
	}
}
