package embeddedftpd

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

// tlsClient is a client whose data connections resume its control
// connection's session.
type tlsClient struct {
	*client
	config *tls.Config
}

func clientTLS(version uint16) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, ServerName: "localhost", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
}

// dialTLS goes as far as PROT P.
func (ts *testServer) dialTLS(t testing.TB, version uint16) *tlsClient {
	t.Helper()
	c := &tlsClient{config: clientTLS(version)}
	if ts.cfg.TLS.Implicit {
		conn, err := net.DialTimeout("tcp", ts.addr(), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		c.client = &client{t: t, conn: conn}
		c.handshake()
		c.expect(220)
		return c
	}
	c.client = dial(t, ts.addr())
	c.expect(220)
	c.do(234, "AUTH TLS")
	c.handshake()
	c.do(200, "PBSZ 0")
	c.do(200, "PROT P")
	return c
}

func (c *tlsClient) handshake() {
	c.t.Helper()
	conn := tls.Client(c.conn, c.config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn = conn
	c.text = textproto.NewReader(bufio.NewReader(conn))
}

func (ts *testServer) loginTLS(t testing.TB, version uint16) *tlsClient {
	t.Helper()
	c := ts.dialTLS(t, version)
	c.do(331, "USER user")
	c.do(230, "PASS secret")
	c.do(200, "TYPE I")
	return c
}

// retrieve fetches a file over a protected data connection, from any
// goroutine.
func (c *tlsClient) retrieve(name string) (string, error) {
	var got string
	err := c.exchange("RETR "+name, func(data *tls.Conn) error {
		b, err := io.ReadAll(data)
		got = string(b)
		return err
	})
	return got, err
}

func (c *tlsClient) store(name, content string) error {
	return c.exchange("STOR "+name, func(data *tls.Conn) error {
		_, err := io.WriteString(data, content)
		return err
	})
}

func (c *tlsClient) exchange(command string, use func(*tls.Conn) error) error {
	ask := func(code int, command string) (string, error) {
		if command != "" {
			fmt.Fprintf(c.conn, "%s\r\n", command)
		}
		_, text, err := c.text.ReadResponse(code)
		return text, err
	}
	text, err := ask(229, "EPSV")
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(text, "(|||")
	port, _, _ = strings.Cut(port, "|)")
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := ask(150, command); err != nil {
		return err
	}
	if strings.HasPrefix(command, "STOR") {
		conn = frugal{conn}
	}
	data := tls.Client(conn, c.config)
	if err := data.Handshake(); err != nil {
		return err
	}
	if !data.ConnectionState().DidResume {
		return fmt.Errorf("%s: the data connection does not resume", command)
	}
	if err := use(data); err != nil {
		return err
	}
	data.Close()
	_, err = ask(226, "")
	return err
}

// frugal reads byte by byte, so that crypto/tls takes nothing beyond the record
// that it needs: what the server sends after its part of the handshake stays in
// the kernel unread, as with other TLS libraries.
type frugal struct{ net.Conn }

func (f frugal) Read(b []byte) (int, error) { return f.Conn.Read(b[:min(1, len(b))]) }

var tlsVersions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// Sessions of one address share one port, and each gets its own.
func TestTLSSharesOnePort(t *testing.T) {
	for name, version := range tlsVersions {
		for _, implicit := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, implicit %v", name, implicit), func(t *testing.T) {
				ts := start(t, func(c *Config) { c.PassiveLast, c.TLS = c.PassiveFirst, &TLS{Implicit: implicit, Required: true} })
				var all sync.WaitGroup
				for i := range 8 {
					c := ts.loginTLS(t, version)
					content := strings.Repeat(fmt.Sprint(i, " "), 1+20_000*i)
					all.Go(func() {
						for j := range 5 {
							file := fmt.Sprintf("f-%d-%d", i, j)
							if err := c.store(file, content); err != nil {
								t.Errorf("STOR: %v", err)
								return
							}
							if got, err := c.retrieve(file); err != nil || got != content {
								t.Errorf("RETR: %d bytes that are another's, or %v", len(got), err)
								return
							}
						}
					})
				}
				all.Wait()
			})
		}
	}
}

