//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/doctor"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/internal/presence"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// rehearsal is an apply in a copy of this machine's network.
type rehearsal struct {
	*apply.Machine
	host    *plan.Host
	rules   kernel.Rules
	current *apply.Applied // what is in force, or nil
}

// try asks with packets which connections to the host's sites are dropped
// after the apply. If applied is not empty, ours are among the live
// rules, and jumped to from this base chain.
func (t *rehearsal) try(ctx context.Context, live shadow.Rules, applied string) (shadow.Report, error) {
	load := func(n *packets.Namespace) error {
		b, err := kernel.New(t.rules.Backend, n.Exec)
		if err != nil {
			return err
		}
		change, err := t.Plan(ctx, b, t.rules)
		if err != nil {
			return err
		}
		if err := change.Load(ctx); err != nil || t.current == nil || t.current.Rules.Backend == t.rules.Backend {
			return err
		}
		if b, err = kernel.New(t.current.Rules.Backend, n.Exec); err != nil {
			return err
		}
		return b.Remove(ctx)
	}
	device, devices := devicesOf(t.host)
	return shadow.Trial{Live: live, Load: load, Host: t.host, Device: device, Devices: devices, Applied: applied}.Check()
}

// devicesOf finds the network device of each of the host's addresses, and the
// names of all. An address that this machine does not have is taken for one of
// the device that the spec names, or else of the first that has another.
func devicesOf(host *plan.Host) (device func(netip.Addr) string, names []string) {
	known, first := map[netip.Addr]string{}, ""
	devices, _ := presence.Devices() // without a list the default will do
	for _, d := range devices {
		names = append(names, d.Name)
		for _, a := range d.Addresses {
			if !d.Loopback && slices.Contains(host.Addresses, a) {
				known[a], first = d.Name, cmp.Or(first, d.Name)
			}
		}
	}
	return func(a netip.Addr) string { return cmp.Or(host.Interface, known[a], first, "eth0") }, names
}

// plainPath needs no quotes in a shell.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]+$`)

// named is the spec with the flags that a command needs to mean the same host
// and backend.
func (h *onHost) named(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	if !plainPath.MatchString(path) {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	if h.host != "" {
		path += " --host " + h.host
	}
	if h.backend != kernel.NFT {
		path += " --backend " + h.backend
	}
	return path
}

// path tells this spec from others: its file, or its folder if it has several.
func (p *project) path() string {
	at := p.source.Dir
	if len(p.source.Names) == 1 {
		at = filepath.Join(at, p.source.Names[0])
	}
	whole, err := filepath.Abs(at)
	if err == nil {
		at = whole
	}
	if real, err := filepath.EvalSymlinks(at); err == nil {
		at = real
	}
	return at
}

// owned refuses to touch rules of another spec or host.
func owned(next apply.Applied, hint string) error {
	err := thisMachine().Owned(next)
	if _, ok := errors.AsType[*apply.OwnerError](err); ok {
		return failure(err, hint)
	}
	if err != nil {
		return explained(err)
	}
	return nil
}

// removed takes our rules out of the kernel: all of them, or, with a FILE,
// only that spec's.
func (a *applier) removed(ctx context.Context, args []string) error {
	if len(args) > 0 {
		p, host, err := a.here(args[0])
		if err != nil {
			return err
		}
		next, err := a.rules(p, host)
		if err != nil {
			return err
		}
		if err := owned(next, "pasvctl apply --remove without FILE removes the loaded rules"); err != nil {
			return err
		}
	}
	was, unreadable := thisMachine().InForce() // a damaged state must not keep rules in
	if err := thisMachine().Remove(ctx); err != nil {
		return explained(err)
	}
	whose := "pasvctl's rules"
	if unreadable == nil && was != nil {
		whose = "the rules of " + was.Owner()
	}
	if a.asJSON {
		return envelope.Write(a.out, "apply remove", removedJSON{standingOf(nil, false), appliedRules(was)})
	}
	fmt.Fprintf(a.err, "removed %s; there is nothing left to roll back to\n", whose)
	return nil
}

type removedJSON struct {
	standing
	Removed *rulesJSON `json:"removed,omitempty"` // by the state; the kernel may have had others
}

// beside refuses rules that others on this machine would wipe or drop. With
// --ignore-drops it says what they drop, and that the rules are loaded only.
func (a *applier) beside(ctx context.Context, spec string, r *rehearsal) error {
	live, err := shadow.Live(ctx, execHere)
	if err != nil {
		return a.untried(err)
	}
	beside := doctor.Beside{Live: live, Host: r.host, Backend: r.rules.Backend, Spec: a.named(spec)}
	if bad := beside.Misplaced(); len(bad) > 0 {
		return failure(errors.New(diagnostics.Line(bad[0])), bad[0].Remedy)
	}
	report, err := r.try(ctx, live, "")
	if err != nil {
		return a.untried(err)
	}
	if len(report.Untried) > 0 {
		few := report.Untried[:min(len(report.Untried), 5)]
		fmt.Fprintf(a.err, "warning: the time ran out before everything was tried: %s are missing, such as %s\n", sizing.Plural(len(report.Untried), "part"), strings.Join(few, ", "))
	}
	found := slices.DeleteFunc(beside.Drops(report), func(f finding.Finding) bool { return f.Severity == finding.Note })
	switch {
	case len(found) == 0:
		return nil
	case a.dropped:
		for _, f := range found {
			fmt.Fprintf(a.err, "warning %s\nhint: %s\n", diagnostics.Line(f), f.Remedy)
		}
		a.hindered = true
		return nil
	}
	more := ""
	if len(found) > 1 {
		more = fmt.Sprintf(", and %s", sizing.Plural(len(found)-1, "more cause"))
	}
	return failure(fmt.Errorf("connections would be dropped: %s%s", diagnostics.Line(found[0]), more),
		found[0].Remedy+"\nhint: pasvctl doctor shows everything; --ignore-drops loads the rules anyway")
}

// untried is for a trial that failed.
func (a *applier) untried(err error) error {
	// Chains of iptables that are in use cannot go. Of nftables, the commands
	// that say so name handles of the copy.
	if busy, ok := errors.AsType[*kernel.BusyError](err); ok && a.backend == kernel.NFT {
		return explained(busy)
	}
	if a.dropped {
		fmt.Fprintf(a.err, "warning: cannot try whether other rules drop the sites' connections: %v\n", err)
		return nil
	}
	hint := "--ignore-drops applies without the trial"
	if program, ok := errors.AsType[*exec.Error](err); ok {
		err = fmt.Errorf("this machine has no program %s", program.Name)
		hint = "install the package nftables for the trial; " + hint
	}
	return failure(fmt.Errorf("cannot try whether other rules drop the sites' connections: %w", err), hint)
}
