package embeddedftpd

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTypeA(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	for _, x := range []struct{ name, onDisk, onWire string }{
		{"lines", "one\ntwo\n\n\nthree", "one\r\ntwo\r\n\r\n\r\nthree"},
		{"lone CR", "a\rb\n\r\r", "a\rb\r\n\r\r"},
		{"empty", "", ""},
		{"across buffers", strings.Repeat("x\n", 100_000), strings.Repeat("x\r\n", 100_000)},
	} {
		t.Run(x.name, func(t *testing.T) {
			c.t = t
			c.do(200, "TYPE A")
			c.put(x.onWire, "STOR f")
			if got := ts.content(t, "f"); got != x.onDisk {
				t.Errorf("stored %.80q, want %.80q", got, x.onDisk)
			}
			if got := c.get("RETR f"); got != x.onWire {
				t.Errorf("retrieved %.80q, want %.80q", got, x.onWire)
			}
			c.do(200, "TYPE I")
			if got := c.get("RETR f"); got != x.onDisk {
				t.Errorf("retrieved in TYPE I %.80q, want %.80q", got, x.onDisk)
			}
		})
	}
	c.t = t
	ts.file(t, "windows", "a\r\nb\r\n")
	c.do(200, "TYPE A")
	if got := c.get("RETR windows"); got != "a\r\nb\r\n" {
		t.Errorf("CRLF on disk went out as %q", got)
	}
}

func TestResume(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "0123456789")
	c := ts.login(t)
	c.do(350, "REST 4")
	if got := c.get("RETR f"); got != "456789" {
		t.Errorf("RETR from 4: %q", got)
	}
	if got := c.get("RETR f"); got != "0123456789" {
		t.Errorf("REST holds for one transfer, then: %q", got)
	}
	c.do(350, "REST 10")
	if got := c.get("RETR f"); got != "" {
		t.Errorf("RETR from the end: %q", got)
	}
	c.put("AB", "APPE f")
	if got := ts.content(t, "f"); got != "0123456789AB" {
		t.Errorf("APPE: %q", got)
	}
	c.put("new", "APPE g")
	if got := ts.content(t, "g"); got != "new" {
		t.Errorf("APPE to a new file: %q", got)
	}
	c.do(350, "REST 10")
	c.put("CDE", "STOR f")
	if got := ts.content(t, "f"); got != "0123456789CDE" {
		t.Errorf("STOR from 10: %q", got)
	}
	c.put("short", "STOR f")
	if got := ts.content(t, "f"); got != "short" {
		t.Errorf("STOR replaces: %q", got)
	}
	for _, verb := range []string{"RETR", "STOR"} {
		c.epsv()
		c.do(350, "REST 6")
		c.do(554, "%s f", verb)
	}
	if got := c.get("RETR f"); got != "short" {
		t.Errorf("after a refused REST: %q", got)
	}
}

func TestStoreUnique(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	names := map[string]bool{}
	for range 3 {
		data := c.passive()
		text := c.do(150, "STOU")
		io.WriteString(data, text)
		data.Close()
		c.expect(226)
		name, ok := strings.CutPrefix(text, "FILE: ")
		if !ok || names[name] || ts.content(t, name) != text {
			t.Errorf("STOU said %q", text)
		}
		names[name] = true
	}
}

// A client that says STOR and never connects empties no file.
func TestStoreWithoutConnection(t *testing.T) {
	ts := start(t, func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond })
	ts.file(t, "f", "precious")
	c := ts.login(t)
	c.epsv()
	c.do(150, "STOR f")
	c.expect(425)
	if got := ts.content(t, "f"); got != "precious" {
		t.Errorf("the file is %q now", got)
	}
	c.put("new", "STOR f")
}

