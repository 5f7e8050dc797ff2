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

	"github.com/pasvctl/pasvctl/cmd/needs"
)

// servesFor, in the environment, makes this program a server until its standard
// input ends.
const servesFor = "PASVCTL_TEST_SERVES"

// In clear text the bytes of a file never pass through the daemon: strace sees
// all of them in sendfile and splice, and next to none in read and write.
func TestZeroCopy(t *testing.T) {
	if os.Getenv(servesFor) != "" {
		ts := start(t, func(c *Config) { c.Users = oneUser{User{Name: "user", Root: os.Getenv(servesFor)}} })
		fmt.Println(ts.addr())
		io.Copy(io.Discard, os.Stdin)
		return
	}
	const size = 64 << 20
	strace := needs.Tool(t, "strace")
	root, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(root, "down"), filepath.Join(dir, "local")} {
		if err := os.WriteFile(name, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-o", trace, "-e", "trace=read,write,sendfile,splice,recvfrom,sendto,pread64,pwrite64",
		os.Args[0], "-test.run=^TestZeroCopy$")
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
		url := "ftp://user:secret@" + strings.TrimSpace(addr)
		runTool(t, dir, "curl", "-sS", "--max-time", "15", "-o", "got", url+"/down")
		runTool(t, dir, "curl", "-sS", "--max-time", "15", "-T", "local", url+"/up")
	}
	stdin.Close()
	said, _ := io.ReadAll(out)
	if waited := cmd.Wait(); err != nil || waited != nil {
		t.Fatalf("%v, %v: %s%s", err, waited, addr, said)
	}
	for _, name := range []string{filepath.Join(root, "up"), filepath.Join(dir, "got")} {
		if info, err := os.Stat(name); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	bytes, calls := traced(t, trace)
	if bytes["sendfile"] != size {
		t.Errorf("sendfile carried %d bytes of %d", bytes["sendfile"], size)
	}
	// A splice into a pipe and one out of it.
	if want := int64(2 * (size - smallFile)); bytes["splice"] != want {
		t.Errorf("splice carried %d bytes, want %d", bytes["splice"], want)
	}
	for _, name := range []string{"read", "write", "recvfrom", "sendto", "pread64", "pwrite64"} {
		if bytes[name] > 1<<20 || calls[name] > 1000 {
			t.Errorf("%s: %d bytes in %d calls", name, bytes[name], calls[name])
		}
	}
}

// traced sums what each system call returned, and counts the calls.
func traced(t *testing.T, path string) (bytes, calls map[string]int64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// "PID name(...) = N", or "PID <... name resumed>...) = N".
	line := regexp.MustCompile(`(?m)^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>).*\) += (\d+)$`)
	bytes, calls = map[string]int64{}, map[string]int64{}
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		bytes[m[1]] += n
		calls[m[1]]++
	}
	return bytes, calls
}
