package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inside, in the environment, marks the run within the namespaces.
const inside = "PASVCTL_BENCH_INSIDE"

// options are the flags.
type options struct {
	servers string
	rounds  int
	size    int64
	period  time.Duration
	held    int
	hold    time.Duration
	only    string
}

func main() {
	var o options
	flag.StringVar(&o.servers, "servers", "../../../.ci/cache/servers", "where .ci/servers has unpacked the servers")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.Int64Var(&o.size, "size", 1<<30, "bytes of the large file")
	flag.DurationVar(&o.period, "period", 3*time.Second, "how long files are transferred in a round")
	flag.IntVar(&o.held, "sessions", 10_000, "sessions held and served over one port")
	flag.DurationVar(&o.hold, "hold", time.Minute, "how long the sessions are served over one port")
	flag.StringVar(&o.only, "only", "", "only the measurements whose names contain this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	switch flag.Arg(0) {
	case "embedded":
		return serveEmbedded(ctx, flag.Args()[1:])
	case "ftpserverlib":
		return serveLibrary(ctx, flag.Args()[1:])
	case "link":
		return serveLink()
	case "":
	default:
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	root := os.Getenv(inside)
	if root == "" {
		return intoNamespaces(ctx, o)
	}
	if err := raiseLimit(o.held); err != nil {
		return err
	}
	if err := layOver(root); err != nil {
		return err
	}
	return measureAll(ctx, o)
}

// intoNamespaces runs this program once more in network, mount and process
// namespaces of its own: nothing of it reaches the host, except keepMemory.
func intoNamespaces(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root, for namespaces and control groups")
	}
	root, err := filepath.Abs(o.servers)
	if err != nil {
		return err
	}
	for _, name := range peers {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			return fmt.Errorf("%w: run .ci/servers first", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"--propagation", "private", self}, os.Args[1:]...)
	restore, err := keepMemory()
	if err != nil {
		return err
	}
	defer restore()
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), inside+"="+root)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// layOver makes this mount namespace look like a machine with the peers
// installed and one user, shop, in it.
func layOver(root string) error {
	const scratch = "/mnt"
	steps := [][]string{{"mount", "-t", "tmpfs", "tmpfs", scratch}}
	for _, dir := range []string{"/etc", "/usr"} {
		var lower []string
		for _, name := range peers {
			lower = append(lower, filepath.Join(root, name)+dir)
		}
		upper, work := scratch+dir+".upper", scratch+dir+".work"
		steps = append(steps, []string{"mkdir", upper, work}, []string{"mount", "-t", "overlay", "overlay", "-o",
			"lowerdir=" + strings.Join(append(lower, dir), ":") + ",upperdir=" + upper + ",workdir=" + work, dir})
	}
	for _, dir := range []string{"/run", "/var/log", "/home"} {
		steps = append(steps, []string{"mount", "-t", "tmpfs", "-o", "size=8g", "tmpfs", dir})
	}
	steps = append(steps,
		[]string{"mkdir", "-p", "/run/vsftpd/empty", "/run/pure-ftpd", "/run/proftpd", filepath.Join(home, "small")},
		[]string{"ip", "link", "set", "lo", "up"})
	if err := commands(steps); err != nil {
		return err
	}
	// Some machines' default is BBR, which paces even the loopback device.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0); err != nil {
		return err
	}
	for name, line := range map[string]string{
		"/etc/passwd": "shop:x:2000:2000::" + home + ":/bin/sh\nproftpd:x:2001:65534::/run:/bin/false\n",
		"/etc/group":  "shop:x:2000:\n",
		"/etc/shadow": "shop:" + shadowHash + ":19000:0:99999:7:::\n",
	} {
		old, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, append(old, line...), 0o640)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func commands(steps [][]string) error {
	for _, step := range steps {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step, " "), err, out)
		}
	}
	return nil
}

// raiseLimit makes room for a control and a data connection of each session, in
// this process as in the servers, which inherit it.
func raiseLimit(sessions int) error {
	const others = 500
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	want := uint64(2*sessions + others)
	limit.Max = max(limit.Max, want)
	limit.Cur = limit.Max
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if err == nil {
		return nil
	}
	// Without the right to raise it: what there is may do, since few sessions
	// have a data connection at the same time.
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < uint64(sessions)*3/2+others {
		return fmt.Errorf("%d sessions need about %d open files, and the limit is %d: %w", sessions, want, limit.Max, err)
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
