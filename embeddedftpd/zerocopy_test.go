package embeddedftpd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// servesFor, in the environment, makes this program a server until its standard
// input ends.
const servesFor = "PASVCTL_TEST_SERVES"

// underStrace is a server for root in a process of its own, whose system calls
// are counted while do uses it.
func underStrace(t *testing.T, root, calls string, do func(addr string)) (bytes, count map[string]int64) {
	t.Helper()
	strace := needs.Tool(t, "strace")
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-o", trace, "-e", "trace="+calls, os.Args[0], "-test.run=^TestServes$")
	cmd.Env = append(os.Environ(), servesFor+"="+root)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	addr, err := out.ReadString('\n')
	if err == nil {
		do(strings.TrimSpace(addr))
	}
	stdin.Close()
	said, _ := io.ReadAll(out)
	if waited := cmd.Wait(); err != nil || waited != nil {
		t.Fatalf("%v, %v: %s%s", err, waited, addr, said)
	}
	return traced(t, trace)
}

// TestServes is the server of underStrace.
func TestServes(t *testing.T) {
	root := os.Getenv(servesFor)
	if root == "" {
		return
	}
	ts := start(t, func(c *Config) { c.Users = oneUser{User{Name: "user", Root: root}} })
	fmt.Println(ts.addr())
	io.Copy(io.Discard, os.Stdin)
}

// In clear text the bytes of a file never pass through the daemon: strace sees
// all of them in sendfile and splice, and next to none in read and write.
func TestZeroCopy(t *testing.T) {
	const size = 64 << 20
	root, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(root, "down"), filepath.Join(dir, "local")} {
		if err := os.WriteFile(name, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	through := []string{"read", "write", "recvfrom", "sendto", "pread64", "pwrite64"}
	bytes, calls := underStrace(t, root, "sendfile,splice,"+strings.Join(through, ","), func(addr string) {
		url := "ftp://user:secret@" + addr
		runTool(t, dir, "curl", "-sS", "--max-time", "15", "-o", "got", url+"/down")
		runTool(t, dir, "curl", "-sS", "--max-time", "15", "-T", "local", url+"/up")
	})
	for _, name := range []string{filepath.Join(root, "up"), filepath.Join(dir, "got")} {
		if info, err := os.Stat(name); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	// A splice into a pipe and one out of it; what a client did not take in time
	// goes into a pipe again.
	if carried, want := bytes["sendfile"]+bytes["splice"]/2, int64(2*size-smallFile); carried < want || carried > want+size/4 {
		t.Errorf("sendfile and splice carried %d bytes, want %d", carried, want)
	}
	if bytes["splice"]/2 <= size {
		t.Errorf("splice carried %d bytes: the upload alone", bytes["splice"]/2)
	}
	for _, name := range through {
		if bytes[name] > 1<<20 || calls[name] > 1000 {
			t.Errorf("%s: %d bytes in %d calls", name, bytes[name], calls[name])
		}
	}
}

// A small file is opened by one system call, however deep it lies, the network
// poller hears neither of it nor of its connection, and nobody accepts in vain.
func TestSmallFilesTakeFewCalls(t *testing.T) {
	const files, others = 200, 100
	root := t.TempDir()
	name := filepath.Join("a", "folder", "deep", "inside")
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	_, calls := underStrace(t, root, "openat,openat2,epoll_ctl,accept4", func(addr string) {
		c := dial(t, addr)
		c.expect(220)
		c.login()
		for range files / 2 {
			data := c.passive()
			io.WriteString(data, "content")
			data.Close()
			c.do(150, "STOR %s", name)
			c.expect(226)
			if got := c.get("RETR " + name); got != "content" {
				t.Errorf("%q", got)
			}
		}
		c.do(221, "QUIT")
	})
	if calls["openat2"] != files || calls["openat"] > others {
		t.Errorf("%d openat2 and %d openat for %d files", calls["openat2"], calls["openat"], files)
	}
	// It refuses regular files.
	if n := calls["epoll_ctl EPERM"]; n > others {
		t.Errorf("the poller was asked about %d files", n)
	}
	if n := calls["epoll_ctl"]; n > others { // it hears of ports
		t.Errorf("the poller was told %d times of %d transfers", n, files)
	}
	if n := calls["accept4 EAGAIN"]; n > others {
		t.Errorf("%d times there was nothing to accept", n)
	}
}

// traced sums what each system call returned, and counts the calls: those that
// failed by the error, "accept4 EAGAIN".
func traced(t *testing.T, path string) (bytes, calls map[string]int64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// "PID name(...) = N", or "PID <... name resumed>...) = N"; for N also "-1 ERROR".
	line := regexp.MustCompile(`(?m)^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>).*\) += (?:(\d+)$|-1( \w+))`)
	bytes, calls = map[string]int64{}, map[string]int64{}
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		calls[m[1]+m[3]]++
		if m[2] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		bytes[m[1]] += n
	}
	return bytes, calls
}
