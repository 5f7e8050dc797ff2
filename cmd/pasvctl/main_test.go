//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

func TestMain(m *testing.M) {
	// A script may have the program killed at a step of a change to the kernel.
	if at := os.Getenv("PASVCTL_TEST_KILL"); at != "" {
		faultPoint = func(step string) {
			if step == at {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	if limit, err := time.ParseDuration(os.Getenv("PASVCTL_TEST_EVALUATION")); err == nil {
		maxEvaluation = limit
	}
	// Scripts wait more than they compute; who runs one command of theirs is no test.
	_ = flag.Set("test.parallel", strconv.Itoa(max(6, runtime.GOMAXPROCS(0))))
	commands := maps.Clone(containerCommands)
	commands["pasvctl"] = func() {
		if folder := os.Getenv(leaveOutputs); folder != "" && !term.IsTerminal(1) {
			os.Exit(recorded(folder))
		}
		main()
	}
	testscript.Main(m, commands)
}

// leaveOutputs names a folder where what machines read is left, for .ci/readers to
// compare it with its schema.
const leaveOutputs = "PASVCTL_TEST_OUTPUTS"

// recorded is main, and leaves a copy of its output in the folder.
func recorded(folder string) int {
	file, err := os.CreateTemp(folder, "out-*")
	if err != nil { // by a daemon that has dropped its privileges
		main()
	}
	code := run(context.Background(), os.Args[1:], streams{in: os.Stdin, out: io.MultiWriter(os.Stdout, file), err: os.Stderr})
	if i := slices.Index(os.Args, "--junit"); i > 0 && i+1 < len(os.Args) {
		if text, err := os.ReadFile(os.Args[i+1]); err == nil {
			if err := os.WriteFile(file.Name()+".xml", text, 0o644); err != nil {
				panic(err)
			}
		}
	}
	return code
}

// TestScripts runs the real main in scripts: see testdata/script.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// TestGit compares specs with revisions of git repositories.
func TestGit(t *testing.T) {
	needs.Tool(t, "git")
	runScripts(t, "testdata/git")
}

// TestClients runs clients against the real daemon, and plays its service manager.
func TestClients(t *testing.T) {
	needs.Tool(t, "curl")
	needs.Tool(t, "lftp")
	needs.Tool(t, "python3")
	runScripts(t, "testdata/clients")
}

// TestKernel changes and checks the rules of throwaway network namespaces.
func TestKernel(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "ip", "nft", "iptables", "ipset"} {
		needs.Tool(t, tool)
	}
	runScripts(t, "testdata/kernel")
}

// TestFirewalls puts rules beside those of others, with the real programs of
// these in throwaway namespaces.
func TestFirewalls(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "ip", "nft", "iptables", "ipset", "mount", "dbus-daemon", "pgrep"} {
		needs.Tool(t, tool)
	}
	runScripts(t, "testdata/firewalls", "FIREWALLS", needs.Server(t, "firewalls"))
}

// TestAddresses runs the daemon on addresses that are not loopback's, in
// network namespaces of its own.
func TestAddresses(t *testing.T) {
	needs.Tool(t, "curl")
	needs.Tool(t, "ip")
	needs.Tool(t, "python3")
	needs.Tool(t, "unshare")
	needs.Root(t)
	runScripts(t, "testdata/netns")
}

// TestContainers runs the daemon as the rendered Compose file has it, behind
// Docker's rules and behind its proxy, in network namespaces of its own. The daemon
// is the program that PASVCTL_TEST_DAEMON names, as the check of a release does with
// the image's, or the test's own.
func TestContainers(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "ip", "iptables", "ip6tables", "ipset", "mount", "setpriv", "curl", "lftp"} {
		needs.Tool(t, tool)
	}
	runScripts(t, "testdata/containers", "DAEMON", os.Getenv("PASVCTL_TEST_DAEMON"))
}

// runScripts runs the scripts of a folder beside those of others, with a
// variable for their environment if they need one.
func runScripts(t *testing.T, dir string, variable ...string) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("COLUMNS", "10000") // what is said is on one line
			if len(variable) > 0 {
				env.Setenv(variable[0], variable[1])
			}
			env.Setenv(leaveOutputs, os.Getenv(leaveOutputs))
			return givePorts(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"await":     await,
			"json":      validJSON,
			"terminate": terminate,
		},
	})
}

// givenPorts counts the blocks of ports that scripts were given, from a random one on.
var givenPorts atomic.Uint32

func init() { givenPorts.Store(rand.Uint32N(1000)) }

// givePorts finds ports that are free on loopback, and that no other script
// has: $FIRST to $LAST for data and $PORT for control. A spec gets them as variables.
func givePorts(env *testscript.Env) error {
	const count = 12
	for range 200 {
		first := 20000 + count*int(givenPorts.Add(1)%(9000/count))
		if !allFree(first, count) {
			continue
		}
		env.Setenv("FIRST", strconv.Itoa(first))
		env.Setenv("LAST", strconv.Itoa(first+count-3))
		env.Setenv("PORT", strconv.Itoa(first+count-1))
		env.Setenv("ODD", "a\x1b[31mb")
		return nil
	}
	return errors.New("found no free ports on loopback")
}

func allFree(first, count int) bool {
	for port := first; port < first+count; port++ {
		for _, host := range []string{"127.0.0.1", "::1"} {
			l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err != nil {
				return false
			}
			l.Close()
		}
	}
	return true
}

// exits is "exits CODE PROGRAM ARGS": the program ends with that very code, and
// says something if that is not 0.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	code := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	if code != 0 && ts.ReadFile("stdout")+ts.ReadFile("stderr") == "" {
		ts.Fatalf("exit code %d without a message", code)
	}
}

// await is "await ADDR:PORT": within seconds, something listens there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await ADDR:PORT")
	}
	for range 200 {
		c, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("nothing listens on %s", args[0])
}

// terminate sends SIGTERM to every background program.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// validJSON is "json FILE": one JSON value and nothing else.
func validJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: json FILE")
	}
	if text := ts.ReadFile(args[0]); !json.Valid([]byte(text)) {
		ts.Fatalf("%s is not JSON: %s", args[0], text)
	}
}

func TestBugEndsWithAMessage(t *testing.T) {
	var out, diagnostics strings.Builder
	s := streams{in: strings.NewReader(""), out: &out, err: &diagnostics}
	root := newRoot(s)
	root.AddCommand(&cobra.Command{Use: "boom", RunE: func(*cobra.Command, []string) error {
		var none []int
		_ = none[len(none)]
		return nil
	}})
	code := execute(context.Background(), root, []string{"boom"}, s)
	if code != exitFailed || out.Len() != 0 {
		t.Errorf("code %d, stdout %q", code, out.String())
	}
	said := diagnostics.String()
	if !strings.HasPrefix(said, "pasvctl: internal error: ") || !strings.Contains(said, "please report it") || strings.Contains(said, "goroutine") {
		t.Errorf("stderr %q", said)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range newRoot(streams{}).Commands() {
		if c.Name() != "help" && !strings.Contains(c.Example, "pasvctl "+c.Name()) {
			t.Errorf("%s: the example %q does not show the command", c.Name(), c.Example)
		}
	}
}
