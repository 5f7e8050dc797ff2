package embeddedftpd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/needs"
)

var update = flag.Bool("update", false, "rewrite the matrix in README.md")

// transport is how a client reaches the server.
type transport struct {
	name    string
	v6      bool
	version string // of TLS, "" for clear text
}

var transports = []transport{{name: "v4"}, {name: "v6", v6: true}, {name: "TLS 1.2", version: "1.2"}, {name: "TLS 1.3", version: "1.3"}}

// operations are what a client is asked to do. After each the files on both
// sides are compared: a client's exit code alone proves nothing.
var operations = []string{"download", "upload", "resume down", "resume up", "mirror", "rename", "delete", "names", "empty"}

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

// program is a client: the command line and the standard input by which it
// does an operation, nil where it cannot.
type program struct {
	name string
	tool string
	do   func(op string, r remote) (args []string, stdin string)
	// cannot names the transports that the client does not have.
	cannot []string
	// foreign names those on which it does not resume its control connection's
	// TLS session, and needs session reuse merely preferred.
	foreign []string
}

var programs = []program{
	{name: "curl", tool: "curl", do: curlDo, foreign: []string{"TLS 1.2"}},
	{name: "lftp", tool: "lftp", do: lftpDo},
	{name: "Python ftplib", tool: "python3", do: pythonDo, foreign: []string{"TLS 1.2", "TLS 1.3"}},
	{name: "GNU Wget", tool: "wget", do: wgetDo},
	{name: "tnftp", tool: "tnftp", do: tnftpDo, cannot: []string{"TLS 1.2", "TLS 1.3"}},
	{name: "NcFTP", tool: "ncftpget", do: ncftpDo, cannot: []string{"v6", "TLS 1.2", "TLS 1.3"}},
}

func curlDo(op string, r remote) ([]string, string) {
	args := []string{"curl", "-sSg", "--max-time", "20"}
	if r.version != "" {
		args = append(args, "--ssl-reqd", "-k", "--tlsv"+r.version, "--tls-max", r.version)
	}
	at := func(name string) string { return r.url("ftp", name) }
	switch op {
	case "download":
		args = append(args, "-o", "out", at("big"))
	case "upload":
		args = append(args, "-T", "local", at("up"))
	case "resume down":
		args = append(args, "-C", "-", "-o", "part", at("big"))
	case "resume up":
		args = append(args, "-C", "-", "-T", "local", at("rpart"))
	case "rename":
		args = append(args, "-Q", "RNFR old", "-Q", "RNTO new", "-l", at(""))
	case "delete":
		args = append(args, "-Q", "DELE del", "-l", at(""))
	case "names":
		args = append(args, "-o", "odd", at(oddName))
	case "empty":
		args = append(args, "-o", "empty-out", at("empty"), "--next", "-sSgk", "-T", "empty-local", at("empty-up"))
		if r.version != "" {
			args = append(args, "--ssl-reqd", "--tlsv"+r.version, "--tls-max", r.version)
		}
	default:
		return nil, ""
	}
	return args, ""
}

