package embeddedftpd

import (
	"io"
	"strings"
	"testing"
	"time"
)

// A small file arrives whole whether its data connection is there before the
// command, comes after it, or takes only a little at a time.
func TestSmallFiles(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	for _, size := range []int{0, 1, smallFile, smallFile + 1} {
		content := strings.Repeat("x", size)
		ts.file(t, "f", content)
		for range 20 {
			if got := c.get("RETR f"); got != content {
				t.Fatalf("%d bytes: got %d", size, len(got))
			}
		}
		port := c.epsv()
		c.send("RETR f")
		c.expect(150)
		data := c.connect(port)
		if got, err := io.ReadAll(data); err != nil || string(got) != content {
			t.Errorf("%d bytes, connected late: got %d, %v", size, len(got), err)
		}
		c.expect(226)
	}
	data := c.passive()
	ts.eventually(t, "the connection is held", func(s Stats) bool { return s.Passive.Held == 1 })
	data.SetLinger(0)
	data.Close()
	c.do(150, "RETR f")
	if code, text, err := c.text.ReadResponse(0); err != nil || code != 226 && code != 426 {
		t.Errorf("after a reset: %d %s, %v", code, text, err)
	}
	if got := c.get("RETR f"); len(got) != smallFile+1 {
		t.Errorf("after that: %d bytes", len(got))
	}
}

// A small upload is stored whole whether it comes in one piece, in two with a
// pause that is longer than the session itself waits, or over an older file.
func TestSmallUploads(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	for _, size := range []int{0, 1, smallFile - 1, smallFile, smallFile + 1, 3 * smallFile} {
		content := strings.Repeat("y", size)
		ts.file(t, "f", strings.Repeat("older", smallFile))
		c.put(content, "STOR f")
		if got := ts.content(t, "f"); got != content {
			t.Errorf("%d bytes: %d are stored", size, len(got))
		}
		data := c.passive()
		c.do(150, "STOR g")
		io.WriteString(data, content[:size/2])
		time.Sleep(2 * smallWait)
		io.WriteString(data, content[size/2:])
		data.Close()
		c.expect(226)
		if got := ts.content(t, "g"); got != content {
			t.Errorf("%d bytes in two pieces: %d are stored", size, len(got))
		}
	}
}

// A small upload that breaks off leaves none of the older file's bytes behind its own.
func TestSmallUploadThatBreaksOff(t *testing.T) {
	ts := start(t, nil)
	c := ts.login(t)
	for _, pause := range []time.Duration{0, 2 * smallWait} {
		ts.file(t, "f", strings.Repeat("old", 1000))
		data := c.passive()
		c.do(150, "STOR f")
		io.WriteString(data, "new")
		time.Sleep(pause)
		data.SetLinger(0)
		data.Close()
		c.expect(426)
		if got := ts.content(t, "f"); !strings.HasPrefix("new", got) {
			t.Errorf("after %v %q is stored", pause, got)
		}
	}
}
