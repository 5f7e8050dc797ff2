//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type applier struct {
	onHost
	confirm, drain         time.Duration
	dryRun, adopt, dropped bool
	remove, restore        bool
	replace                bool // another spec's rules
	hindered               bool // other rules keep connections from the sites
	ifMissing              bool
}

func newApply(s streams) *cobra.Command {
	a := &applier{onHost: onHost{streams: s}}
	c := &cobra.Command{
		Use:   "apply FILE|FOLDER",
		Short: "put a host's firewall rules into this machine's kernel",
		Long: `apply loads the rules of a host into this machine's kernel, in one step, and reserves
its data ports with the kernel. Established connections continue, the clients that the gate has learnt
stay, and no other rules are changed, except for one jump tagged with the comment
"pasvctl" if the rules need it.

With --confirm 30s the change is taken back unless "pasvctl confirm" comes in time, even
when this process, the shell or the connection to it dies. The rules that were under
pasvctl's names before then come back, whoever had loaded them.

With --drain 1h a data range that has moved or changed stays open beside the new one,
by the same rules, until its sessions have ended or the time is over.

It refuses and changes nothing if this machine runs the rules of another
spec or host (--replace replaces them), if somebody else has put lines under pasvctl's names
that would be lost (--adopt replaces them), if another chain would drop the sites'
connections (--ignore-drops loads the rules anyway), if the rules would go into a
chain that firewalld or iptables owns, if the SSH connection it is run
from uses a port of a site, and if the rules would match nothing: they name an interface
that this machine does not have, or only addresses that it does not have (unless the host has
floating = true, for addresses that move between machines).

With --dry-run it shows what would change: "-" marks a line that only the kernel has, "+"
a line that it would get; --json lists the changes with the same signs.

--remove removes all of pasvctl's rules and needs no FILE; with FILE it removes them only
if they are that spec's. --restore loads the rules that were applied last, after a boot
or after somebody has flushed them; with --if-missing only if the kernel lacks some of
them and no change waits to be confirmed. --restore does nothing after --remove, or
after a rollback to no rules.`,
		Example: `  pasvctl apply edge.pasv.hcl --confirm 30s
  pasvctl apply edge.pasv.hcl --host edge1 --dry-run
  pasvctl apply --remove`,
		Args: func(c *cobra.Command, args []string) error {
			if a.restore || a.remove && len(args) == 0 {
				return exactly()(c, args)
			}
			return exactly("FILE")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := interruptible(c.Context())
			defer stop()
			return a.run(ctx, args)
		},
	}
	a.flags(c)
	a.jsonFlag(c)
	a.backendFlag(c, "load the rules with")
	c.Flags().DurationVar(&a.confirm, "confirm", 0, "take the change back unless it is confirmed within `TIME`, 10s to 24h")
	c.Flags().DurationVar(&a.drain, "drain", 0, "keep older data ports open while they have sessions, for `TIME` at most, 10s to 168h")
	c.Flags().BoolVar(&a.dryRun, "dry-run", false, "check everything and show what would change, but change nothing")
	c.Flags().BoolVar(&a.adopt, "adopt", false, "replace rules under pasvctl's names that somebody else has changed")
	c.Flags().BoolVar(&a.dropped, "ignore-drops", false, "apply even if another chain drops the sites' connections")
	c.Flags().BoolVar(&a.replace, "replace", false, "replace the rules of another spec or host")
	c.Flags().BoolVar(&a.remove, "remove", false, "remove all of pasvctl's rules from the kernel")
	c.Flags().BoolVar(&a.restore, "restore", false, "load the rules that were applied last")
	c.Flags().BoolVar(&a.ifMissing, "if-missing", false, "with --restore: only if the kernel lacks some of the rules")
	c.MarkFlagsMutuallyExclusive("remove", "restore", "dry-run")
	for _, whole := range []string{"remove", "restore"} { // what these would ignore
		for _, flag := range []string{"confirm", "drain", "adopt", "replace", "ignore-drops"} {
			c.MarkFlagsMutuallyExclusive(whole, flag)
		}
	}
	c.MarkFlagsMutuallyExclusive("remove", "if-missing")
	return c
}