func TestTLSStates(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS = &TLS{Required: true} })
	c := dial(t, ts.addr())
	c.expect(220)
	converse(t, c, []exchange{
		{"FEAT", 211, "AUTH TLS\n PBSZ\n PROT"},
		{"USER user", 530, "AUTH TLS"},
		{"PBSZ 0", 503, ""},
		{"PROT P", 503, ""},
		{"CCC", 533, ""},
		{"AUTH KERBEROS_V4", 504, ""},
		{"AUTH", 501, ""},
		{"AUTH TLS", 234, ""},
	})
	s := &tlsClient{client: c, config: clientTLS(tls.VersionTLS13)}
	s.handshake()
	converse(t, s.client, []exchange{
		{"AUTH TLS", 503, ""},
		{"CCC", 534, ""},
		{"PROT P", 503, "PBSZ"},
		{"PBSZ x", 501, ""},
		{"PBSZ 0", 200, "PBSZ=0"},
		{"USER user", 331, ""}, {"PASS secret", 230, ""},
		{"EPSV", 522, "PROT P"},
		{"PROT S", 536, ""}, {"PROT E", 536, ""}, {"PROT X", 504, ""}, {"PROT C", 534, ""},
		{"PROT P", 200, ""},
		{"EPSV", 229, ""},
	})

	optional := start(t, func(c *Config) { c.TLS = new(TLS) })
	c = optional.login(t)
	c.put("x", "STOR f")
	s = optional.loginTLS(t, tls.VersionTLS13)
	s.do(200, "PROT C")
	if got := s.get("RETR f"); got != "x" {
		t.Errorf("under PROT C: %q", got)
	}
	if got, err := s.retrieveAfter("PROT P", "f"); err != nil || got != "x" {
		t.Errorf("under PROT P again: %q, %v", got, err)
	}
	plain := start(t, nil).login(t)
	plain.do(502, "AUTH TLS")
}

func (c *tlsClient) retrieveAfter(command, name string) (string, error) {
	c.do(200, command)
	return c.retrieve(name)
}

// What was sent ahead of the handshake is not carried out after it.
func TestTLSInjection(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS = new(TLS) })
	c := dial(t, ts.addr())
	c.expect(220)
	c.send("AUTH TLS\r\nUSER user\r\nPASS secret")
	c.expect(234)
	if line, err := c.text.ReadLine(); err == nil {
		t.Errorf("the session goes on: %q", line)
	}
}

// A data connection that resumes no session, or another's, is refused, and
// costs the true client nothing.
func TestTLSPortTheft(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS, c.PassiveLast = &TLS{Required: true}, c.PassiveFirst })
	ts.file(t, "f", "mine alone")
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			victim, thief := ts.loginTLS(t, version), ts.loginTLS(t, version)
			if _, err := thief.retrieve("f"); err != nil {
				t.Fatal(err)
			}
			port := victim.epsv()
			for what, config := range map[string]*tls.Config{"no session": clientTLS(version), "another session": thief.config} {
				conn := tls.Client(victim.connect(port), config)
				if err := conn.Handshake(); err == nil {
					if b, _ := io.ReadAll(conn); len(b) > 0 {
						t.Errorf("%s: got %q", what, b)
					}
				}
				conn.Close()
			}
			data := tls.Client(victim.connect(port), victim.config)
			victim.do(150, "RETR f")
			if b, err := io.ReadAll(data); err != nil || string(b) != "mine alone" {
				t.Errorf("the victim: %q, %v", b, err)
			}
			data.Close()
			victim.expect(226)
		})
	}
}

func TestTLSReusePreferred(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS = &TLS{ReusePreferred: true} })
	ts.file(t, "f", "content")
	c := ts.loginTLS(t, tls.VersionTLS13)
	data := tls.Client(c.passive(), clientTLS(tls.VersionTLS13))
	c.do(150, "RETR f")
	if b, err := io.ReadAll(data); err != nil || string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
	data.Close()
	c.expect(226)
}

// Clients that write, close and never read lose nothing under TLS 1.3: of a
// thousand uploads none is short.
func TestTLSUploadsAreWhole(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS = &TLS{Required: true} })
	content := strings.Repeat("0123456789", 13_000) // more than the server's window
	var all sync.WaitGroup
	for i := range 4 {
		c := ts.loginTLS(t, tls.VersionTLS13)
		name := fmt.Sprint("f", i)
		all.Go(func() {
			for range 250 {
				c.conn.SetDeadline(time.Now().Add(patience))
				if err := c.store(name, content); err != nil {
					t.Error(err)
					return
				}
				got, err := os.ReadFile(filepath.Join(ts.root, name))
				if err != nil || string(got) != content {
					t.Errorf("%d bytes, want %d, or others: %v", len(got), len(content), err)
					return
				}
			}
		})
	}
	all.Wait()
	if s := ts.Stats(); s.Transfers != 1000 && !t.Failed() {
		t.Errorf("%d uploads", s.Transfers)
	}
}

