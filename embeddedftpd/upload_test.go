package embeddedftpd

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sessions that append to one file at the same time lose nothing, and no record
// is torn.
func TestConcurrentAppends(t *testing.T) {
	ts := start(t, func(c *Config) { c.PassiveLast = c.PassiveFirst + 9 })
	const sessions, rounds, size = 5, 10, 5001
	var all sync.WaitGroup
	for i := range sessions {
		c := ts.login(t)
		record := strings.Repeat(fmt.Sprint(i), size-1) + "\n"
		all.Go(func() {
			for range rounds {
				if !c.appends(record) {
					return
				}
			}
		})
	}
	all.Wait()
	got := ts.content(t, "log")
	if len(got) != sessions*rounds*size {
		t.Errorf("%d bytes, want %d", len(got), sessions*rounds*size)
	}
	for _, record := range strings.Split(strings.TrimSuffix(got, "\n"), "\n") {
		if len(record) != size-1 || strings.Trim(record, record[:1]) != "" {
			t.Fatalf("a torn record of %d bytes", len(record))
		}
	}
}

// appends is put with APPE from any goroutine.
func (c *client) appends(record string) bool {
	ask := func(code int, command string) (string, error) {
		if command != "" {
			fmt.Fprintf(c.conn, "%s\r\n", command)
		}
		_, text, err := c.text.ReadResponse(code)
		return text, err
	}
	text, err := ask(229, "EPSV")
	var data net.Conn
	if err == nil {
		var port int
		fmt.Sscanf(text[strings.Index(text, "(|||"):], "(|||%d|)", &port)
		data, err = net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	}
	if err == nil {
		defer data.Close()
		_, err = ask(150, "APPE log")
	}
	if err == nil {
		_, err = io.WriteString(data, record)
		data.Close()
	}
	if err == nil {
		_, err = ask(226, "")
	}
	if err != nil {
		c.t.Error(err)
	}
	return err == nil
}

// An upload waits for another one of the same file, under whatever name. Other
// files, and STOU, are not held up.
func TestOneUploadAtATime(t *testing.T) {
	waitForUploads(t, patience)
	ts := start(t, nil)
	ts.file(t, "f", "older and longer than what follows")
	if err := os.Link(filepath.Join(ts.root, "f"), filepath.Join(ts.root, "g")); err != nil {
		t.Fatal(err)
	}
	first, second := ts.login(t), ts.login(t)
	begin := func() net.Conn {
		data := first.passive()
		first.do(150, "STOR f")
		io.WriteString(data, "one ")
		first.hasStored("4 bytes")
		return data
	}
	end := func(data net.Conn) {
		io.WriteString(data, "two ")
		data.Close()
		first.expect(226)
	}

	one := begin()
	other := second.passive()
	second.send("APPE g")
	second.do(211, "STAT") // it is heard while the upload waits, and nothing came before it
	end(one)
	second.expect(150)
	io.WriteString(other, "three")
	other.Close()
	second.expect(226)
	if got := ts.content(t, "f"); got != "one two three" {
		t.Errorf("APPE after STOR: %q", got)
	}

	one = begin()
	other = second.passive()
	second.send("STOR f")
	second.do(211, "STAT")
	end(one)
	second.expect(150)
	io.WriteString(other, "new")
	other.Close()
	second.expect(226)
	if got := ts.content(t, "f"); got != "new" {
		t.Errorf("STOR after STOR: %q", got)
	}

	one = begin()
	second.put("x", "STOR h")
	other = second.passive()
	second.do(150, "STOU")
	other.Close()
	second.expect(226)
	second.passive()
	second.send("STOR g")
	second.do(426, "ABOR")
	second.expect(226)
	end(one)
	if got := ts.content(t, "f"); got != "one two " {
		t.Errorf("after a STOR that gave up: %q", got)
	}
	second.put("after", "STOR g")
}

// waitForUploads sets how long one upload waits for another; it comes before the
// servers of its test.
func waitForUploads(t *testing.T, d time.Duration) {
	usual := uploadWait
	t.Cleanup(func() { uploadWait = usual })
	uploadWait = d
}

