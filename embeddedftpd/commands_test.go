package embeddedftpd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exchange is a command and the reply it must get.
type exchange struct {
	send string
	code int
	text string // contained in the reply
}

func converse(t *testing.T, c *client, talk []exchange) {
	t.Helper()
	for _, e := range talk {
		c.send("%s", e.send)
		code, text, err := c.text.ReadResponse(0)
		if err != nil {
			t.Fatalf("%q: %v", e.send, err)
		}
		if code != e.code || !strings.Contains(text, e.text) {
			t.Errorf("%q: got %d %s, want %d …%s…", e.send, code, text, e.code, e.text)
		}
	}
}

func TestBeforeLogin(t *testing.T) {
	ts := start(t, nil)
	c := dial(t, ts.addr())
	c.expect(220)
	talk := []exchange{
		{"NOOP", 200, ""},
		{"noop", 200, ""},
		{"SYST", 215, "UNIX Type: L8"},
		{"PASS secret", 503, "USER"},
		{"HOST", 501, "Usage"},
		{"HOST ftp.example.com", 220, ""},
		{"HELP", 214, "RETR"},
		{"HELP retr", 214, "RETR <sp> path"},
		{"HELP nonsense", 501, ""},
		{"STAT", 211, "Not logged in"},
		{"STAT /", 530, ""},
		{"FEAT", 211, "CLNT\n EPSV\n"}, {"FEAT", 211, "MLST Type*;Size*;Modify*;Perm*;Unique*;UNIX.mode*;"},
		{"OPTS UTF8 ON", 200, ""},
		{"OPTS UTF8 OFF", 504, ""},
		{"OPTS XYZ", 501, ""},
		{"CLNT test", 200, ""},
		{"XYZZY", 500, ""},
		{"", 500, ""},
		{"ACCT x", 502, ""},
		{"SITE HELP", 214, "SITE CHMOD <sp>"},
		{"SITE", 501, "CHMOD"},
		{"SITE EXEC x", 500, ""},
		{"USER", 501, "USER <sp> name"},
		{"REIN", 220, ""},
	}
	for name, v := range verbs {
		if !v.open {
			talk = append(talk, exchange{name + " x", 530, "USER"})
		}
	}
	converse(t, c, talk)
	converse(t, c, []exchange{
		{"USER user", 331, ""},
		{"HOST other", 503, ""},
		{"PASS secret", 230, ""},
		{"PASS secret", 503, ""},
		{"HOST other", 503, ""},
		{"REIN", 220, ""},
		{"PWD", 530, ""},
		{"QUIT", 221, ""},
	})
	if _, err := c.text.ReadLine(); err == nil {
		t.Error("the session goes on after QUIT")
	}
}