func (a *applier) run(ctx context.Context, args []string) error {
	if a.confirm != 0 && (a.confirm < 10*time.Second || a.confirm > 24*time.Hour) {
		return usage("write --confirm 30s", "--confirm takes 10s to 24h, not %s", a.confirm)
	}
	if a.drain != 0 && (a.drain < 10*time.Second || a.drain > 168*time.Hour) {
		return usage("write --drain 1h", "--drain takes 10s to 168h, not %s", a.drain)
	}
	if a.ifMissing && !a.restore {
		return usage("write --restore --if-missing", "--if-missing needs --restore")
	}
	if err := asRoot("changing the kernel's rules"); err != nil {
		return err
	}
	switch {
	case a.remove:
		return a.removed(ctx, args)
	case a.restore:
		return a.restored(ctx)
	}
	p, host, err := a.here(args[0])
	if err != nil {
		return err
	}
	for _, s := range host.Sites {
		p.warnUnkept(a.err, s)
	}
	next, err := a.rules(p, host)
	if err != nil {
		return err
	}
	if !a.replace {
		if err := owned(next, "put the sites of one machine into one spec folder; --replace replaces the loaded rules"); err != nil {
			return err
		}
	}
	if err := a.present(next.Match, !a.dryRun); err != nil {
		return err
	}
	if a.drain > 0 {
		if err := a.keepOlder(p, host, &next); err != nil {
			return err
		}
	}
	m := thisMachine()
	out, err := m.Apply(ctx, next, apply.Options{
		Confirm: a.confirm, Adopt: a.adopt, DryRun: a.dryRun,
		Check: func(ctx context.Context, current *apply.Applied) error {
			return a.safe(ctx, args[0], host, &rehearsal{m, host, next.Rules, current})
		},
	})
	if a.dryRun {
		if err := a.show(next, out); err != nil {
			return err
		}
	}
	if err != nil {
		return explained(err)
	}
	if a.dryRun {
		return nil
	}
	if other, err := thisMachine().Elsewhere(ctx, next.Rules.Backend); err == nil && other != "" { // else doctor says why
		fmt.Fprintf(a.err, "warning: %s has rules under pasvctl's names too, which apply has not loaded: both see each packet\nhint: pasvctl apply --remove removes all; then apply again\n", other)
	}
	return a.tell(next, out)
}

func (a *applier) restored(ctx context.Context) error {
	r, err := thisMachine().Restore(ctx, a.ifMissing)
	nothing := errors.Is(err, apply.ErrNothingToReturn)
	if err != nil && !nothing {
		return explained(err)
	}
	if a.asJSON {
		restored := restoredJSON{standingOf(r.Applied, false), r.Loaded, r.Waiting}
		if err := envelope.Write(a.out, "apply restore", restored); err != nil {
			return err
		}
	}
	if nothing {
		fmt.Fprintln(a.err, "no rules are applied on this machine: there is nothing to restore")
		return nil
	}
	what := "are in force already"
	switch {
	case !r.Waiting.IsZero():
		what = fmt.Sprintf("wait to be confirmed until %s", apply.When(r.Waiting, time.Now()))
	case r.Loaded:
		what = "are in force again"
	}
	fmt.Fprintf(a.err, "the rules of %s %s\n", r.Applied.Owner(), what)
	return a.present(r.Applied.Match, false)
}

type restoredJSON struct {
	standing
	Loaded    bool      `json:"loaded"` // they were not whole in the kernel, and are now
	ConfirmBy time.Time `json:"confirm_by,omitzero"`
}

type appliedJSON struct {
	changed
	DryRun    bool      `json:"dry_run"`
	InForce   bool      `json:"in_force"` // loaded, and no other rules keep connections from the sites
	ConfirmBy time.Time `json:"confirm_by,omitzero"`
}

func (a *applier) show(next apply.Applied, out apply.Outcome) error {
	if a.asJSON {
		return envelope.Write(a.out, "apply", appliedJSON{changed: changesOf(next, out.Changes), DryRun: true})
	}
	if err := writeChanges(a.out, out.Changes); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s; nothing was changed\n", sizing.Plural(len(out.Changes), "change"))
	return nil
}

func (a *applier) tell(next apply.Applied, out apply.Outcome) error {
	if a.asJSON {
		return envelope.Write(a.out, "apply", appliedJSON{changed: changesOf(next, out.Changes), InForce: !a.hindered, ConfirmBy: out.Deadline})
	}
	if out.Recovered {
		fmt.Fprintln(a.err, "an earlier change that was never confirmed was taken back first")
	}
	state := "in force"
	if a.hindered {
		state = "loaded, but other rules drop connections to the sites"
	}
	fmt.Fprintf(a.err, "the rules of host %q are %s: %s\n", next.Host, state, sizing.Plural(len(out.Changes), "change"))
	if next.Drain != nil {
		for _, site := range slices.Sorted(maps.Keys(next.Drain.Old)) {
			fmt.Fprintf(a.err, "site %q: %s stay open while they have sessions, for %s at most\n", site, sizing.Plural(countPorts(next.Drain.Old[site]), "older data port"), a.drain)
		}
	}
	if !out.Deadline.IsZero() {
		fmt.Fprintf(a.err, "they are taken back at %s unless you run: pasvctl confirm\n", apply.When(out.Deadline, time.Now()))
	}
	return nil
}

// safe refuses a change that would lock somebody out.
func (a *applier) safe(ctx context.Context, spec string, host *plan.Host, r *rehearsal) error {
	if err := cutsOff(sshConnection("/proc", os.Getpid()), host); err != nil {
		return err
	}
	if kernel.Liberal() && slices.ContainsFunc(host.Sites, func(s *plan.Site) bool { return s.Gate }) {
		fmt.Fprintf(a.err, "warning: %s; run: sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=0\n", kernel.LiberalMeans)
	}
	return a.beside(ctx, spec, r)
}
