package embeddedftpd

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

var update = flag.Bool("update", false, "rewrite the matrix in README.md")

// transport is how a client reaches the server.
type transport struct {
	version string // of TLS, "" for clear text
	v6      bool
}

func (tr transport) String() string {
	name, family := "clear", " v4"
	if tr.version != "" {
		name = "TLS " + tr.version
	}
	if tr.v6 {
		family = " v6"
	}
	return name + family
}

// transports come in pairs, IPv4 and IPv6.
var transports = []transport{{"", false}, {"", true}, {"1.2", false}, {"1.2", true}, {"1.3", false}, {"1.3", true}}

// operations are what a client is asked to do. After each the files on both
// sides are compared: a client's exit code alone proves nothing.
var operations = []string{"download", "upload", "resume down", "resume up", "mirror", "rename", "delete", "names", "empty", "5 GiB down", "5 GiB up"}

// hugeSize is beyond what 32 bits count. Of a file of that size clients fetch
// or send the end, hugeEnd, since the other side has the rest already: nothing
// of that is on any disk.
const hugeSize = 5 << 30

var hugeEnd = strings.Repeat("the end ", 1000)

// oddName has a space, and characters of two and three bytes.
const oddName = "ümläut/日本 x.txt"

// remote is where a client finds the server.
type remote struct {
	transport
	host, port string
}

// url is the address of a file for clients that take URLs.
func (r remote) url(scheme, name string) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword("user", "secret"), Host: net.JoinHostPort(r.host, r.port), Path: "/" + name}
	return u.String()
}

// TestConformance lets clients that nobody here wrote do what they can, and
// holds the matrix in README.md to the outcome.
func TestConformance(t *testing.T) {
	for _, p := range programs {
		if p.library == nil {
			needs.Tool(t, p.tool)
		}
	}
	var outcomes sync.Map // of the runs that went well
	type run struct {
		program, op string
		transport
	}
	t.Run("clients", func(t *testing.T) {
		for _, p := range programs {
			for _, op := range operations {
				for _, tr := range transports {
					if !p.can(op, tr) {
						continue
					}
					t.Run(p.name+"/"+op+"/"+tr.String(), func(t *testing.T) {
						t.Parallel()
						conform(t, p, op, tr)
						outcomes.Store(run{p.name, op, tr}, !t.Failed())
					})
				}
			}
		}
	})
	var matrix strings.Builder
	matrix.WriteString("| client | " + strings.Join(operations, " | ") + " |\n| --- |" + strings.Repeat(" --- |", len(operations)) + "\n")
	for _, p := range programs {
		row := []string{p.name}
		for _, op := range operations {
			row = append(row, cell(func(tr transport) bool { ok, _ := outcomes.Load(run{p.name, op, tr}); return ok == true }))
		}
		matrix.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	checkReadme(t, matrix.String())
}

// cell names the transports that went well, each for both families of
// addresses but where one is named.
func cell(well func(transport) bool) string {
	var words []string
	for pair := range slices.Chunk(transports, 2) {
		name := cmp.Or(pair[0].version, "clear")
		switch v4, v6 := well(pair[0]), well(pair[1]); {
		case v4 && v6:
			words = append(words, name)
		case v4:
			words = append(words, name+" (v4)")
		case v6:
			words = append(words, name+" (v6)")
		}
	}
	return strings.Join(words, " ")
}

// conform does one operation and compares the files.
func conform(t *testing.T, p program, op string, tr transport) {
	ts := start(t, func(c *Config) {
		if tr.version != "" {
			c.TLS = &TLS{Required: true, ReusePreferred: slices.Contains(p.foreign, tr.version)}
		}
	})
	content := strings.Repeat("0123456789abcdef\n", 60_000)
	for name, text := range map[string]string{
		"big": content, "rpart": content[:12345], "old": "old", "del": "x", oddName: "odd", "empty": "", "sub/dir/f": "f",
	} {
		ts.file(t, name, text)
	}
	dir := t.TempDir()
	switch op {
	case "5 GiB down":
		writeHuge(t, filepath.Join(ts.root, "huge"), hugeEnd)
		writeHuge(t, filepath.Join(dir, "huge"), "")
	case "5 GiB up":
		writeHuge(t, filepath.Join(ts.root, "huge"), "")
		writeHuge(t, filepath.Join(dir, "huge"), hugeEnd)
	}
	for name, text := range map[string]string{"local": content, "part": content[:1000], "empty-local": "", "end": hugeEnd} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	addr := ts.addr()
	if tr.v6 {
		addr = ts.addr6()
	}
	r := remote{transport: tr}
	r.host, r.port, _ = net.SplitHostPort(addr)
	var output string
	if p.library != nil {
		output = fmt.Sprint(p.library(op, r, dir))
	} else {
		args, stdin := p.do(op, r)
		output = runProgram(t, dir, args, stdin)
	}
	same := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, want %d, or others: %v\n%s", filepath.Base(path), len(got), len(want), err, output)
		}
	}
	local := func(name string) string { return filepath.Join(dir, name) }
	far := func(name string) string { return filepath.Join(ts.root, name) }
	gone := func(name string) {
		t.Helper()
		if _, err := os.Lstat(far(name)); !os.IsNotExist(err) {
			t.Errorf("%s is there still: %v\n%s", name, err, output)
		}
	}
	switch op {
	case "download":
		same(local("out"), content)
	case "upload":
		same(far("up"), content)
	case "resume down":
		same(local("part"), content)
	case "resume up":
		same(far("rpart"), content)
	case "mirror":
		sameTree(t, ts.root, local("tree"))
	case "rename":
		same(far("new"), "old")
		gone("old")
	case "delete":
		gone("del")
	case "names":
		same(local("odd"), "odd")
	case "empty":
		same(local("empty-out"), "")
		same(far("empty-up"), "")
	case "5 GiB down":
		checkHuge(t, local("huge"), output)
	case "5 GiB up":
		checkHuge(t, far("huge"), output)
	}
}