func TestFileCommands(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "12345")
	ts.file(t, "dir/g", "x")
	ts.file(t, "say \"hi\"/h", "x")
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(ts.root, "f"), when, when); err != nil {
		t.Fatal(err)
	}
	converse(t, ts.login(t), []exchange{
		{"PWD", 257, `"/" is`},
		{"CWD dir", 250, ""},
		{"XPWD", 257, `"/dir" is`},
		{"CWD g", 550, "Not a directory"},
		{"CDUP", 250, ""},
		{"CDUP", 250, ""},
		{"PWD", 257, `"/" is`},
		{"CWD /dir/../dir/./", 250, `"/dir"`},
		{"CWD ../../../..", 250, `"/"`},
		{"CWD nowhere", 550, "No such"},
		{"CWD", 501, ""},
		{`CWD say "hi"`, 250, ""},
		{"PWD", 257, `"/say ""hi""" is`},
		{"CWD /", 250, ""},

		{"SIZE f", 213, "5"},
		{"SIZE dir", 550, ""},
		{"SIZE gone", 550, "No such"},
		{"TYPE A", 200, ""},
		{"SIZE f", 550, "TYPE"},
		{"REST 3", 501, "TYPE"},
		{"REST 0", 350, ""},
		{"TYPE A N", 200, ""},
		{"TYPE L 8", 200, ""}, {"STAT", 211, "TYPE I"}, {"TYPE A", 200, ""}, {"TYPE L8", 200, ""}, {"STAT", 211, "TYPE I"},
		{"TYPE E", 504, ""},
		{"TYPE", 501, ""},
		{"TYPE I", 200, ""},
		{"REST 3", 350, "3"},
		{"REST -1", 501, ""},
		{"REST +1", 501, ""},
		{"REST 99999999999999999999", 501, ""},
		{"MODE S", 200, ""}, {"MODE B", 504, ""}, {"STRU F", 200, ""}, {"STRU R", 504, ""},
		{"ALLO 100", 200, ""},

		{"MDTM f", 213, "20010203040506"},
		{"MFMT 20240229123456 f", 213, "Modify=20240229123456; f"},
		{"MDTM f", 213, "20240229123456"},
		{"MFMT 20230229123456 f", 501, ""},
		{"MFMT 99991231235959 f", 550, "time"},
		{"MFMT 00010101000000 f", 550, "time"},
		{"MDTM f", 213, "20240229123456"},
		{"MFMT 20240229123456", 501, ""},
		{"MFMT 20240229123456 dir", 213, "Modify=20240229123456; dir"},
		{"MDTM dir", 213, "20240229123456"},
		{"MDTM 20010203040506 f", 213, "Modify=20010203040506; f"},
		{"MDTM f", 213, "20010203040506"},
		{"MDTM 20010203040506 gone", 550, "No such"},
		{"MDTM 20010203040506", 550, "No such"},
		{"SITE UTIME 20240229123456 f", 200, "Modify=20240229123456; f"},
		{"MDTM f", 213, "20240229123456"},
		{"SITE UTIME 202402291234 dir", 200, "Modify=20240229123400; dir"},
		{"site utime f 20010101000000 20020202020202 20030303030303 UTC", 200, "Modify=20020202020202; f"},
		{"MDTM f", 213, "20020202020202"},
		{"SITE UTIME 2024 f", 501, "SITE UTIME <sp>"},
		{"SITE UTIME 20010101000000 20020202020202 20030303030303 UTC", 501, ""},
		{"SITE UTIME", 501, ""},
		{"SITE CHMOD 600 f", 200, ""},
		{"MLST f", 250, "UNIX.mode=0600;"},
		{"SITE  CHMOD 0755  f", 200, ""},
		{"MLST f", 250, "UNIX.mode=0755;"},
		{"SITE CHMOD 4755 f", 501, ""},
		{"SITE CHMOD u+x f", 501, ""},
		{"SITE CHMOD 700", 501, ""},
		{"SITE CHMOD 700 /", 550, "Permission"},
		{"SITE CHMOD 700 gone", 550, "No such"},

		{"MKD new", 257, `"/new" created`},
		{"MKD new", 550, "exists"},
		{"MKD no/such/parent", 550, "No such"},
		{"RMD f", 550, "Not a directory"},
		{"RMD dir", 550, "not empty"},
		{"RMD new", 250, ""},
		{"RMD /", 550, ""},
		{"DELE dir", 550, "directory"},
		{"DELE gone", 550, ""},

		{"RNTO x", 503, "RNFR"},
		{"RNFR gone", 550, ""},
		{"RNFR f", 350, ""},
		{"NOOP", 200, ""},
		{"RNTO x", 503, "RNFR"},
		{"RNFR f", 350, ""},
		{"RNTO dir/moved", 250, ""},
		{"RNTO again", 503, ""},
		{"RNFR /", 550, ""},
		{"DELE dir/moved", 250, ""},
		{"SIZE dir/moved", 550, ""},

		{"MLST dir/g", 250, "Type=file;Size=1;"},
		{"OPTS MLST size;type;nonsense;", 200, "MLST OPTS Type;Size;"},
		{"MLST dir/g", 250, "Type=file;Size=1; /dir/g"},
		{"MLST dir", 250, "Type=dir; /dir"},
		{"FEAT", 211, "CLNT\n EPSV\n"}, {"FEAT", 211, "MLST Type*;Size*;Modify;Perm;"},
		{"OPTS MLST", 200, ""},
		{"MLST gone", 550, ""},
		{"STAT dir", 213, " g"},
		{"STAT -la dir", 213, "Status of /dir:"},
		{"STAT -la", 213, "Status of /:"},
		{"STAT gone", 550, ""},

		{"RETR f", 425, "PASV"},
		{"STOR f", 425, "PASV"},
		{"LIST", 425, "PASV"},
		{"PORT 127,0,0,1,9,9", 502, "off"},
		{"EPRT |1|127.0.0.1|2000|", 502, "off"},
		{"ABOR", 226, ""},
		{"DELE a\rb", 501, ""},
		{"DELE a\x00b", 501, ""},
	})
}