// blockedRetr starts a RETR that fills the socket's buffers and stalls there.
func blockedRetr(t *testing.T, ts *testServer, c *client) *net.TCPConn {
	t.Helper()
	full := filepath.Join(ts.root, "huge")
	if err := os.WriteFile(full, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(full, 1<<30); err != nil {
		t.Fatal(err)
	}
	data := c.passive()
	data.SetReadBuffer(4096)
	c.do(150, "RETR huge")
	if _, err := io.ReadFull(data, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAbort(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "content")
	c := ts.login(t)

	t.Run("a download", func(t *testing.T) {
		data := blockedRetr(t, ts, c)
		if text := c.do(211, "STAT"); !strings.Contains(text, "RETR /huge") {
			t.Errorf("STAT during the transfer: %q", text)
		}
		c.do(426, "ABOR")
		c.expect(226)
		if _, err := io.Copy(io.Discard, data); err == nil {
			t.Error("the data connection ended as if the file were whole")
		}
	})
	t.Run("an upload", func(t *testing.T) {
		data := c.passive()
		c.do(150, "STOR up")
		io.WriteString(data, "some of it")
		c.do(426, "ABOR")
		c.expect(226)
	})
	t.Run("before the data connection", func(t *testing.T) {
		c.epsv()
		c.do(150, "RETR f")
		c.do(426, "ABOR")
		c.expect(226)
	})
	t.Run("with Telnet IP and Synch", func(t *testing.T) {
		blockedRetr(t, ts, c)
		// IAC IP, then IAC DM with its last byte urgent, as RFC 959 has it.
		raw, err := c.conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Write(func(fd uintptr) bool {
			err = unix.Sendto(int(fd), []byte{0xff, 0xf4, 0xff, 0xf2}, unix.MSG_OOB, nil)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		c.do(426, "ABOR")
		c.expect(226)
	})
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("after all that: %q", got)
	}
}

// Commands sent ahead wait for the transfer and are answered in order.
func TestPipelining(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "content")
	c := ts.login(t)
	data := c.passive()
	c.send("STOR g\r\nNOOP\r\nPWD\r\nSIZE g\r\nSIZE f")
	c.expect(150)
	io.WriteString(data, "12345")
	data.Close()
	c.expect(226)
	c.expect(200)
	c.expect(257)
	if got := c.expect(213); got != "5" {
		t.Errorf("SIZE after the transfer: %s", got)
	}
	c.expect(213)

	data = c.passive()
	c.send("STOR g" + strings.Repeat("\r\nNOOP", 10*maxQueued))
	c.expect(150)
	data.Close()
	c.expect(226)
	for range 10 * maxQueued {
		c.expect(200)
	}
}

// A line of Telnet commands behind a full queue does not let the session time out.
func TestTelnetBehindTheQueue(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	data := c.passive()
	c.send("STOR g" + strings.Repeat("\r\nNOOP", maxQueued) + "\r\n\xff\xf1")
	c.expect(150)
	time.Sleep(5 * smallWait)
	data.Close()
	c.expect(226)
	for range maxQueued {
		c.expect(200)
	}
	time.Sleep(5 * smallWait)
	c.do(200, "NOOP")
}

// What only makes sense after the transfer is answered after it, in order.
func TestCommandsDuringTransfer(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	data := c.passive()
	c.do(150, "STOR g")
	c.do(211, "STAT") // at once, since nothing waits before it
	c.send("EPSV\r\nRNFR g\r\nRNTO h\r\nSTAT\r\nREIN\r\nPWD\r\nUSER user\r\nPASS secret\r\nQUIT\r\nNOOP")
	io.WriteString(data, "12345")
	data.Close()
	for _, code := range []int{226, 229, 350, 250, 211, 220, 530, 331, 230, 221} {
		c.expect(code)
	}
	if _, err := c.text.ReadLine(); err != io.EOF {
		t.Errorf("after QUIT: %v", err)
	}
	if got := ts.content(t, "h"); got != "12345" {
		t.Errorf("stored %q", got)
	}
}

// What is no command gets its reply in its turn, and a line of Telnet commands
// alone none, during a transfer as when idle.
func TestOddLines(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	const odd = "\r\n  \r\n\xff\xf1\r\n\xff\xf4\r\nNOOP\r\n\xf2\r\n\xf2PWD\r\n\xff\xf4\xffNOOP\r\n"
	long := strings.Repeat("x", maxLine+1)
	codes := []int{500, 500, 200, 257, 200, 500, 200}
	answered := func() {
		t.Helper()
		for i, code := range codes {
			if got, text, err := c.text.ReadResponse(0); err != nil || got != code {
				t.Fatalf("reply %d: %d %s, %v, want %d", i, got, text, err, code)
			}
		}
	}
	c.send("%s%s\r\nNOOP", odd, long)
	answered()
	data := c.passive()
	c.do(150, "STOR f")
	c.send("%s%s\r\nNOOP", odd, long)
	io.WriteString(data, "content")
	data.Close()
	c.expect(226)
	answered()
}

// ABOR ends the transfer at once also behind other commands, and is answered in
// its turn, which may come during a later transfer.
func TestAbortInTurn(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "content")
	c := ts.login(t)
	blockedRetr(t, ts, c)
	c.send("NOOP\r\nPWD\r\nABOR\r\nNOOP")
	for _, code := range []int{426, 200, 257, 226, 200} {
		c.expect(code)
	}
	blockedRetr(t, ts, c)
	c.send("EPSV\r\nRETR f\r\nABOR\r\nNOOP") // nobody connects
	for _, code := range []int{426, 229, 150, 426, 226, 200} {
		c.expect(code)
	}
}

func TestStall(t *testing.T) {
	ts := start(t, func(c *Config) { c.StallTimeout = 100 * time.Millisecond })
	c := ts.login(t)
	data := c.passive()
	c.do(150, "STOR up")
	io.WriteString(data, "some of it")
	c.expect(426)
	if got := ts.content(t, "up"); got != "some of it" {
		t.Errorf("the part that came: %q", got)
	}
	blockedRetr(t, ts, c)
	c.expect(426)
	if s := ts.Stats(); s.FailedTransfers != 2 {
		t.Errorf("%+v", s)
	}
}

// What comes of an upload is in the file at once, however little it is.
func TestSlowUploadIsStored(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	data := c.passive()
	c.do(150, "STOR up")
	for want := "x"; len(want) < 4; want += "x" {
		io.WriteString(data, "x")
		ts.eventually(t, want+" is stored", func(Stats) bool { return ts.content(t, "up") == want })
	}
	data.Close()
	c.expect(226)
}

// A transfer that is slow and never stalls goes on past the stall time.
func TestSlowIsNoStall(t *testing.T) {
	ts := start(t, func(c *Config) { c.StallTimeout = 200 * time.Millisecond })
	c := ts.login(t)
	data := c.passive()
	c.do(150, "STOR up")
	for range 10 {
		time.Sleep(50 * time.Millisecond)
		io.WriteString(data, "x")
	}
	data.Close()
	c.expect(226)
}

// The end of the control connection is the end of the transfer (RFC 959
// section 3.2).
func TestControlConnectionLost(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	data := blockedRetr(t, ts, c)
	c.conn.Close()
	ts.eventually(t, "the session ends", func(s Stats) bool { return s.Sessions == 0 })
	if _, err := io.Copy(io.Discard, data); err == nil {
		t.Error("the data connection ended as if the file were whole")
	}
	if s := ts.Stats().Passive; s.Pending != 0 || s.Held != 0 {
		t.Errorf("left in the pool: %+v", s)
	}
}

func TestDataConnectionReset(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	data := c.passive()
	c.do(150, "STOR up")
	io.WriteString(data, "some of it")
	data.SetLinger(0)
	data.Close()
	if text := c.expect(426); !strings.Contains(text, "lost") {
		t.Errorf("426 %s", text)
	}
	data = blockedRetr(t, ts, c)
	data.SetLinger(0)
	data.Close()
	c.expect(426)
}

// steps reads no more than n bytes at once.
type steps struct {
	io.Reader
	n int
}

func (s steps) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(len(p), s.n)]) }

// The conversion gives the same whatever the reads are cut into, and what went
// out comes back.
func FuzzLineEnds(f *testing.F) {
	for _, text := range []string{"", "a\nb", "\r\n", "\r\r\n\n", "a\rb\r", "\n\n\n"} {
		f.Add([]byte(text), 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		through := func(ends func([]byte) []byte, in []byte, step int) []byte {
			var out bytes.Buffer
			if err := convert(&out, steps{bytes.NewReader(in), step}, ends); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		step = 1 + max(0, step)%64
		sent := through(toNetwork, text, step)
		if want := through(toNetwork, text, len(text)+1); !bytes.Equal(sent, want) {
			t.Fatalf("%q in steps of %d: %q, want %q", text, step, sent, want)
		}
		if bare := bytes.Count(sent, []byte("\n")) - bytes.Count(sent, []byte("\r\n")); bare != 0 {
			t.Fatalf("%q: %q has %d bare LF", text, sent, bare)
		}
		back := through(fromNetwork, sent, step)
		if want := bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")); !bytes.Equal(back, want) {
			t.Fatalf("%q went as %q and came back as %q", text, sent, back)
		}
	})
}
