package embeddedftpd

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// A transfer command whose reservation has ended gets its 425 without a 150.
func TestExpiredReservation(t *testing.T) {
	ts := start(t, func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
	ts.file(t, "f", "content")
	c := ts.login(t)
	for _, command := range []string{"RETR f", "STOR g", "LIST"} {
		c.epsv()
		ts.eventually(t, "the reservation expires", func(s Stats) bool { return s.Passive.Pending == 0 })
		if text := c.do(425, "%s", command); !strings.Contains(text, "came within") {
			t.Errorf("425 %s", text)
		}
		if text := c.do(425, "%s", command); !strings.Contains(text, "first") {
			t.Errorf("and then: 425 %s", text)
		}
	}
}

// A data connection from another address than the session's is named, with both
// addresses, where the session's own never comes.
func TestForeignDataConnection(t *testing.T) {
	t.Parallel()
	for name, protected := range map[string]bool{"clear text": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			const timeout = 500 * time.Millisecond
			ts := start(t, func(c *Config) {
				c.ConnectTimeout = timeout
				if protected {
					c.TLS = &TLS{Required: true}
				}
			})
			ts.file(t, "f", "content")
			var c *client
			if protected {
				c = ts.loginTLS(t, tls.VersionTLS13).client
			} else {
				c = ts.login(t)
			}
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
			for began := time.Now(); ; began = time.Now() {
				port := c.epsv()
				if foreign, err := d.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil { // or reset already
					foreign.SetReadDeadline(began.Add(patience))
					foreign.Read(make([]byte, 1))
					foreign.Close()
				}
				if time.Since(began) < timeout { // else the reservation may have expired before
					break
				}
			}
			retr := func() string {
				c.send("RETR f")
				code, text, err := c.text.ReadResponse(0)
				if code == 150 { // or the reservation has expired already
					code, text, err = c.text.ReadResponse(0)
				}
				if err != nil || code != 425 {
					t.Fatalf("%d %s, %v", code, text, err)
				}
				return text
			}
			if text := retr(); !strings.Contains(text, "one came from 127.0.0.9, and this session's client is 127.0.0.1") {
				t.Errorf("425 %s", text)
			}
			log := ts.log.String()
			if at := strings.Index(log, "no data connection"); at < 0 || !strings.Contains(log[at:], "foreign=127.0.0.9") {
				t.Error("the log does not name it")
			}
			c.epsv()
			if text := retr(); strings.Contains(text, "127.0.0.9") {
				t.Errorf("the next one's 425: %s", text)
			}
		})
	}
}

// A client whose data connection does not resume its control connection's TLS
// session hears so long before its reservation expires.
func TestClientThatDoesNotResume(t *testing.T) {
	t.Parallel()
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, func(c *Config) { onePort(c); c.TLS, c.ConnectTimeout = &TLS{Required: true}, 10*patience })
			ts.file(t, "f", "content")
			c := ts.loginTLS(t, version)
			own := c.config.Clone()
			own.ClientSessionCache = nil
			refused := func() {
				t.Helper()
				if text := c.expect(522); !strings.Contains(text, "resume") {
					t.Errorf("522 %s", text)
				}
			}

			data := tls.Client(c.passive(), own)
			c.do(150, "RETR f")
			if got, err := io.ReadAll(data); err != nil || len(got) > 0 {
				t.Errorf("got %q, %v", got, err)
			}
			data.Close()
			refused()
			if err := c.store("g", "resumed"); err != nil {
				t.Error(err)
			}

			raw := c.passive()
			c.do(150, "STOR f")
			data = tls.Client(frugal{raw}, own)
			if _, err := io.WriteString(data, "new content"); err != nil {
				t.Error(err)
			}
			if err := data.Close(); err != nil {
				t.Error(err)
			}
			refused()
			if got := ts.content(t, "f"); got != "content" {
				t.Errorf("stored %q", got)
			}

			data = tls.Client(c.passive(), own)
			if err := data.Handshake(); err != nil {
				t.Error(err)
			}
			ts.eventually(t, "the reservation ends", func(s Stats) bool { return s.Passive.Pending == 0 })
			c.send("RETR f")
			refused() // without a 150
			if !strings.Contains(ts.log.String(), "does not resume") {
				t.Error("the log does not say why")
			}
		})
	}
}

// What programs say that do not resume is the reply's text.
func TestProgramsThatDoNotResume(t *testing.T) {
	t.Parallel()
	needs.Tool(t, "python3")
	needs.Tool(t, "perl")
	for name, tool := range map[string][]string{
		"Python": {"python3", "-c", `
import ftplib, io, ssl, sys
f = ftplib.FTP_TLS(context=ssl._create_unverified_context(), timeout=15)
f.connect(sys.argv[1], int(sys.argv[2])); f.login("user", "secret"); f.prot_p()
for transfer in (lambda: f.retrbinary("RETR f", print), lambda: f.storbinary("STOR g", io.BytesIO(b"x" * 100000)), f.nlst):
    try: transfer()
    except ftplib.error_perm as e: print(e)
f.quit()
`}, "Perl": {"perl", "-e", `
use Net::FTP;
my $f = Net::FTP->new($ARGV[0], Port => $ARGV[1], Timeout => 15, Passive => 1, SSL_verify_mode => 0) or die $@;
$f->starttls or die $f->message;
$f->login("user", "secret") or die $f->message;
$f->binary;
open(my $in, "<", \("x" x 100000)); open(my $out, ">", \my $got);
for my $transfer (sub { $f->get("f", $out) }, sub { $f->put($in, "g") }, sub { $f->ls }) {
    my $done = $transfer->();
    print $f->code, " ", $f->message;
}
$f->quit;
`}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, func(c *Config) { c.TLS, c.ConnectTimeout = &TLS{Required: true}, 10*patience })
			ts.file(t, "f", "content")
			host, port, _ := net.SplitHostPort(ts.addr())
			out := runTool(t, t.TempDir(), tool[0], append(tool[1:], host, port)...)
			if n := strings.Count(out, "522 "); n != 3 {
				t.Errorf("%d of 3 transfers got 522:\n%s", n, out)
			}
		})
	}
}