// Two spaces before a path are taken for one, unless what begins with a space is
// there; what a command makes has the name that was sent.
func TestTwoSpaces(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "plain")
	ts.file(t, "both", "plain")
	ts.file(t, " both", "with a space")
	ts.file(t, "dir/g", "x")
	c := ts.login(t)
	for command, want := range map[string]string{
		"RETR  f": "plain", "RETR  both": "with a space", "NLST  dir": "dir/g\r\n", "NLST   dir/g": "dir/g\r\n",
	} {
		if got := c.get("%s", command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	c.put("new", "STOR  both")
	c.put("new", "STOR  f")
	for name, want := range map[string]string{"f": "plain", " f": "new", "both": "plain", " both": "new"} {
		if got := ts.content(t, name); got != want {
			t.Errorf("%q holds %q, want %q", name, got, want)
		}
	}
	converse(t, c, []exchange{
		{"CWD  dir", 250, `"/dir"`}, {"SIZE  g", 213, "1"}, {"MDTM  g", 213, ""}, {"MLST  g", 250, " /dir/g"}, {"STAT  g", 213, " g"},
		{"MFMT 20240229123456  g", 213, ""}, {"RNFR  g", 350, ""}, {"RNTO h", 250, ""}, {"DELE  h", 250, ""}, {"RMD  /dir", 250, ""},
	})
}

// What a user who may only read cannot do is refused also in its other forms.
func TestReadOnlyTimesAndModes(t *testing.T) {
	ts := start(t, func(c *Config) {
		reader := c.Users.(oneUser)
		reader.ReadOnly = true
		c.Users = reader
	})
	ts.file(t, "f", "x")
	converse(t, ts.login(t), []exchange{
		{"MDTM 20010203040506 f", 550, "read-only"}, {"MFMT 20010203040506 f", 550, "read-only"},
		{"SITE UTIME 20010203040506 f", 550, "read-only"}, {"SITE CHMOD 777 f", 550, "read-only"}, {"MDTM f", 213, ""},
	})
}

func TestPassiveReplies(t *testing.T) {
	ts := start(t, func(c *Config) { c.PassiveLast = c.PassiveFirst })
	first := ts.cfg.PassiveFirst
	pasv := fmt.Sprintf("(127,0,0,1,%d,%d)", first>>8, first&255)
	epsv := fmt.Sprintf("(|||%d|)", first)
	c := ts.login(t)
	converse(t, c, []exchange{
		{"PASV", 227, pasv},
		{"STAT", 211, fmt.Sprintf("port %d", first)},
	})
	c.connect(fmt.Sprint(first)).Close()
	ts.eventually(t, "the connection is held", func(s Stats) bool { return s.Passive.Held == 1 })
	converse(t, c, []exchange{
		{"ABOR", 226, ""},
		{"EPSV", 229, epsv},
		{"EPSV 2", 522, "(1)"},
		{"EPSV 7", 501, ""},
		{"RETR gone", 550, ""},
	})
	c.connect(fmt.Sprint(first)).Close()
	ts.eventually(t, "the connection is held", func(s Stats) bool { return s.Passive.Held == 1 })
	converse(t, c, []exchange{
		{"EPSV 1", 229, epsv},
		{"EPSV ALL", 200, ""},
		{"PASV", 503, "EPSV"},
	})

	six := dial(t, ts.addr6())
	six.expect(220)
	converse(t, six, []exchange{
		{"USER user", 331, ""}, {"PASS secret", 230, ""},
		{"PASV", 425, "EPSV"},
		{"EPSV 1", 522, "(2)"},
		{"EPSV 2", 229, epsv},
	})
}
