//go:build linux

package main

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// TestExamples runs every example of --help and every indented command of the
// README, in a network and with files of their own.
func TestExamples(t *testing.T) {
	for _, tool := range []string{"unshare", "ip", "nft", "iptables", "ipset", "mount", "git"} {
		needs.Tool(t, tool)
	}
	needs.Root(t)
	t.Parallel()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test program is pasvctl if it is called so: see TestMain.
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "bin", "pasvctl")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(repository, "examples"))); err != nil {
		t.Fatal(err)
	}
	script := exampleStage
	n := 0
	lines := exampleLines(t)
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(exampleTurn(a), exampleTurn(b)) })
	for _, line := range lines {
		if line == "pasvctl apply --remove" {
			continue // the last one
		}
		n++
		script += "example " + shellQuoted(line) + "\n"
	}
	if n < 35 {
		t.Errorf("only %d examples", n)
	}
	script += "example 'pasvctl apply --remove'\n"
	if err := os.WriteFile(filepath.Join(dir, "run.sh"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "bash", "run.sh")
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), "FAILED: ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func shellQuoted(line string) string { return "'" + strings.ReplaceAll(line, "'", `'\''`) + "'" }

// exampleTurn is when a line runs: first the server that others try, then the
// measurements of it, which take half a minute side by side, and last what
// changes the kernel's rules.
func exampleTurn(line string) int {
	switch word, _, _ := strings.Cut(strings.TrimPrefix(line, "pasvctl "), " "); word {
	case "serve":
		return 0
	case "load":
		return 1
	case "apply", "confirm", "diff", "doctor", "rollback":
		return 3
	}
	return 2
}

// continuation is where a line goes on in the next.
var continuation = regexp.MustCompile(`\s*\\\n\s*`)

// exampleLines are the lines of all examples, each once.
func exampleLines(t *testing.T) (lines []string) {
	readme, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^    (pasvctl .*)$`).FindAllStringSubmatch(continuation.ReplaceAllString(string(readme), " "), -1) {
		lines = append(lines, m[1])
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for line := range strings.Lines(continuation.ReplaceAllString(c.Example, " ")) {
			if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(streams{}))
	return lines
}

// exampleStage is where the examples run: the host of the README's spec, with
// a server, a users file and the folders that they name.
const exampleStage = `
set -u
export HOME="$PWD/home" PASVCTL_STATE_DIR="$PWD/state" PASVCTL_PASSWORD=secret
ip link set lo up
ip addr add 203.0.113.10/32 dev lo
ip addr add 2001:db8::10/128 dev lo
mkdir -p home/.config/fish/completions zsh specs debian/tmp/usr/share/man/man1
fpath=(- "$PWD/zsh")
cat >edge.pasv.hcl <<'END'
pasvctl {
  name = "edge"
}

host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

site "downloads" {
  host   = "edge1"
  server = "embedded"
  port   = 21

  concurrency {
    sessions             = 800 # a quarter may be logging in: hashing is slow
    sessions_per_address = 200
  }
}

target "nftables" {}
target "iptables" {}
target "sysctl" {}
END
cp edge.pasv.hcl specs
git init -q && git add edge.pasv.hcl && git -c user.name=a -c user.email=a@example.com commit -q -m edge
mount -t tmpfs none /srv
mkdir -p /srv/ftp/alice /srv/scans
loads= n=0
echo hello >/srv/ftp/hello.txt
for n in $(seq 0 99); do echo hello >/srv/ftp/file$n; done
cp -a /etc etc
mkdir -p etc/proftpd
printf 'listen=YES\npasv_min_port=21100\npasv_max_port=21110\n' >etc/vsftpd.conf
printf 'Port 21\nPassivePorts 49152 65534\nMaxInstances 30\n' >etc/proftpd/proftpd.conf
mount --bind etc /etc
(cat /etc/hosts; echo 203.0.113.10 ftp.example.net) >hosts
mount --bind hosts /etc/hosts
printf 'secret\nsecret\n' | pasvctl user add mirrors mirror /srv/ftp >/dev/null || echo "FAILED: user add"
pasvctl generate edge.pasv.hcl -o edge-out >/dev/null 2>&1
pasvctl serve edge.pasv.hcl --site downloads --users mirrors --metrics 127.0.0.1:9121 >served 2>&1 &

answers() { for _ in $(seq 200); do (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null && return; sleep 0.1; done; echo "FAILED: nothing listens on $1:$2"; cat served; }
answers 203.0.113.10 21

# example runs a line. Checks may find something (2).
example() {
	case "$1" in
	"pasvctl serve "*)
		bash -c "$1" </dev/null >serve.out 2>&1 &
		answers 127.0.0.1 2121
		return ;;
	"pasvctl load "*)
		n=$((n + 1))
		(bash -c "$1" </dev/null >load.$n 2>&1 || { echo "FAILED: $1"; cat load.$n; }) &
		loads="$loads $!"
		return ;;
	"pasvctl apply "*|"pasvctl confirm"|"pasvctl diff "*|"pasvctl doctor "*|"pasvctl rollback") [ -z "$loads" ] || wait $loads; loads= ;;
	esac
	case "$1" in
	*" --watch "*)
		timeout --signal INT 3 bash -c "$1" </dev/null >said 2>&1
		[ $? = 124 ] || { echo "FAILED: $1 does not watch"; cat said; }
		return ;;
	*" --dry-run") pasvctl confirm >/dev/null 2>&1; : >in ;;
	*" user add "*) printf 'secret\nsecret\n' >in; cp in password ;;
	*) : >in ;;
	esac
	(eval "$1") <in >said 2>&1
	code=$?
	case "$code $1" in
	0\ *|"2 pasvctl audit "*|"2 nft "*"| pasvctl audit "*|"2 pasvctl doctor"*|"2 pasvctl diff"*|"2 pasvctl fmt "*|"2 pasvctl generate "*" --check"*) ;;
	*) echo "FAILED: exit code $code: $1"; cat said ;;
	esac
}
`

// The README names the targets that are rendered by default, and no other.
func TestReadmeNamesTheDefaultTargets(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "default targets are rendered:")
	list, _, _ := strings.Cut(rest, ".")
	if !found {
		t.Fatal("the README does not name the default targets")
	}
	for _, kind := range generators.Kinds() {
		name := kind.Name
		if p, server := sizing.Lookup(name); server {
			name = p.Title
		}
		if strings.Contains(list, name) != kind.Default {
			t.Errorf("default %v: %s, and the README says%s", kind.Default, name, list)
		}
	}
}
