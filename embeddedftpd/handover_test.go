package embeddedftpd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
)

// socketPair is what a hand-over speaks over.
func socketPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = c.(*net.UnixConn)
		t.Cleanup(func() { c.Close() })
	}
	return ends[0], ends[1]
}

// handOver makes a successor of old, with the config that start gives it and
// change, and returns it with what HandOver will say.
func (ts *testServer) handOver(t *testing.T, patience time.Duration, change func(*Config)) (*testServer, <-chan error) {
	t.Helper()
	mine, its := socketPair(t)
	said := make(chan error, 1)
	go func() {
		said <- ts.HandOver(handover.Successor{Conn: mine, Kill: func() { its.Close() }, Patience: patience})
	}()
	pre, err := handover.TakeOver(its)
	if err != nil {
		t.Fatal(err)
	}
	successor := start(t, func(c *Config) {
		c.Listen, c.PassiveFirst, c.PassiveLast = ts.Addrs(), ts.cfg.PassiveFirst, ts.cfg.PassiveLast
		c.MaxWait = ts.cfg.MaxWait
		u := c.Users.(oneUser)
		u.Root = ts.root
		c.Users, c.Predecessor = u, pre
		if change != nil {
			change(c)
		}
	})
	return successor, said
}

func (a *admission) diverted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.elsewhere != nil
}

// visitor is a client from an address of its own that says what went wrong
// instead of ending the test.
type visitor struct {
	from, host string
	conn       net.Conn
	text       *textproto.Conn
}

func (v *visitor) dial(port string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(v.from)}, Timeout: patience}
	c, err := d.Dial("tcp", net.JoinHostPort(v.host, port))
	if err == nil {
		c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

func visit(from, addr string) (*visitor, error) {
	host, port, _ := net.SplitHostPort(addr)
	v := &visitor{from: from, host: host}
	var err error
	if v.conn, err = v.dial(port); err != nil {
		return nil, err
	}
	v.text = textproto.NewConn(v.conn)
	for _, step := range []struct {
		code    int
		command string
	}{{220, ""}, {331, "USER user"}, {230, "PASS secret"}, {200, "TYPE I"}} {
		if _, err := v.do(step.code, step.command); err != nil {
			v.conn.Close()
			return nil, err
		}
	}
	return v, nil
}

func (v *visitor) do(code int, command string) (string, error) {
	if command != "" {
		if err := v.text.PrintfLine("%s", command); err != nil {
			return "", fmt.Errorf("%s: %w", command, err)
		}
	}
	_, text, err := v.text.ReadResponse(code)
	if err != nil {
		return "", fmt.Errorf("%q: %w", command, err)
	}
	return text, nil
}

// transfer stores the content and gets it back.
func (v *visitor) transfer(name, content string) error {
	for _, command := range []string{"STOR ", "RETR "} {
		text, err := v.do(229, "EPSV")
		if err != nil {
			return err
		}
		_, port, _ := strings.Cut(text, "(|||")
		port, _, _ = strings.Cut(port, "|)")
		data, err := v.dial(port)
		if err != nil {
			return err
		}
		defer data.Close()
		if _, err := v.do(150, command+name); err != nil {
			return err
		}
		if command == "STOR " {
			_, err = io.WriteString(data, content)
			data.Close()
		} else {
			var got []byte
			if got, err = io.ReadAll(data); err == nil && string(got) != content {
				err = fmt.Errorf("%s from %s: got %.40q, want %.40q", name, v.from, got, content)
			}
		}
		if err != nil {
			return err
		}
		if _, err := v.do(226, ""); err != nil {
			return err
		}
	}
	return nil
}

// A restart under load: no session is refused, no transfer fails, and no data
// reaches another session, over one port.
func TestHandOverUnderLoad(t *testing.T) {
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait = patience })
	const addresses, perAddress = 8, 3
	var visits, transfers atomic.Int64
	var load sync.WaitGroup
	stop := make(chan struct{})
	var once sync.Once
	fail := func(err error) {
		t.Error(err)
		once.Do(func() { close(stop) })
	}
	for i := range addresses * perAddress {
		from := fmt.Sprintf("127.0.1.%d", i%addresses+1)
		load.Go(func() {
			content := strings.Repeat(fmt.Sprintf("%d of %s;", i, from), 1+i*50)
			for {
				began := time.Now()
				v, err := visit(from, ts.addr())
				if err != nil {
					fail(err)
					return
				}
				visits.Add(1)
				for range 3 {
					if err := v.transfer(fmt.Sprintf("f%d", i), content); err != nil {
						fail(err)
						return
					}
					transfers.Add(2)
				}
				v.do(221, "QUIT")
				v.conn.Close()
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Since(began)):
				}
			}
		})
	}
	// One session lasts over the hand-over, and goes on in its own time.
	lasting, err := visit("127.0.2.1", ts.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer lasting.conn.Close()
	ts.eventually(t, "the load runs", func(s Stats) bool { return s.Transfers > 50 })
	successor, said := ts.handOver(t, patience, nil)
	successor.eventually(t, "the successor serves", func(s Stats) bool { return s.Transfers > 50 })
	if err := lasting.transfer("lasting", "still here"); err != nil {
		t.Error(err)
	}
	if _, err := lasting.do(221, "QUIT"); err != nil {
		t.Error(err)
	}
	select {
	case err := <-said:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the old server does not end")
	}
	before := successor.Stats().Transfers
	successor.eventually(t, "it serves alone", func(s Stats) bool { return s.Transfers > before+50 || t.Failed() })
	once.Do(func() { close(stop) })
	load.Wait()
	old, now := ts.Stats(), successor.Stats()
	for who, s := range map[string]Stats{"old": old, "new": now} {
		if s.RefusedSessions+s.FailedTransfers+s.Passive.Refused+s.Passive.Strangers+s.Passive.Late > 0 {
			t.Errorf("%s: %+v", who, s)
		}
	}
	if got, want := old.TotalSessions+now.TotalSessions, uint64(visits.Load())+1; got != want {
		t.Errorf("%d sessions were served, %d asked for", got, want)
	}
	if got, want := old.Transfers+now.Transfers, uint64(transfers.Load())+2; got != want {
		t.Errorf("%d transfers were served, %d asked for", got, want)
	}
}