// An upload that waits in vain gets 450, also where the other one is another
// server's, as during a hand-over.
func TestUploadOfABusyFile(t *testing.T) {
	waitForUploads(t, 50*time.Millisecond)
	ts := start(t, nil)
	other := start(t, func(c *Config) { c.Users = oneUser{User{Name: "user", Root: ts.root}} })
	first, second := ts.login(t), other.login(t)
	data := first.passive()
	first.do(150, "STOR f")
	second.passive()
	if text := second.do(450, "STOR f"); !strings.Contains(text, "running") {
		t.Errorf("450 %s", text)
	}
	io.WriteString(data, "the first one's")
	data.Close()
	first.expect(226)
	if got := ts.content(t, "f"); got != "the first one's" {
		t.Errorf("stored %q", got)
	}
	second.put("the second one's", "STOR g")
}

// REST's offset is for the next transfer command, whatever its result.
func TestOffsetIsForOneCommand(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "a", "aaaaaa")
	ts.file(t, "b", "0123456789")
	c := ts.login(t)
	for _, e := range []exchange{
		{"RETR a", 425, "PASV"}, {"STOR b", 425, "PASV"}, {"APPE b", 425, "PASV"}, {"LIST", 425, "PASV"}, {"RETR", 501, "Usage"},
	} {
		converse(t, c, []exchange{{"REST 3", 350, ""}, e})
		if got := c.get("RETR b"); got != "0123456789" {
			t.Errorf("after REST and %d to %s: %q", e.code, e.send, got)
		}
	}
	c.do(350, "REST 3")
	c.do(425, "RETR a")
	c.put("new", "STOR b")
	if got := ts.content(t, "b"); got != "new" {
		t.Errorf("STOR after a REST that was not for it: %q", got)
	}
	c.epsv()
	c.do(350, "REST 2")
	c.do(150, "RETR b")
	c.do(426, "ABOR")
	c.expect(226)
	if got := c.get("RETR b"); got != "new" {
		t.Errorf("after a transfer without its connection: %q", got)
	}
	for _, verb := range []string{"RETR", "STOR"} {
		converse(t, c, []exchange{{"TYPE I", 200, ""}, {"REST 2", 350, ""}, {"TYPE A", 200, ""}})
		c.epsv()
		converse(t, c, []exchange{{verb + " b", 554, "TYPE"}, {"ABOR", 226, ""}})
	}
	if got := c.get("RETR b"); got != "new" {
		t.Errorf("after a refused offset in TYPE A: %q", got)
	}
	c.do(200, "TYPE I")
	c.epsv()
	c.do(350, "REST 6")
	c.do(554, "STOR absent")
	if _, err := os.Lstat(filepath.Join(ts.root, "absent")); !os.IsNotExist(err) {
		t.Errorf("a refused STOR has made the file: %v", err)
	}
}

// An upload under TLS that ends without close_notify is refused or accepted as
// the server is told, and stays.
func TestTruncatedUpload(t *testing.T) {
	for name, version := range tlsVersions {
		for _, accept := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, accepted %v", name, accept), func(t *testing.T) {
				var log strings.Builder
				ts := start(t, func(c *Config) {
					c.TLS, c.TransferLog = &TLS{Required: true, AcceptTruncated: accept}, &log
				})
				c := ts.loginTLS(t, version)
				for _, kind := range []string{"A", "I"} {
					c.do(200, "TYPE %s", kind)
					raw := c.passive()
					c.do(150, "STOR up")
					data := tls.Client(frugal{raw}, c.config)
					if _, err := io.WriteString(data, "half of it"); err != nil {
						t.Fatal(err)
					}
					raw.CloseWrite() // without the alert
					if accept {
						c.expect(226)
					} else if text := c.expect(426); !strings.Contains(text, "close_notify") || !strings.Contains(text, "truncated_uploads") {
						t.Errorf("426 %s", text)
					}
					if got := ts.content(t, "up"); got != "half of it" {
						t.Errorf("stored %q", got)
					}
				}
				if err := c.store("whole", "all of it"); err != nil {
					t.Error(err)
				}
				if err := ts.stop(); err != nil {
					t.Fatal(err)
				}
				if got := !strings.Contains(ts.log.String(), "truncated_uploads"); got != accept {
					t.Errorf("the log has the cause: %v", !got)
				}
				for i, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
					want := " c"
					if i < 2 && !accept {
						want = " i"
					}
					if !strings.HasSuffix(line, want) {
						t.Errorf("line %d of the transfer log: %q", i, line)
					}
				}
			})
		}
	}
}
