package embeddedftpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds everything a test waits for.
const patience = 20 * time.Second

// oneUser lets "user" in with the password "secret".
type oneUser struct{ User }

func (u oneUser) Authenticate(_ context.Context, name, password string, _ int) (User, error) {
	if name != "user" || password != "secret" {
		return User{}, ErrLogin
	}
	return u.User, nil
}

// testServer is a server on loopback, with a user whose root is a temporary
// folder. It is stopped, and must stop in time, when its test ends.
type testServer struct {
	*Server
	root string
	log  *logBuffer
	stop func() error
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const testPorts = 8

// noDeadline is for what is not bounded by patience.
var noDeadline time.Time

func start(t testing.TB, change func(*Config)) *testServer {
	t.Helper()
	ts := &testServer{root: t.TempDir(), log: new(logBuffer)}
	for range 50 {
		first := uint16(20000 + rand.IntN(9000))
		cfg := Config{
			Listen:       []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("[::1]:0")},
			PassiveFirst: first, PassiveLast: first + testPorts - 1,
			Users: oneUser{User{Name: "user", Root: ts.root}},
			Log:   slog.New(slog.NewTextHandler(ts.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		if change != nil {
			change(&cfg)
		}
		s, err := New(t.Context(), cfg)
		var taken *passive.TakenError
		if errors.As(err, &taken) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ts.Server = s
		break
	}
	if ts.Server == nil {
		t.Fatal("no free range of ports")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ts.Serve(ctx) }()
	ts.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the server does not stop")
		}
	})
	t.Cleanup(func() {
		if err := ts.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(ts.log.String())
		}
	})
	return ts
}

func (ts *testServer) addr() string  { return ts.Addrs()[0].String() }
func (ts *testServer) addr6() string { return ts.Addrs()[1].String() }

// file writes a file of the user's root.
func (ts *testServer) file(t testing.TB, name, content string) {
	t.Helper()
	full := filepath.Join(ts.root, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (ts *testServer) content(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(ts.root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits until the server's counters are as they should be.
func (ts *testServer) eventually(t testing.TB, what string, so func(Stats) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(ts.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s: %+v", what, ts.Stats())
		}
	}
}

// client speaks FTP line by line, and checks each reply's code.
type client struct {
	t    testing.TB
	conn net.Conn
	text *textproto.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{t: t, conn: conn, text: textproto.NewReader(bufio.NewReader(conn))}
}

// login dials and logs in as the test's user, in TYPE I.
func (ts *testServer) login(t testing.TB) *client {
	t.Helper()
	c := dial(t, ts.addr())
	c.expect(220)
	c.login()
	return c
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads a reply, which must have the code, and returns its text.
func (c *client) expect(code int) string {
	c.t.Helper()
	got, text, err := c.text.ReadResponse(0)
	if err != nil {
		c.t.Fatalf("want %d, got %v", code, err)
	}
	if got != code {
		c.t.Fatalf("want %d, got %d %s", code, got, text)
	}
	return text
}

func (c *client) do(code int, format string, args ...any) string {
	c.t.Helper()
	c.send(format, args...)
	return c.expect(code)
}

// passive asks for a port and connects to it.
func (c *client) passive() *net.TCPConn {
	c.t.Helper()
	return c.connect(c.epsv())
}

func (c *client) epsv() string {
	c.t.Helper()
	text := c.do(229, "EPSV")
	_, port, _ := strings.Cut(text, "(|||")
	port, _, _ = strings.Cut(port, "|)")
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		c.t.Fatalf("229 without a port: %q", text)
	}
	return port
}

func (c *client) connect(port string) *net.TCPConn {
	c.t.Helper()
	host, _, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), patience)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// get carries out a command that sends data, and returns the data.
func (c *client) get(format string, args ...any) string {
	c.t.Helper()
	data := c.passive()
	c.do(150, format, args...)
	b, err := io.ReadAll(data)
	if err != nil {
		c.t.Fatal(err)
	}
	data.Close()
	c.expect(226)
	return string(b)
}

// put carries out a command that takes data.
func (c *client) put(content, format string, args ...any) {
	c.t.Helper()
	data := c.passive()
	c.do(150, format, args...)
	if _, err := io.WriteString(data, content); err != nil {
		c.t.Fatal(err)
	}
	data.Close()
	c.expect(226)
}

// hasStored waits until so many bytes of the running upload have arrived.
func (c *client) hasStored(bytes string) {
	c.t.Helper()
	for !strings.Contains(c.do(211, "STAT"), ": "+bytes+" in ") {
		time.Sleep(time.Millisecond)
	}
}

func TestRetrieveAndStore(t *testing.T) {
	ts := start(t, nil)
	big := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
	ts.file(t, "big", big)
	c := ts.login(t)
	if got := c.get("RETR big"); got != big {
		t.Errorf("RETR: %d bytes, want %d, or others", len(got), len(big))
	}
	c.put(big[1:], "STOR copy")
	if got := ts.content(t, "copy"); got != big[1:] {
		t.Errorf("STOR: %d bytes, want %d, or others", len(got), len(big)-1)
	}
	c.do(221, "QUIT")
}