func lftpDo(op string, r remote) ([]string, string) {
	script := map[string]string{
		"download": "get big -o out", "upload": "put local -o up", "resume down": "get -c big -o part",
		"resume up": "put -c local -o rpart", "mirror": "mirror / tree", "rename": "mv old new", "delete": "rm del",
		"names": "get '" + oddName + "' -o odd", "empty": "get empty -o empty-out; put empty-local -o empty-up",
	}[op]
	tls := "set ftp:ssl-allow no; "
	if r.version != "" {
		tls = "set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; " +
			"set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS" + r.version + "; "
	}
	return []string{"lftp", "--norc", "-c", "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 10; " + tls +
		fmt.Sprintf("open -u user,secret -p %s ftp://%s; ", r.port, bracketed(r.host)) + script}, ""
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

const pythonMatrix = `
import ftplib, os, ssl, sys
host, port, version, op, odd = sys.argv[1:]
if version:
    ctx = ssl._create_unverified_context()
    ctx.minimum_version = ctx.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    f = ftplib.FTP_TLS(context=ctx, timeout=15)
else:
    f = ftplib.FTP(timeout=15)
f.connect(host, int(port)); f.login("user", "secret")
if version: f.prot_p()
def get(name, to, mode="wb", rest=None):
    with open(to, mode) as out: f.retrbinary("RETR " + name, out.write, rest=rest)
def put(frm, name, rest=None):
    with open(frm, "rb") as src:
        src.seek(rest or 0); f.storbinary("STOR " + name, src, rest=rest)
if op == "download": get("big", "out")
elif op == "upload": put("local", "up")
elif op == "resume down": get("big", "part", "ab", os.path.getsize("part"))
elif op == "resume up": f.voidcmd("TYPE I"); put("local", "rpart", f.size("rpart"))
elif op == "rename": f.rename("old", "new")
elif op == "delete": f.delete("del")
elif op == "names": get(odd, "odd")
elif op == "empty": get("empty", "empty-out"); put("empty-local", "empty-up")
f.quit()
`

func pythonDo(op string, r remote) ([]string, string) {
	if op == "mirror" {
		return nil, ""
	}
	return []string{"python3", "-c", pythonMatrix, r.host, r.port, r.version, op, oddName}, ""
}

func wgetDo(op string, r remote) ([]string, string) {
	args, scheme := []string{"wget", "-q", "--tries=1", "--timeout=10", "--restrict-file-names=nocontrol"}, "ftp"
	if r.version != "" {
		scheme = "ftps"
		args = append(args, "--no-check-certificate", "--secure-protocol=TLSv1_"+r.version[2:])
	}
	switch op {
	case "download":
		return append(args, "-O", "out", r.url(scheme, "big")), ""
	case "resume down":
		return append(args, "-c", "-O", "part", r.url(scheme, "big")), ""
	case "names":
		return append(args, "-O", "odd", r.url(scheme, oddName)), ""
	case "mirror":
		return append(args, "-r", "-l", "9", "-nH", "-P", "tree", r.url(scheme, "")), ""
	}
	return nil, ""
}

func tnftpDo(op string, r remote) ([]string, string) {
	script := map[string]string{
		"download": "get big out", "upload": "put local up", "resume down": "reget big part",
		"resume up": "restart 12345\nput local rpart", "rename": "rename old new", "delete": "delete del",
		"names": "get \"" + oddName + "\" odd", "empty": "get empty empty-out\nput empty-local empty-up",
	}[op]
	if script == "" {
		return nil, ""
	}
	return []string{"tnftp", "-inpV", r.host, r.port}, "user user secret\nbinary\n" + script + "\nquit\n"
}

func ncftpDo(op string, r remote) ([]string, string) {
	login := []string{"-u", "user", "-p", "secret", "-P", r.port}
	call := func(tool string, args ...string) ([]string, string) {
		return append(append([]string{tool}, login...), args...), ""
	}
	switch op {
	case "download":
		return call("ncftpget", "-C", r.host, "big", "out")
	case "resume down":
		return call("ncftpget", "-C", "-z", r.host, "big", "part")
	case "upload":
		return call("ncftpput", "-C", r.host, "local", "up")
	// No "resume up": after REST it sends the file from its beginning.
	case "mirror":
		return call("ncftpget", "-R", r.host, "tree", "/.")
	case "names":
		return call("ncftpget", "-C", r.host, oddName, "odd")
	case "rename", "delete":
		script := map[string]string{"rename": "rename old new\n", "delete": "rm del\n"}[op]
		args, _ := call("ncftp", r.host)
		return args, script
	}
	return nil, ""
}

// TestConformance lets clients that nobody here wrote do what they can, and
// holds the matrix in README.md to the outcome.
func TestConformance(t *testing.T) {
	for _, p := range programs {
		needs.Tool(t, p.tool)
	}
	var matrix strings.Builder
	matrix.WriteString("| client | " + strings.Join(operations, " | ") + " |\n| --- |" + strings.Repeat(" --- |", len(operations)) + "\n")
	for _, p := range programs {
		row := []string{p.name}
		for _, op := range operations {
			var cell []string
			for _, tr := range transports {
				if slices.Contains(p.cannot, tr.name) {
					continue
				}
				if args, _ := p.do(op, remote{transport: tr}); args == nil {
					continue
				}
				ok := t.Run(p.tool+"/"+op+"/"+tr.name, func(t *testing.T) { conform(t, p, op, tr) })
				if ok {
					cell = append(cell, strings.TrimPrefix(tr.name, "TLS "))
				}
			}
			row = append(row, strings.Join(cell, " "))
		}
		matrix.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	checkReadme(t, matrix.String())
}

// conform does one operation and compares the files.
func conform(t *testing.T, p program, op string, tr transport) {
	ts := start(t, func(c *Config) {
		if tr.version != "" {
			c.TLS = &TLS{Required: true, ReusePreferred: slices.Contains(p.foreign, tr.name)}
		}
	})
	content := strings.Repeat("0123456789abcdef\n", 60_000)
	for name, text := range map[string]string{
		"big": content, "rpart": content[:12345], "old": "old", "del": "x", oddName: "odd", "empty": "", "sub/dir/f": "f",
	} {
		ts.file(t, name, text)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"local": content, "part": content[:1000], "empty-local": ""} {
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
	args, stdin := p.do(op, r)
	output := runProgram(t, dir, args, stdin)
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

// A sparse file of 5 GiB goes beyond what 32 bits count: across that border, by
// its size, and by an upload that goes on behind it.
func TestHugeFile(t *testing.T) {
	const size = 5 << 30
	ts := start(t, nil)
	full := filepath.Join(ts.root, "huge")
	if err := os.WriteFile(full, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(full, size); err != nil {
		t.Fatal(err)
	}
	const border = 4<<30 - 1000
	got := runTool(t, t.TempDir(), "curl", "-sS", "-r", fmt.Sprintf("%d-", border), "-o", "/dev/null", "-w", "%{size_download}",
		"ftp://user:secret@"+ts.addr()+"/huge")
	if got != fmt.Sprint(size-border) {
		t.Errorf("curl got %s bytes, want %d", got, size-border)
	}
	c := ts.login(t)
	if got := c.do(213, "SIZE huge"); got != fmt.Sprint(size) {
		t.Errorf("SIZE %s", got)
	}
	c.do(350, "REST %d", size-3)
	if got := c.get("RETR huge"); got != "\x00\x00\x00" {
		t.Errorf("the last three bytes: %q", got)
	}
	c.do(350, "REST %d", size)
	c.put("the end", "STOR huge")
	c.do(350, "REST %d", size-1)
	if got := c.get("RETR huge"); got != "\x00the end" {
		t.Errorf("after the upload: %q", got)
	}
	if got := c.get("LIST huge"); !strings.Contains(got, fmt.Sprint(" ", size+7, " ")) {
		t.Errorf("LIST: %q", got)
	}
}
