package embeddedftpd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// runTool runs a program to its end and returns its standard output.
func runTool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	return runToolFor(t, 2*patience, dir, name, args...)
}

func runToolFor(t *testing.T, most time.Duration, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	cmd := exec.CommandContext(ctx, needs.Tool(t, name), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out.String(), errs.String())
	}
	return out.String()
}

// writeTree writes files with odd names and sizes under dir.
func writeTree(t *testing.T, dir string) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for name, size := range map[string]int{
		"empty": 0, "one": 1, "plain.txt": 1000, "a name with spaces": 70_000, "ümläut/日本.txt": 4096,
		"deep/er/and/deeper/still": 333, "semi;colon,comma": 5, "quote\"and'quote": 6, "#hash%41?": 7, ".hidden": 8,
		"big": 3 << 20,
	} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(r.Uint32())
		}
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty folder"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// sameTree compares two folders, file by file.
func sameTree(t *testing.T, want, got string) {
	t.Helper()
	read := func(root string) map[string]string {
		all := map[string]string{}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			if d.IsDir() {
				all[rel] = "folder"
				return nil
			}
			b, err := os.ReadFile(path)
			all[rel] = "file " + string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	w, g := read(want), read(got)
	for name, content := range w {
		if g[name] != content {
			t.Errorf("%q differs: %d bytes, want %d", name, len(g[name]), len(content))
		}
		delete(g, name)
	}
	for name := range g {
		t.Errorf("%q is there and should not be", name)
	}
}

func TestCurl(t *testing.T) {
	ts := start(t, nil)
	writeTree(t, ts.root)
	for mode, args := range map[string][]string{
		"PASV":       {"--disable-epsv", "ftp://" + ts.addr()},
		"EPSV":       {"ftp://" + ts.addr()},
		"EPSV, IPv6": {"-g", "ftp://" + ts.addr6()},
	} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			base := args[len(args)-1]
			curl := func(more ...string) string {
				t.Helper()
				all := append([]string{"-sS", "--max-time", "15", "-u", "user:secret"}, args[:len(args)-1]...)
				return runTool(t, dir, "curl", append(all, more...)...)
			}
			for _, name := range []string{"big", "empty", "one"} {
				if got := curl(base + "/" + name); got != ts.content(t, name) {
					t.Errorf("%s: %d bytes that differ", name, len(got))
				}
			}
			if got, want := curl(base+"/a%20name%20with%20spaces"), ts.content(t, "a name with spaces"); got != want {
				t.Error("a name with spaces: content differs")
			}
			if got := curl("-l", base+"/deep/"); got != "er\n" && got != "er\r\n" {
				t.Errorf("names of deep: %q", got)
			}
			if got := curl(base + "/"); !strings.Contains(got, " plain.txt\n") && !strings.Contains(got, " plain.txt\r\n") {
				t.Errorf("listing: %q", got)
			}
			if got, want := curl("-r", "1000-", base+"/big"), ts.content(t, "big")[1000:]; got != want {
				t.Error("resumed download: content differs")
			}
			up := fmt.Sprintf("up-%d", len(args[0]))
			if err := os.WriteFile(filepath.Join(dir, "local"), []byte(ts.content(t, "big")), 0o644); err != nil {
				t.Fatal(err)
			}
			curl("--ftp-create-dirs", "-T", "local", base+"/made/"+up)
			if ts.content(t, "made/"+up) != ts.content(t, "big") {
				t.Error("upload: content differs")
			}
			if err := os.Truncate(filepath.Join(ts.root, "made", up), 12345); err != nil {
				t.Fatal(err)
			}
			curl("-C", "-", "-T", "local", base+"/made/"+up)
			if ts.content(t, "made/"+up) != ts.content(t, "big") {
				t.Error("resumed upload: content differs")
			}
		})
	}
}

func lftp(t *testing.T, ts *testServer, script string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(ts.addr())
	full := "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 10; set ftp:ssl-allow no; " +
		fmt.Sprintf("open -u user,secret -p %s ftp://%s; ", port, host) + script
	runTool(t, t.TempDir(), "lftp", "--norc", "-c", full)
}