// Under TLS the sessions of either server resume its own tickets, over one port.
func TestHandOverTLS(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			required := func(c *Config) { onePort(c); c.TLS = &TLS{Required: true} }
			ts := start(t, required)
			ts.file(t, "f", "content")
			old := ts.loginTLS(t, version)
			successor, said := ts.handOver(t, patience, required)
			ts.eventually(t, "the successor is ready", func(Stats) bool { return ts.admission.diverted() })
			again := ts.loginTLS(t, version) // of the same client, so the old server's
			for _, c := range []*tlsClient{old, again, old} {
				if got, err := c.retrieve("f"); err != nil || got != "content" {
					t.Errorf("%q, %v", got, err)
				}
			}
			for _, c := range []*tlsClient{old, again} {
				c.do(221, "QUIT")
			}
			if err := <-said; err != nil {
				t.Error(err)
			}
			if got, err := successor.loginTLS(t, version).retrieve("f"); err != nil || got != "content" {
				t.Errorf("%q, %v", got, err)
			}
			if s := successor.Stats(); s.TotalSessions != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Sessions that outlast the patience are asked to end, and who comes meanwhile
// from their address waits for the successor.
func TestHandOverPatience(t *testing.T) {
	ts := start(t, onePort)
	idle, busy := ts.login(t), ts.login(t)
	data := busy.passive()
	busy.do(150, "STOR f")
	successor, said := ts.handOver(t, 50*time.Millisecond, nil)
	idle.expect(421)
	newcomer := dial(t, ts.addr())
	io.WriteString(data, "to the end")
	data.Close()
	busy.expect(226)
	busy.expect(421)
	newcomer.expect(220)
	newcomer.login()
	if got := newcomer.get("RETR f"); got != "to the end" {
		t.Errorf("%q", got)
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
	if s := successor.Stats(); s.TotalSessions != 1 {
		t.Errorf("%+v", s)
	}
}

// A late connection of the old server's never meets a session of the new one:
// its client moves on only when the port has rested.
func TestHandOverLateConnection(t *testing.T) {
	ts := start(t, func(c *Config) { onePort(c); c.MaxWait = patience })
	ts.file(t, "f", "for B alone")
	a := ts.login(t)
	successor, said := ts.handOver(t, patience, nil)
	ts.eventually(t, "the successor is ready", func(Stats) bool { return ts.admission.diverted() })
	port := a.epsv()
	a.conn.Close()
	ts.eventually(t, "A ends", func(s Stats) bool { return s.Sessions == 0 })
	b := successor.login(t)
	b.send("EPSV")
	if late, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
		if got, _ := io.ReadAll(late); len(got) > 0 {
			t.Errorf("the late connection got %q", got)
		}
		late.Close()
	}
	b.expect(229)
	data := b.connect(port)
	b.do(150, "RETR f")
	if got, err := io.ReadAll(data); err != nil || string(got) != "for B alone" {
		t.Errorf("%q, %v", got, err)
	}
	b.expect(226)
	b.do(221, "QUIT")
	if err := <-said; err != nil {
		t.Error(err)
	}
	if old, now := ts.Stats().TotalSessions, successor.Stats().TotalSessions; old != 2 || now != 0 {
		t.Errorf("the old server had %d sessions, the new one %d", old, now)
	}
}

// A successor that does not start, or goes away, costs nothing: the old server
// goes on.
func TestHandOverFails(t *testing.T) {
	ts := start(t, onePort)
	ts.file(t, "f", "content")
	works := func() {
		t.Helper()
		c := ts.login(t)
		if got := c.get("RETR f"); got != "content" {
			t.Errorf("%q", got)
		}
		c.do(221, "QUIT")
		ts.eventually(t, "nothing is left", func(s Stats) bool { return s.Sessions == 0 })
	}

	mine, its := socketPair(t)
	its.Close()
	killed := false
	if err := ts.HandOver(handover.Successor{Conn: mine, Kill: func() { killed = true }}); err == nil || !killed {
		t.Errorf("%v, killed: %v", err, killed)
	}
	works()

	// One that is to listen elsewhere.
	mine, its = socketPair(t)
	said := make(chan error, 1)
	go func() { said <- ts.HandOver(handover.Successor{Conn: mine, Kill: func() {}}) }()
	pre, err := handover.TakeOver(its)
	if err != nil {
		t.Fatal(err)
	}
	cfg := ts.cfg
	cfg.Listen, cfg.Predecessor, cfg.PassiveLast = ts.Addrs(), pre, cfg.PassiveLast+1
	if _, err := New(t.Context(), cfg); !errors.Is(err, handover.ErrOtherPorts) {
		t.Errorf("%v", err)
	}
	if err := <-said; err == nil || !strings.Contains(err.Error(), handover.ErrOtherPorts.Error()) {
		t.Errorf("the reason is missing: %v", err)
	}
	works()

	// One that fails before it takes over, and says why at length.
	mine, its = socketPair(t)
	go handover.Refuse(its, errors.New("the spec has 1 error"+strings.Repeat("!", 2<<10)))
	if err := ts.HandOver(handover.Successor{Conn: mine, Kill: func() {}}); err == nil || !strings.Contains(err.Error(), "the spec has 1 error!") {
		t.Errorf("the reason is missing: %v", err)
	}
	works()

	// One that ends in the middle, with a session that then is nobody's.
	lasting := ts.login(t)
	successor, last := ts.handOver(t, patience, nil)
	ts.eventually(t, "the successor is ready", func(Stats) bool { return ts.admission.diverted() })
	other, err := visit("127.0.3.1", ts.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer other.conn.Close()
	if s := successor.Stats(); s.Sessions != 1 {
		t.Errorf("%+v", s)
	}
	if err := successor.stop(); err != nil {
		t.Error(err)
	}
	if err := <-last; err == nil {
		t.Error("no error")
	}
	if other, err = visit("127.0.3.1", ts.addr()); err != nil {
		t.Fatal(err)
	}
	if err := other.transfer("g", "of another"); err != nil {
		t.Error(err)
	}
	other.conn.Close()
	if got := lasting.get("RETR f"); got != "content" {
		t.Errorf("%q", got)
	}
}

// A server that is stopped while it hands over leaves everybody to the successor.
func TestStopWhileHandingOver(t *testing.T) {
	ts := start(t, onePort)
	ts.file(t, "f", "content")
	c := ts.login(t)
	successor, said := ts.handOver(t, patience, nil)
	ts.eventually(t, "the successor is ready", func(Stats) bool { return ts.admission.diverted() })
	if err := ts.stop(); err != nil {
		t.Error(err)
	}
	if err := <-said; err != nil {
		t.Error(err)
	}
	c.expect(421)
	if got := successor.login(t).get("RETR f"); got != "content" {
		t.Errorf("%q", got)
	}
	if err := successor.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A successor that says it is ready and then reads nothing is given up: the old
// server goes on, and says why.
func TestSuccessorThatHangs(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.file(t, "f", "content")
	c := ts.login(t)
	mine, its := socketPair(t)
	said := make(chan error, 1)
	go func() {
		said <- ts.HandOver(handover.Successor{Conn: mine, Kill: func() { its.Close() }, Patience: time.Hour})
	}()
	if _, err := handover.TakeOver(its); err != nil {
		t.Fatal(err)
	}
	if _, err := its.Write([]byte{'R'}); err != nil { // ready, as its end of the wire says it
		t.Fatal(err)
	}
	ts.eventually(t, "clients are diverted", func(Stats) bool { return ts.admission.diverted() })
	passed, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, 2)}}).Dial("tcp", ts.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	select {
	case err := <-said:
		if err == nil || !strings.Contains(err.Error(), "hangs") {
			t.Errorf("handing over ended with %v", err)
		}
	case <-time.After(4 * patience):
		t.Fatal("the successor is not given up")
	}
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("%q", got)
	}
	other, err := visit("127.0.3.2", ts.addr())
	if err != nil {
		t.Fatal(err)
	}
	other.conn.Close()
}
