package embeddedftpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// has reports whether a line of the log matches all of the patterns.
func (l *logBuffer) has(patterns ...string) bool {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, p := range patterns {
			all = all && regexp.MustCompile(p).MatchString(line)
		}
		if all {
			return true
		}
	}
	return false
}

// So is a transfer whose reservation has expired before it.
func TestLogNamesThePathOfAnExpiredReservation(t *testing.T) {
	ts := start(t, func(c *Config) { c.ConnectTimeout = 10 * time.Millisecond })
	c := ts.login(t)
	for i, command := range []string{"RETR d/f", "STOR d/g", "LIST d"} {
		c.epsv()
		ts.eventually(t, "the reservation expires", func(s Stats) bool { return s.Passive.Expired == uint64(i+1) })
		c.do(425, "%s", command)
	}
	for _, want := range []string{`command=RETR path=/d/f `, `command=STOR path=/d/g `, `command=LIST path=/d `} {
		if !ts.log.has(`level=WARN`, `msg="no data connection"`, want) {
			t.Errorf("no line with %s", want)
		}
	}
}

// Whatever a session does to files is logged with who did it, from where, and
// to which file.
func TestLogNamesUserAddressAndPath(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "12345")
	ts.file(t, "dir/g", "")
	c := ts.login(t)
	c.get("RETR f")
	c.put("123", "STOR dir/up")
	c.do(257, "MKD new")
	c.do(350, "RNFR f")
	c.do(250, "RNTO dir/moved")
	c.do(250, "DELE dir/g")
	c.do(550, "RMD dir")
	c.passive().Close()
	c.do(550, "RETR missing")
	c.do(221, "QUIT")
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{
		{`level=INFO`, `msg=transfer `, `command=RETR`, `path=/f`, `bytes=5`, `duration_seconds=\d+`},
		{`level=INFO`, `msg=transfer `, `command=STOR`, `path=/dir/up`, `bytes=3`},
		{`level=INFO`, `path=/new`},
		{`level=INFO`, `msg=renamed`, `path=/f`, `to=/dir/moved`},
		{`level=INFO`, `msg=removed`, `path=/dir/g`},
		{`level=WARN`, `msg=refused`, `command=RMD`, `path=/dir `, `error=.*not empty`},
		{`level=DEBUG`, `msg=refused`, `command=RETR`, `path=/missing`},
		{`level=INFO`, `msg="session ended"`, `duration_seconds=\d+`},
	} {
		if !ts.log.has(append(want, `user=user`, `client=127\.0\.0\.1`)...) {
			t.Errorf("no line with %q in\n%s", want, ts.log.String())
		}
	}
}

func TestLogOfRefusals(t *testing.T) {
	ts := start(t, func(c *Config) {
		c.Users = oneUser{User{Name: "user", Root: c.Users.(oneUser).Root, ReadOnly: true}}
	})
	c := ts.login(t)
	ts.file(t, "f", "")
	c.do(550, "STOR sub/f")
	c.do(550, "SITE CHMOD 600 sub/g")
	c.do(550, "MFMT 20200101000000 sub/h")
	c.do(550, "MDTM 20200101000000 f")
	c.do(221, "QUIT")
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	for command, path := range map[string]string{"STOR": "/sub/f", "MDTM": "/f", `"SITE CHMOD"`: "/sub/g", "MFMT": "/sub/h"} {
		if !ts.log.has(`level=WARN`, `msg="write refused"`, `command=`+command, `path=`+path+` `, `user=user`, `client=127`) {
			t.Errorf("the refused %s is missing:\n%s", command, ts.log.String())
		}
	}
	ts = start(t, func(c *Config) { c.TLS = &TLS{Required: true} })
	c = dial(t, ts.addr())
	c.expect(220)
	c.do(530, "USER user")
	c.do(221, "QUIT")
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	if !ts.log.has(`level=WARN`, `msg="login in clear text refused"`, `user=user`, `client=127`) {
		t.Errorf("the refused login is missing:\n%s", ts.log.String())
	}
}

// endlessUsers check a password until the session ends.
type endlessUsers struct{ asked chan struct{} }

func (u endlessUsers) Authenticate(ctx context.Context, _, _ string, _ int) (User, error) {
	close(u.asked)
	<-ctx.Done()
	return User{}, ctx.Err()
}

// A session that ends while its password is checked is nobody's failure.
func TestLogOfALoginThatEnds(t *testing.T) {
	users := endlessUsers{make(chan struct{})}
	ts := start(t, func(c *Config) { c.Users, c.StopTimeout = users, time.Millisecond })
	c := dial(t, ts.addr())
	c.expect(220)
	c.do(331, "USER user")
	c.send("PASS secret")
	<-users.asked
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	if ts.log.has(`msg="login failed"`) || !ts.log.has(`msg="session ended"`) {
		t.Error(ts.log.String())
	}
}

