package embeddedftpd

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestResolve(t *testing.T) {
	for _, x := range []struct{ cwd, arg, want string }{
		{"/", "a", "/a"}, {"/a", "b", "/a/b"}, {"/a", "/b", "/b"}, {"/a", "..", "/"}, {"/a", "../../..", "/"},
		{"/", "../etc/passwd", "/etc/passwd"}, {"/a", ".", "/a"}, {"/a", "", "/a"}, {"/a", "b//c/", "/a/b/c"},
		{"/", "/../../x", "/x"}, {"/a", "~", "/a/~"}, {"/", " x ", "/ x "},
	} {
		if got := resolve(x.cwd, x.arg); got != x.want {
			t.Errorf("%q in %q: %q, want %q", x.arg, x.cwd, got, x.want)
		}
	}
}

// outside lays a secret beside the root, with links of every kind to it.
func outside(t *testing.T, ts *testServer) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 30)
	for link, to := range map[string]string{
		"file": filepath.Join(dir, "secret"), "folder": dir, "relative": up + dir[1:], "dots": "..", "slash": "/",
	} {
		if err := os.Symlink(to, filepath.Join(ts.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNoWayOut(t *testing.T) {
	ts := start(t, nil)
	dir := outside(t, ts)
	ts.file(t, "mine", "x")
	c := ts.login(t)
	c.epsv()
	for _, path := range []string{
		"file", "folder/secret", "relative/secret", "slash" + dir + "/secret", "dots/" + filepath.Base(dir) + "/secret",
		dir + "/secret", "../../../../../../../.." + dir + "/secret", "/.." + dir + "/secret", "./file/../file",
	} {
		for _, command := range []string{"RETR %s", "STOR %s", "APPE %s", "SIZE %s", "MDTM %s", "MFMT 20200101000000 %s", "CWD %s"} {
			c.do(550, command, path)
		}
	}
	for _, path := range []string{"folder", "relative", "slash", "dots", dir} {
		for _, command := range []string{"CWD %s", "LIST %s", "NLST %s/*", "MLSD %s", "MKD %s/new", "RMD %s"} {
			if command == "LIST %s" && path != dir {
				continue // lists the link itself
			}
			c.do(550, command, path)
		}
	}
	for _, path := range []string{"folder/secret", "relative/secret", "slash" + dir + "/secret"} {
		c.do(550, "DELE %s", path)
		c.do(550, "RNFR %s", path)
		c.do(350, "RNFR mine")
		c.do(550, "RNTO %s", path)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "secret")); err != nil || string(b) != "secret" {
		t.Errorf("the file outside: %q, %v", b, err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("outside there are %d files now", len(all))
	}
	// A link may be removed: that is the link and not what it leads to.
	c.do(250, "DELE file")
}

// A folder that is swapped for a link while it is being used leads nobody out.
func TestNoWayOutByRace(t *testing.T) {
	ts := start(t, func(c *Config) { c.ConnectTimeout = time.Second })
	dir := t.TempDir()
	for _, name := range []string{"f", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ts.file(t, "real/f", "mine")
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		at := filepath.Join(ts.root, "d")
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.Symlink(dir, at)
			os.Remove(at)
			os.Rename(filepath.Join(ts.root, "real"), at)
			os.Rename(at, filepath.Join(ts.root, "real"))
		}
	})
	defer swapping.Wait()
	defer close(stop)
	c := ts.login(t)
	read := 0
	for range 300 {
		// Whether these find the folder in place is left to chance.
		for _, command := range []string{"MKD d/new", "MFMT 20200101000000 d/f", "RMD d/new", "DELE d/other"} {
			c.send("%s", command)
			if _, _, err := c.text.ReadResponse(0); err != nil {
				t.Fatal(err)
			}
		}
		data := c.passive()
		c.send("RETR d/f")
		code, _, err := c.text.ReadResponse(0)
		if err != nil {
			t.Fatal(err)
		}
		if code != 150 {
			data.Close()
			continue
		}
		var b [100]byte
		n, _ := data.Read(b[:])
		data.Close()
		if got := string(b[:n]); got != "mine" {
			t.Fatalf("read %q", got)
		}
		read++
		c.expect(226)
	}
	t.Logf("%d of 300 found the folder in place", read)
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("outside there are %d files now", len(all))
	}
	if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.ModTime().Year() == 2020 {
		t.Errorf("the file outside was changed: %v", err)
	}
}

// What is not a regular file is refused, and a FIFO holds nobody up.
func TestSpecialFiles(t *testing.T) {
	ts := start(t, nil)
	if err := syscall.Mkfifo(filepath.Join(ts.root, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	ts.file(t, "dir/f", "")
	c := ts.login(t)
	c.epsv()
	for _, name := range []string{"fifo", "dir"} {
		for _, verb := range []string{"RETR", "STOR", "APPE", "SIZE"} {
			c.do(550, "%s %s", verb, name)
		}
	}
	c.do(550, "CWD fifo")
	c.do(550, "NLST fifo/*")
}

func TestReadOnly(t *testing.T) {
	ts := start(t, nil)
	ts.cfg.Users = oneUser{User{Name: "user", Root: ts.root, ReadOnly: true}}
	ts.file(t, "f", "content")
	c := ts.login(t)
	for name, v := range verbs {
		if v.writes {
			c.do(550, "%s f", name)
		}
	}
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("RETR: %q", got)
	}
	if got := c.get("MLSD"); !strings.Contains(got, "Perm=r;") {
		t.Errorf("MLSD: %q", got)
	}
	if got := ts.content(t, "f"); got != "content" {
		t.Errorf("the file is %q now", got)
	}
}

func TestAnonymous(t *testing.T) {
	root := t.TempDir()
	ts := start(t, func(c *Config) { c.AnonymousRoot, c.Users = root, nil })
	if err := os.WriteFile(filepath.Join(root, "f"), []byte("public"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"anonymous", "ftp"} {
		c := dial(t, ts.addr())
		c.expect(220)
		c.do(331, "USER %s", name)
		c.do(230, "PASS me@example.com")
		if got := c.get("RETR f"); got != "public" {
			t.Errorf("RETR: %q", got)
		}
		c.do(550, "DELE f")
		c.do(550, "STOR g")
	}
	c := dial(t, ts.addr())
	c.expect(220)
	c.do(331, "USER user")
	c.do(530, "PASS secret")
}
