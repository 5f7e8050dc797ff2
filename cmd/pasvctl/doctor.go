//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/doctor"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/portowner"
	"github.com/pasvctl/pasvctl/cmd/internal/presence"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type examiner struct {
	onHost
	reporting
	watch         time.Duration
	backendChosen func() bool
}

func newDoctor(s streams) *cobra.Command {
	d := &examiner{onHost: onHost{streams: s}}
	c := &cobra.Command{
		Use:   "doctor FILE|FOLDER",
		Short: "find what makes transfers fail on this machine",
		Long: `doctor looks for what makes transfers fail on this machine: programs on ports of the
ranges, kernel settings, certificates, changes to pasvctl's own rules, and other rules.
It copies all rules into a throwaway network and opens a connection for each combination
of client, address and port that they can tell apart, for at most 10 s. Each finding has
its evidence and the command that fixes it. Errors and warnings end with exit code 2.

Without --backend, pasvctl's rules are those of the backend that was applied last.

With --watch it keeps looking for programs on the sites' ports and prints each one that
comes or goes, until it is interrupted.`,
		Example: "  pasvctl doctor edge.pasv.hcl --host edge1\n  pasvctl doctor edge.pasv.hcl --watch 10s",
		Args:    exactly("FILE"),
		RunE:    func(c *cobra.Command, args []string) error { return d.run(c.Context(), args[0]) },
	}
	d.flags(c)
	d.reporting.register(c)
	d.backendFlag(c, "try other chains beside the rules of")
	d.backendChosen = func() bool { return c.Flags().Changed("backend") }
	c.Flags().DurationVar(&d.watch, "watch", 0, "look for programs on the sites' ports every `TIME`, 1s or more, until interrupted")
	return c
}

func (d *examiner) run(ctx context.Context, path string) error {
	if err := d.check(); err != nil {
		return err
	}
	if d.watch > 0 && !d.text() && d.format != "json" {
		return usage("write --format json", "--watch has no format %s", d.format)
	}
	if d.watch != 0 && d.watch < time.Second {
		return usage("write --watch 10s", "--watch takes 1s or more, not %s", d.watch)
	}
	p, host, err := d.here(path)
	if err != nil {
		return err
	}
	if !d.backendChosen() {
		d.backend = d.backendInForce()
	}
	next, err := d.rules(p, host)
	if err != nil {
		return err
	}
	machine := thisMachine()
	m := doctor.Machine{
		Root:       os.DirFS("/"),
		Sockets:    portowner.Matching,
		Now:        time.Now,
		Privileged: os.Geteuid() == 0,
		Presence:   presence.Faults,
		Rules:      func() (shadow.Rules, error) { return d.live(ctx) },
		Trial: func(live shadow.Rules, applied string) (shadow.Report, error) {
			current, err := machine.InForce()
			if err != nil {
				return shadow.Report{}, err
			}
			return (&rehearsal{machine, host, next.Rules, current}).try(ctx, live, applied)
		},
		Ours: func() (apply.Known, error) { return machine.Known(ctx, next) },
		Spec: d.named(path),
		Next: next,
	}
	if d.watch > 0 {
		return d.keepWatch(ctx, m, p, host)
	}
	found := doctor.Examine(m, host)
	r := p.report("doctor", found)
	r.WarningsFail = true
	if err := d.write(d.out, d.out, r); err != nil {
		return err
	}
	if r.Count(finding.Error)+r.Count(finding.Warning) > 0 {
		return silent(exitDifference)
	}
	fmt.Fprintf(d.err, "found no problem for %s on host %q\n", sizing.Plural(len(host.Sites), "site"), host.Name)
	return nil
}

// backendInForce is the backend of the rules that were applied last.
func (d *examiner) backendInForce() string {
	if os.Geteuid() == 0 {
		if current, err := thisMachine().InForce(); err == nil && current != nil {
			return current.Rules.Backend
		}
	}
	return d.backend
}

func (d *examiner) live(ctx context.Context) (shadow.Rules, error) {
	if err := asRoot("reading the kernel's rules"); err != nil {
		return shadow.Rules{}, err
	}
	return shadow.Live(ctx, execHere)
}

// keepWatch prints squatters as they come and go.
func (d *examiner) keepWatch(ctx context.Context, m doctor.Machine, p *project, host *plan.Host) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	seen := map[string]finding.Finding{}
	tick := time.NewTicker(d.watch)
	defer tick.Stop()
	for {
		now := map[string]finding.Finding{}
		for _, f := range doctor.Squatters(m, host) {
			now[f.Detail] = f
			if _, known := seen[f.Detail]; !known {
				if err := d.event("came", p, f); err != nil {
					return err
				}
			}
		}
		for what, f := range seen {
			if _, still := now[what]; !still {
				if err := d.event("went", p, f); err != nil {
					return err
				}
			}
		}
		seen = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (d *examiner) event(what string, p *project, f finding.Finding) error {
	at := time.Now().Format(time.RFC3339)
	if !d.text() {
		return envelope.Write(d.out, "doctor", map[string]any{"time": at, "event": what, "finding": p.report("", nil).Object(f)})
	}
	_, err := fmt.Fprintf(d.out, "%s %s: %s\n", at, what, diagnostics.Line(f))
	return err
}