// A transfer that is cut off ends with a reset: clients that take the end of
// the connection without a closing alert for the end of the file are not misled.
func TestTLSAbort(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			ts := start(t, func(c *Config) { c.TLS = &TLS{Required: true} })
			ts.file(t, "huge", "")
			if err := os.Truncate(filepath.Join(ts.root, "huge"), 1<<30); err != nil {
				t.Fatal(err)
			}
			c := ts.loginTLS(t, version)
			for command, use := range map[string]func(io.ReadWriter){
				"RETR huge": func(data io.ReadWriter) { io.ReadFull(data, make([]byte, 10)) },
				"STOR up":   func(data io.ReadWriter) { io.WriteString(data, "part"); c.hasStored("4 bytes") },
			} {
				data := tls.Client(c.passive(), c.config)
				c.do(150, "%s", command)
				use(data)
				c.do(426, "ABOR")
				c.expect(226)
				if n, err := io.Copy(io.Discard, data); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s: %d bytes more and then %v, want a reset", command, n, err)
				}
			}
			c.do(221, "QUIT")
			if _, err := c.text.ReadLine(); err != io.EOF {
				t.Errorf("after QUIT: %v, want a closing alert", err)
			}
		})
	}
}

func TestTLSStall(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS, c.StallTimeout = &TLS{Required: true}, 100*time.Millisecond })
	ts.file(t, "huge", "")
	if err := os.Truncate(filepath.Join(ts.root, "huge"), 1<<30); err != nil {
		t.Fatal(err)
	}
	c := ts.loginTLS(t, tls.VersionTLS13)
	for _, command := range []string{"STOR up", "RETR huge"} {
		data := tls.Client(c.passive(), c.config)
		c.do(150, "%s", command)
		if err := data.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.expect(426)
	}
}

func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := writeCertificate(t, certificate, key)
	ts := start(t, func(c *Config) { c.TLS = &TLS{Certificate: certificate, Key: key} })
	shown := func() string {
		c := ts.dialTLS(t, tls.VersionTLS13)
		defer c.conn.Close()
		return string(c.conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw)
	}
	ts.certificate.mu.Lock()
	ts.certificate.every = 0
	ts.certificate.mu.Unlock()
	if shown() != first {
		t.Error("not the certificate of the file")
	}
	second := writeCertificate(t, certificate, key)
	if shown() != second {
		t.Error("not the certificate that replaced it")
	}
	if err := os.WriteFile(certificate, []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	if shown() != second {
		t.Error("a broken file took the certificate away")
	}
	third := writeCertificate(t, certificate, key)
	if shown() != third {
		t.Error("not the certificate that mended it")
	}
	for name, c := range map[string]TLS{"no key": {Certificate: certificate}, "gone": {Certificate: dir + "/x", Key: key}, "no pair": {Certificate: key, Key: key}} {
		if _, err := newCertificateSource(&c, nil, ts.Server.log); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestJlaffaye is a client library in Go that nobody here wrote.
func TestJlaffaye(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			ts := start(t, func(c *Config) { c.TLS = &TLS{Required: true} })
			c, err := ftp.Dial(ts.addr(), ftp.DialWithTimeout(patience), ftp.DialWithExplicitTLS(clientTLS(version)))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Quit()
			if err := c.Login("user", "secret"); err != nil {
				t.Fatal(err)
			}
			content := strings.Repeat("content ", 50_000)
			if err := c.Stor("dir ü", strings.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if got := ts.content(t, "dir ü"); got != content {
				t.Errorf("STOR: %d bytes", len(got))
			}
			r, err := c.RetrFrom("dir ü", 1000)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil || string(b) != content[1000:] {
				t.Errorf("RETR: %d bytes, %v", len(b), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			entries, err := c.List("/")
			if err != nil || len(entries) != 1 || entries[0].Name != "dir ü" || entries[0].Size != uint64(len(content)) {
				t.Errorf("LIST: %+v, %v", entries, err)
			}
		})
	}
}

// AUTH SSL, from before RFC 4217, is TLS with protected data connections.
func TestAuthSSL(t *testing.T) {
	ts := start(t, func(c *Config) { c.TLS = &TLS{Required: true} })
	ts.file(t, "f", "content")
	for _, name := range []string{"SSL", "tls-p"} {
		c := &tlsClient{client: dial(t, ts.addr()), config: clientTLS(tls.VersionTLS13)}
		c.expect(220)
		c.do(504, "AUTH KERBEROS_V4")
		c.do(234, "AUTH %s", name)
		c.handshake()
		c.do(331, "USER user")
		c.do(230, "PASS secret")
		if got, err := c.retrieve("f"); err != nil || got != "content" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