// writeHuge writes a sparse file of hugeSize and what follows.
func writeHuge(t *testing.T, name, end string) {
	t.Helper()
	f, err := os.Create(name)
	if err == nil {
		err = f.Truncate(hugeSize)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(end), hugeSize)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkHuge makes sure that hugeEnd follows hugeSize bytes, and that those were
// left alone: they take no room still.
func checkHuge(t *testing.T, name, output string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	end, err := io.ReadAll(io.NewSectionReader(f, hugeSize, 1<<20))
	if err != nil || string(end) != hugeEnd {
		t.Errorf("behind %d bytes are %d, or others: %v\n%s", hugeSize, len(end), err, output)
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes have been written: %v\n%s", st.Blocks*512, err, output)
	}
}

// runProgram runs a client, whose exit code is passed over: some of them end
// with 0 whatever happens, and the files tell.
func runProgram(t *testing.T, dir string, args []string, stdin string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return fmt.Sprintf("%s%v", out.String(), err)
}

// checkReadme compares the matrix with the one in README.md.
func checkReadme(t *testing.T, matrix string) {
	t.Helper()
	const begin, end = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	there, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("README.md has no place for the matrix")
	}
	switch {
	case there == matrix:
	case *update:
		if err := os.WriteFile("README.md", []byte(before+begin+matrix+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md differs from the outcome; go test -update rewrites it:\n%s", matrix)
	}
}

// A sparse file of 5 GiB and a little goes through whole in both directions,
// what is written around each GiB included.
func TestHugeFile(t *testing.T) {
	ts := start(t, nil)
	dir := t.TempDir()
	local, far := filepath.Join(dir, "huge"), filepath.Join(ts.root, "huge")
	writeHuge(t, local, hugeEnd)
	mark(t, local)
	url := "ftp://user:secret@" + ts.addr() + "/huge"
	const most = 5 * patience // for a disk as slow as 50 MB/s
	runToolFor(t, most, dir, "curl", "-sS", "-T", "huge", url)
	runToolFor(t, most, dir, "cmp", "huge", far)
	runToolFor(t, most, dir, "bash", "-o", "pipefail", "-c", `curl -sS "$1" | cmp - huge`, "-", url)
	size := fmt.Sprint(hugeSize + len(hugeEnd))
	c := ts.login(t)
	if got := c.do(213, "SIZE huge"); got != size {
		t.Errorf("SIZE %s", got)
	}
	if got := c.get("LIST huge"); !strings.Contains(got, " "+size+" ") {
		t.Errorf("LIST: %q", got)
	}
	c.do(350, "REST %d", hugeSize+len(hugeEnd)-3)
	if got := c.get("RETR huge"); got != hugeEnd[len(hugeEnd)-3:] {
		t.Errorf("the last three bytes: %q", got)
	}
	c.do(350, "REST %s", size)
	c.put("and more", "STOR huge")
	c.do(350, "REST %d", hugeSize+len(hugeEnd)-1)
	if got := c.get("RETR huge"); got != hugeEnd[len(hugeEnd)-1:]+"and more" {
		t.Errorf("after an upload that goes on behind it: %q", got)
	}
}

// mark writes something around each GiB of a huge file.
func mark(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	for at := int64(1 << 30); err == nil && at <= hugeSize; at += 1 << 30 {
		_, err = f.WriteAt(fmt.Appendf(nil, "before and behind %d", at), at-10)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
