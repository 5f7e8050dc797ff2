//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type differ struct{ onHost }

func newDiff(s streams) *cobra.Command {
	d := &differ{onHost{streams: s}}
	c := &cobra.Command{
		Use:   "diff FILE|FOLDER",
		Short: "compare this machine's live rules with the rendered ones",
		Long: `diff compares pasvctl's tables, chains and sets in the kernel with those that the spec's
rules would make. "-" marks a line that only the kernel has, "+" a line that only the
rendered rules have; apply and --json write the same signs. Counters, handles and learnt
clients do not count. It says so if apply has used the other backend. A difference ends with exit code 2.`,
		Example: "  pasvctl diff edge.pasv.hcl --host edge1",
		Args:    exactly("FILE"),
		RunE:    func(c *cobra.Command, args []string) error { return d.run(c.Context(), args[0]) },
	}
	d.flags(c)
	d.jsonFlag(c)
	d.backendFlag(c, "compare the rules of")
	return c
}

func (d *differ) run(ctx context.Context, path string) error {
	p, host, err := d.here(path)
	if err != nil {
		return err
	}
	next, err := d.rules(p, host)
	if err != nil {
		return err
	}
	if err := asRoot("reading the kernel's rules"); err != nil {
		return err
	}
	if err := d.present(next.Match, false); err != nil {
		return err
	}
	changes, err := thisMachine().Compare(ctx, next.Rules)
	if err != nil {
		return explained(err)
	}
	if d.asJSON {
		err = envelope.Write(d.out, "diff", changesOf(next, changes))
	} else {
		err = writeChanges(d.out, changes)
	}
	if err != nil {
		return err
	}
	current, err := thisMachine().InForce()
	if err == nil && current != nil && current.Rules.Backend != d.backend {
		other := d.onHost
		other.backend = current.Rules.Backend
		fmt.Fprintf(d.err, "the rules in force are those of %s: pasvctl diff %s\n", other.backend, other.named(path))
	}
	if len(changes) > 0 {
		if err == nil && current != nil && current.Drain != nil {
			fmt.Fprintf(d.err, "older data ports stay open until their sessions have ended, at most until %s\n", current.Drain.Until.Format(time.DateTime))
		}
		var owner *apply.OwnerError
		if errors.As(thisMachine().Owned(next), &owner) {
			fmt.Fprintf(d.err, "this machine runs the rules of %s\n", owner.Has.Owner())
		}
		fmt.Fprintf(d.err, "%s between the kernel and %s\n", sizing.Plural(len(changes), "difference"), path)
		return silent(exitDifference)
	}
	return nil
}

// changed is a change of a host's rules as JSON has it.
type changed struct {
	Host    string          `json:"host"`
	Backend string          `json:"backend"`
	Changes []kernel.Change `json:"changes"` // never null
}

func changesOf(next apply.Applied, changes []kernel.Change) changed {
	return changed{next.Host, next.Rules.Backend, append([]kernel.Change{}, changes...)}
}

// writeChanges writes changes object by object.
func writeChanges(w io.Writer, changes []kernel.Change) error {
	w = folded{w}
	object := ""
	for _, c := range changes {
		if c.Object != object {
			object = c.Object
			if _, err := fmt.Fprintln(w, object); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "  %s %s\n", c.Sign, c.Line); err != nil {
			return err
		}
	}
	return nil
}
