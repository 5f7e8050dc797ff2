package embeddedftpd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestListings(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "dir/a.txt", "12345")
	ts.file(t, "dir/b.txt", "")
	ts.file(t, "dir/.hidden", "")
	ts.file(t, "dir/sub/c", "")
	ts.file(t, "dir/line\nbreak", "")
	ts.file(t, "-dash", "")
	for link, to := range map[string]string{"dir/link": "a.txt", "dir/out": "/etc/passwd", "dir/dangling": "gone"} {
		if err := os.Symlink(to, filepath.Join(ts.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	when := time.Now().Add(-time.Hour).UTC()
	if err := os.Chtimes(filepath.Join(ts.root, "dir/a.txt"), when, when); err != nil {
		t.Fatal(err)
	}
	c := ts.login(t)

	names := func(want ...string) string { return strings.Join(want, "\r\n") + "\r\n" }
	for command, want := range map[string]string{
		"NLST":                names("-dash", "dir"),
		"NLST dir/sub":        names("dir/sub/c"),
		"NLST -la dir/sub/":   names("dir/sub/c"),
		"NLST /dir/*.txt":     names("/dir/a.txt", "/dir/b.txt"),
		"NLST dir/a.txt":      names("dir/a.txt"),
		"NLST dir/a.txt/":     names("/dir/a.txt"),
		"NLST dir/[ab].txt":   names("dir/a.txt", "dir/b.txt"),
		"NLST dir/*.none":     "",
		"NLST -- -dash":       names("-dash"),
		"MLSD dir/sub":        "",
		"LIST -a -l -- dir/*": "",
	} {
		got := c.get("%s", command)
		if want != "" || strings.HasPrefix(command, "NLST") {
			if got != want {
				t.Errorf("%s: %q, want %q", command, got, want)
			}
		}
	}
	long := c.get("LIST -la dir")
	for _, want := range []string{
		fmt.Sprintf("-rw-r--r--    1 ftp      ftp                 5 %s a.txt\r\n", when.Format("Jan _2 15:04")),
		" .hidden\r\n", " link -> a.txt\r\n", " out\r\n", " dangling\r\n", " line?break\r\n",
	} {
		if !strings.Contains(long, want) {
			t.Errorf("LIST lacks %q:\n%s", want, long)
		}
	}
	if strings.Contains(long, "passwd") {
		t.Errorf("LIST shows where a link out of the root leads:\n%s", long)
	}
	if !strings.HasPrefix(c.get("LIST dir/sub"), "-rw-r--r--") || !strings.HasPrefix(c.get("LIST"), "-rw") {
		t.Error("LIST of a folder and of the current one")
	}
	facts := c.get("MLSD dir")
	for _, want := range []string{
		"Type=file;Size=5;Modify=" + formatTime(when) + ";Perm=adfrw;Unique=", "UNIX.mode=0644; a.txt\r\n",
		"Type=dir;Modify=", "; sub\r\n", "Type=OS.unix=symlink;",
	} {
		if !strings.Contains(facts, want) {
			t.Errorf("MLSD lacks %q:\n%s", want, facts)
		}
	}
	if strings.Contains(facts, "break") {
		t.Errorf("MLSD shows a name that cannot be asked for:\n%s", facts)
	}
	c.epsv()
	c.do(501, "MLSD dir/a.txt")
	c.do(550, "LIST gone")
	c.do(550, "NLST gone/*")
	c.do(550, "NLST dir/[")
}

// LIST -R lists what lies below, each folder after its name, and follows no
// links.
func TestListTree(t *testing.T) {
	ts := start(t, nil)
	for _, name := range []string{"top", "a/x", "a/b/y", "c/z"} {
		ts.file(t, name, "")
	}
	lay(t, ts.root, "", "empty/", "a/loop -> ..", "link -> c")
	c := ts.login(t)
	for command, want := range map[string]string{
		"LIST -R":       ".: a c empty link->c top | ./a: b loop->.. x | ./a/b: y | ./c: z | ./empty:",
		"LIST -laR a":   "a: b loop->.. x | a/b: y",
		"LIST -R /a/":   "/a: b loop->.. x | /a/b: y",
		"LIST -R /":     "/: a c empty link->c top | /a: b loop->.. x | /a/b: y | /c: z | /empty:",
		"LIST -R a/b/y": "y", "LIST -R *op": "top", "LIST -la -- a/b": "y",
	} {
		var got []string
		for line := range strings.Lines(c.get("%s", command)) {
			line, crlf := strings.CutSuffix(line, "\r\n")
			if !crlf {
				t.Errorf("%s: a line ends in %q", command, line)
			}
			switch {
			case line == "":
				line = "|"
			case !strings.HasSuffix(line, ":"):
				fields := strings.Fields(line)
				line = strings.Join(fields[8:], "")
			}
			got = append(got, line)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s\nwant %s", command, text, want)
		}
	}
}

// A folder larger than a batch is listed whole, each name once.
func TestLargeListing(t *testing.T) {
	ts := start(t, nil)
	want := map[string]bool{}
	for i := range listBatch + 100 {
		name := fmt.Sprintf("file-%05d", i)
		want[name] = true
		if err := os.WriteFile(filepath.Join(ts.root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := ts.login(t)
	got := strings.Split(strings.TrimSuffix(c.get("NLST"), "\r\n"), "\r\n")
	if len(got) != len(want) {
		t.Fatalf("%d names, want %d", len(got), len(want))
	}
	for _, name := range got {
		if !want[name] {
			t.Errorf("%q is not there, or twice", name)
		}
		delete(want, name)
	}
	if text := c.do(213, "STAT /"); !strings.Contains(text, "first 1000") {
		t.Errorf("STAT of a large folder: …%s", text[max(0, len(text)-100):])
	}
}

func TestListArguments(t *testing.T) {
	for arg, want := range map[string]string{
		"": "", "dir": "dir", "-l": "", "-la dir": "dir", "-l -a dir": "dir", " dir": " dir", "-la  a b ": " a b ",
		"-": "-", "-- -x": "-x", "-x.txt": "-x.txt", "-a -x.txt": "-x.txt", "--": "", "-l ": "",
	} {
		if got := listArg(arg); got != want {
			t.Errorf("%q: %q, want %q", arg, got, want)
		}
	}
}

func TestModeString(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o644: "-rw-r--r--", fs.ModeDir | 0o755: "drwxr-xr-x", fs.ModeSymlink | 0o777: "lrwxrwxrwx",
		fs.ModeDir | fs.ModeSticky | 0o777: "drwxrwxrwt", fs.ModeSetuid | 0o755: "-rwsr-xr-x",
		fs.ModeSetgid | 0o644: "-rw-r-Sr--", fs.ModeNamedPipe | 0o600: "prw-------",
		fs.ModeSocket: "s---------", fs.ModeDevice | fs.ModeCharDevice: "c---------", fs.ModeDevice: "b---------",
	} {
		if got := modeString(mode); got != want {
			t.Errorf("%v: %s, want %s", mode, got, want)
		}
	}
}

// Old files show their year and no time of day, as ls(1) does it.
func TestLongDates(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC)
	for stamp, when := range map[string]time.Time{
		"Jun 30 11:59": time.Date(2024, 6, 30, 11, 59, 0, 0, time.UTC),
		"Nov  3  2023": time.Date(2023, 11, 3, 11, 59, 0, 0, time.UTC),
		"Sep  1  2024": time.Date(2024, 9, 1, 0, 0, 0, 0, time.UTC),
	} {
		path := filepath.Join(dir, "f")
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(appendLong(nil, entry{name: "f", info: info}, now)))
		if want := append(strings.Fields(stamp), "f"); !slices.Equal(fields[5:], want) {
			t.Errorf("%v: %q, want %q", when, fields[5:], want)
		}
	}
}