func TestLftp(t *testing.T) {
	t.Run("mirror down", func(t *testing.T) {
		ts := start(t, nil)
		writeTree(t, ts.root)
		to := t.TempDir()
		lftp(t, ts, "mirror / "+to)
		sameTree(t, ts.root, to)
	})
	t.Run("mirror down by LIST", func(t *testing.T) {
		ts := start(t, nil)
		writeTree(t, ts.root)
		to := t.TempDir()
		lftp(t, ts, "set ftp:use-mlsd no; set ftp:use-feat no; mirror / "+to)
		sameTree(t, ts.root, to)
	})
	t.Run("mirror up in parallel", func(t *testing.T) {
		ts := start(t, nil)
		from := t.TempDir()
		writeTree(t, from)
		lftp(t, ts, "mirror -R --parallel=3 "+from+" /")
		sameTree(t, from, ts.root)
	})
	t.Run("put -c, mv, rm, get -c", func(t *testing.T) {
		ts := start(t, nil)
		dir := t.TempDir()
		content := strings.Repeat("resume me ", 100_000)
		local := filepath.Join(dir, "local")
		if err := os.WriteFile(local, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		ts.file(t, "remote", content[:54321])
		lftp(t, ts, "put -c "+local+" -o remote; mv remote renamed; mkdir -p x/y; rmdir x/y")
		if got := ts.content(t, "renamed"); got != content {
			t.Errorf("put -c: %d bytes, want %d, or others", len(got), len(content))
		}
		back := filepath.Join(dir, "back")
		if err := os.WriteFile(back, []byte(content[:7]), 0o644); err != nil {
			t.Fatal(err)
		}
		lftp(t, ts, "get -c renamed -o "+back+"; rm renamed")
		if b, err := os.ReadFile(back); err != nil || string(b) != content {
			t.Errorf("get -c: %d bytes, %v", len(b), err)
		}
		if _, err := os.Lstat(filepath.Join(ts.root, "renamed")); !os.IsNotExist(err) {
			t.Errorf("rm: %v", err)
		}
	})
}

// pythonScript goes through ftplib and fails by assertion.
const pythonScript = `
import ftplib, io, sys
host, port = sys.argv[1], int(sys.argv[2])
f = ftplib.FTP(timeout=15)
f.connect(host, port)
f.login("user", "secret")
data = bytes(range(256)) * 5000
f.storbinary("STOR bin", io.BytesIO(data))
got = io.BytesIO(); f.retrbinary("RETR bin", got.write)
assert got.getvalue() == data
got = io.BytesIO(); f.retrbinary("RETR bin", got.write, rest=1000)
assert got.getvalue() == data[1000:]
f.storlines("STOR text", io.BytesIO(b"one\r\ntwo\nthree"))
lines = []; f.retrlines("RETR text", lines.append)
assert lines == ["one", "two", "three"], lines
f.voidcmd("TYPE I"); assert f.size("bin") == len(data)
assert f.mkd('dir "q" ü') == '/dir "q" ü'
f.cwd('dir "q" ü'); assert f.pwd() == '/dir "q" ü'
f.cwd(".."); f.rmd('dir "q" ü')
f.rename("text", "text2")
assert sorted(f.nlst()) == ["bin", "text2"], f.nlst()
facts = {n: x for n, x in f.mlsd(facts=["type", "size"])}
assert facts["bin"] == {"type": "file", "size": str(len(data))}, facts
lines = []; f.dir(lines.append)
assert len(lines) == 2 and lines[0].endswith(" bin"), lines
c = f.transfercmd("RETR bin"); c.recv(10)
reply = f.abort()  # or the transfer's own, which may have ended before
while "ABOR" not in reply: reply = f.voidresp()
c.close()
f.delete("bin"); f.delete("text2")
assert f.nlst() == []
f.quit()
`

func TestPython(t *testing.T) {
	ts := start(t, nil)
	for _, addr := range []string{ts.addr(), ts.addr6()} {
		host, port, _ := net.SplitHostPort(addr)
		runTool(t, t.TempDir(), "python3", "-c", pythonScript, host, port)
	}
}
