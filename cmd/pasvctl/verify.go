//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/verify"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type verifier struct {
	onHost
	junit string
	all   bool
}

func newVerify(s streams) *cobra.Command {
	v := &verifier{onHost: onHost{streams: s}}
	c := &cobra.Command{
		Use:   "verify FILE|FOLDER",
		Short: "prove the rendered rules with packets, in throwaway networks",
		Long: `verify loads the rendered rules of each host into its own network namespace, sends real
packets from clients inside and outside "clients", over IPv4 and IPv6, and compares the
results with the firewall policy of the plan. It tries control ports and data ports with
and without a control connection, the ports next to each range, other sites' ranges, the
cap on control connections, packets of a sender who sees no answer, transfers that outlive
the gate, and gateways; then the spec's own expect blocks.

It neither uses nor changes this machine's rules. Without root it runs in a user
namespace.

It ends with exit code 1 if an expectation is not met, and if nothing of a host can be
tried, as on the loopback device; --host leaves other hosts out.`,
		Example: "  pasvctl verify edge.pasv.hcl\n  pasvctl verify edge.pasv.hcl --backend iptables --junit verify.xml",
		Args:    exactly("FILE"),
		RunE:    func(c *cobra.Command, args []string) error { return v.run(c.Context(), args[0]) },
	}
	v.register(c)
	c.Flags().StringVar(&v.host, "host", "", "prove only the host `NAME` and the gateways in front of it")
	_ = c.RegisterFlagCompletionFunc("host", v.completeHost)
	v.backendFlag(c, "prove the rules of")
	c.Flags().BoolVar(&v.all, "all", false, "show every expectation, not only those that were not met")
	c.Flags().BoolVar(&v.asJSON, "json", false, "write every expectation as JSON")
	c.Flags().StringVar(&v.junit, "junit", "", "also write a JUnit report to `FILE`")
	return c
}

func (v *verifier) run(ctx context.Context, path string) error {
	target, err := v.target()
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return v.inUserNamespace(ctx)
	}
	p, err := v.valid(v.streams, path)
	if err != nil {
		return err
	}
	if v.host != "" && !slices.ContainsFunc(p.Plan.Hosts, func(h *plan.Host) bool { return h.Name == v.host }) {
		return failure(fmt.Errorf("the spec has no host %q with a site", v.host), "pasvctl plan shows its hosts")
	}
	files, err := p.files(v.streams, path, target)
	if err != nil {
		return err
	}
	bar := newProgress(v.err)
	defer bar.clear()
	r, err := verify.Run(ctx, p.Plan, files, verify.Options{Backend: v.backend, Host: v.host, Expects: p.Spec.Expects}, func(done, all int) {
		bar.show(float64(done)/float64(all), sizing.Plural(all, "trial"))
	})
	bar.clear()
	if err != nil {
		return failure(err, v.remedy(err))
	}
	if err := v.write(r); err != nil {
		return err
	}
	return v.verdict(r)
}

func (v *verifier) write(r *verify.Report) error {
	if v.junit != "" {
		var text bytes.Buffer
		if err := r.JUnit(&text); err != nil {
			return err
		}
		if err := atomicfile.Write(filepath.Dir(v.junit), filepath.Base(v.junit), text.Bytes(), 0o644); err != nil {
			return failure(err, "")
		}
	}
	if v.asJSON {
		return envelope.Write(v.out, "verify", r)
	}
	shown := r.Unmet()
	if v.all {
		shown = r.Expectations
	}
	if len(shown) == 0 {
		return nil
	}
	rows := [][]string{{"HOST", "SETTING", "SITE", "EXPECTATION", "FROM", "TO", "WANT", "GOT"}}
	for _, e := range shown {
		rows = append(rows, []string{e.Host, e.Setting, cmp.Or(e.Site, "-"), e.What, e.From, e.To, e.Want, e.Got})
	}
	return table(v.out, rows)
}

// verdict sums up on stderr.
func (v *verifier) verdict(r *verify.Report) error {
	for _, u := range r.Untried {
		fmt.Fprintf(v.err, "not tried on %s: site %q: %s: %s\n", u.Host, u.Site, u.What, u.Why)
	}
	unmet := len(r.Unmet())
	if unmet > 0 {
		fmt.Fprintf(v.err, "%s of %s: %s met, %s not\n", sizing.Plural(len(r.Expectations), "expectation"), r.Backend, sizing.Count(len(r.Expectations)-unmet), sizing.Count(unmet))
		return silent(exitFailed)
	}
	if hosts := r.Unproven(); len(hosts) > 0 {
		return failure(fmt.Errorf("nothing is proven of host %s", strings.Join(hosts, ", ")),
			"give the host the interface and the addresses that clients reach, or leave it out: --host NAME")
	}
	fmt.Fprintf(v.err, "%s of %s, all met\n", sizing.Plural(len(r.Expectations), "expectation"), r.Backend)
	return nil
}

func (v *verifier) remedy(err error) string {
	if errors.Is(err, exec.ErrNotFound) {
		return "install the program: the packages are called iproute2, nftables, iptables and ipset"
	}
	if errors.Is(err, os.ErrPermission) {
		return "verify needs network namespaces, which this system does not allow: run it as root, on a machine or in a container that may create them"
	}
	if strings.Contains(err.Error(), "Message too long") {
		return "iptables cannot load so many rules in one step without root: run verify as root, or prove one host at a time with --host"
	}
	return ""
}

// inside is set for a process that runs in a user namespace made for it.
const inside = "PASVCTL_USER_NAMESPACE"

// inUserNamespace runs the same command line in a new user namespace, where
// this user is root over network namespaces and over nothing else.
func (v *verifier) inUserNamespace(ctx context.Context) error {
	const hint = "run it as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian), " +
		"kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces=10000"
	if os.Getenv(inside) != "" {
		return failure(errors.New("root of a user namespace may not create a network namespace"), hint)
	}
	lock, err := os.CreateTemp("", "pasvctl-xtables-lock-")
	if err != nil {
		return failure(err, "")
	}
	defer os.Remove(lock.Name())
	defer lock.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = v.in, v.out, unfolded(v.err)
	// Users' paths often lack the folders of nft and iptables.
	cmd.Env = append(os.Environ(), inside+"=1", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "XTABLES_LOCKFILE="+lock.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err = cmd.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.ExitCode() > 0 {
		return silent(ended.ExitCode()) // it has said why
	}
	if err != nil {
		return failure(fmt.Errorf("making a user namespace: %w", err), hint)
	}
	return nil
}
