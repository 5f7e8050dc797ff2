package embeddedftpd

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
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
		"0 127.0.0.1 5 /a_name b _ o r user ftp 0 * c",
		"0 127.0.0.1 3 /up a _ i r user ftp 0 * c",
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