// JSON has durations as numbers of seconds.
func TestLogDurationsAreSeconds(t *testing.T) {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("transfer", seconds(1234567*time.Microsecond))
	if !strings.Contains(b.String(), `"duration_seconds":1.235}`) {
		t.Error(b.String())
	}
}

func TestXferlogFields(t *testing.T) {
	for name, want := range map[string]string{"/a\xe9 b": "/a\xe9_b", "/zoë\n": "/zoë_", "/\x7f\t": "/__"} {
		if got := xferlogField(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	line := xferlogLine(&transfer{path: "/f", started: time.Now()}, false, "::1", "user", false, true, time.Now())
	if !strings.Contains(line, " 1 ::1 0 /f ") {
		t.Errorf("a transfer within a second: %q", line)
	}
}

// 451 says what happened.
func TestLocalErrors(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EMFILE:      "The server has too many files open.",
		syscall.ENFILE:      "The server has too many files open.",
		syscall.EIO:         "The server's disk has failed.",
		io.ErrUnexpectedEOF: "The file became shorter.",
	} {
		if code, text := fileReply(&os.PathError{Op: "open", Path: "f", Err: err}); code != 451 || text != want {
			t.Errorf("%v: %d %s", err, code, text)
		}
	}
}

func TestFileThatBecomesShorter(t *testing.T) {
	ts := start(t, nil)
	at := filepath.Join(ts.root, "large")
	must(t, os.WriteFile(at, nil, 0o644))
	must(t, os.Truncate(at, 1<<30))
	c := ts.login(t)
	data := c.passive()
	c.do(150, "RETR large")
	if _, err := io.ReadFull(data, make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	must(t, os.Truncate(at, 1<<16))
	if n, _ := io.Copy(io.Discard, data); n >= 1<<30-1<<16 {
		t.Fatalf("%d bytes came anyway", n)
	}
	if text := c.expect(451); !strings.Contains(text, "The file became shorter.") {
		t.Error(text)
	}
}

// The log says in an operator's words why a handshake failed.
func TestLogOfHandshakes(t *testing.T) {
	const cbc = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
	for name, x := range map[string]struct {
		change func(*tls.Config)
		raw    string
		want   string
	}{
		"CBC": {change: func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, []uint16{cbc}
		}, want: `the client has only CBC suites, which tls \{ cbc = true \}`},
		"TLS 1.1": {change: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, want: `the client has no TLS 1\.2: tls: `},
		"no TLS":  {raw: "USER user\r\n", want: `the client does not speak TLS: tls: `},
		"nothing": {want: `the client hung up before the handshake: EOF`},
	} {
		t.Run(name, func(t *testing.T) {
			ts := start(t, func(c *Config) { c.TLS = &TLS{} })
			c := dial(t, ts.addr())
			c.expect(220)
			c.do(234, "AUTH TLS")
			if x.change != nil {
				cfg := clientTLS(tls.VersionTLS13)
				x.change(cfg)
				if err := tls.Client(c.conn, cfg).Handshake(); err == nil {
					t.Error("the handshake succeeded")
				}
			}
			io.WriteString(c.conn, x.raw)
			c.conn.Close()
			ts.eventually(t, "the session has ended", func(s Stats) bool { return s.Sessions == 0 })
			if err := ts.stop(); err != nil {
				t.Fatal(err)
			}
			if !ts.log.has(`level=INFO`, `msg="TLS handshake failed"`, `error="`+x.want, `client=127`) {
				t.Errorf("no line with %q in\n%s", x.want, ts.log.String())
			}
		})
	}
}

// Suites with CBC are for those who ask for them.
func TestCBC(t *testing.T) {
	for _, admit := range []bool{false, true} {
		ts := start(t, func(c *Config) { c.TLS = &TLS{CBC: admit} })
		for _, suite := range tls.CipherSuites() {
			if slices.Contains(suite.SupportedVersions, tls.VersionTLS13) || !strings.Contains(suite.Name, "ECDSA") {
				continue
			}
			c := dial(t, ts.addr())
			c.expect(220)
			c.do(234, "AUTH TLS")
			cfg := clientTLS(tls.VersionTLS12)
			cfg.CipherSuites = []uint16{suite.ID}
			err := tls.Client(c.conn, cfg).Handshake()
			if want := admit || !strings.Contains(suite.Name, "_CBC_"); (err == nil) != want {
				t.Errorf("CBC %v: %s: %v", admit, suite.Name, err)
			}
			c.conn.Close()
		}
	}
}
