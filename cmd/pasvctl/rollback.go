//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
)

func newConfirm(s streams) *cobra.Command {
	h := &onHost{streams: s}
	c := &cobra.Command{
		Use:     "confirm",
		Short:   "keep what apply --confirm has changed",
		Long:    "confirm keeps a change that \"pasvctl apply --confirm\" would take back at its deadline.",
		Example: "  pasvctl apply edge.pasv.hcl --confirm 30s\n  pasvctl confirm",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := asRoot("changing the state of the rules"); err != nil {
				return err
			}
			if err := thisMachine().Confirm(c.Context()); err != nil {
				return explained(err)
			}
			fmt.Fprintln(s.err, "confirmed: the rules stay")
			if !h.asJSON {
				return nil
			}
			current, err := thisMachine().InForce()
			if err != nil {
				return explained(err)
			}
			return envelope.Write(s.out, "confirm", standingOf(current, false))
		},
	}
	h.jsonFlag(c)
	return c
}

func newRollback(s streams) *cobra.Command {
	h := &onHost{streams: s}
	c := &cobra.Command{
		Use:   "rollback",
		Short: "return to the rules that were in force before the last apply",
		Long: `rollback takes back a change that waits to be confirmed, or else restores the rules that
were under pasvctl's names before the last apply: other rules, whoever had loaded them,
or none. A second rollback undoes the first.`,
		Example: "  pasvctl rollback",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := asRoot("changing the kernel's rules"); err != nil {
				return err
			}
			back, err := thisMachine().Rollback(c.Context())
			if err != nil {
				return explained(err)
			}
			if h.asJSON {
				if err := envelope.Write(s.out, "rollback", standingOf(back.Applied, back.Others)); err != nil {
					return err
				}
			}
			return tellBack(s, back)
		},
	}
	h.jsonFlag(c)
	return c
}

// standing is what is under pasvctl's names after a command.
type standing struct {
	Standing string     `json:"standing"` // applied, others or none
	Rules    *rulesJSON `json:"rules,omitempty"`
}

// rulesJSON says whose rules were applied.
type rulesJSON struct {
	Host    string `json:"host"`
	Spec    string `json:"spec,omitempty"` // by the name that it gives itself
	Path    string `json:"path,omitempty"`
	Backend string `json:"backend"`
}

func appliedRules(a *apply.Applied) *rulesJSON {
	if a == nil {
		return nil
	}
	return &rulesJSON{a.Host, a.Spec, a.Path, a.Rules.Backend}
}

// standingOf is that of applied rules, or without these of somebody else's.
func standingOf(a *apply.Applied, others bool) standing {
	switch {
	case a != nil:
		return standing{"applied", appliedRules(a)}
	case others:
		return standing{Standing: "others"}
	}
	return standing{Standing: "none"}
}

// newGuard is run by apply, not by people: it takes a change back at its
// deadline if nobody has confirmed it.
func newGuard(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "guard ID DEADLINE",
		Short:   "take a change back at its deadline",
		Hidden:  true,
		Example: "  pasvctl guard ID 2026-06-01T12:00:30Z",
		Args:    exactly("ID", "DEADLINE"),
		RunE: func(c *cobra.Command, args []string) error {
			deadline, err := time.Parse(time.RFC3339Nano, args[1])
			if err != nil {
				return usage("apply starts the guard", "invalid deadline %q", args[1])
			}
			ctx, stop := interruptible(c.Context())
			defer stop()
			m := thisMachine()
			// Told to go before its time, as at a shutdown, the change goes back
			// now: nobody would be left to take it back.
			if !m.Await(ctx, args[0], deadline) {
				return nil
			}
			back, err := m.Expire(context.WithoutCancel(ctx), args[0])
			if back == nil || err != nil {
				return err
			}
			return tellBack(s, *back)
		},
	}
}

// tellBack says what a way back has led to.
func tellBack(s streams, back apply.Back) error {
	switch {
	case back.Applied != nil:
		fmt.Fprintf(s.err, "restored the rules of %s\n", back.Applied.Owner())
		return (&onHost{streams: s}).present(back.Applied.Match, false)
	case back.Others:
		fmt.Fprintln(s.err, "restored rules that pasvctl apply had not loaded")
	default:
		fmt.Fprintln(s.err, "removed pasvctl's rules, as before the change")
	}
	return nil
}
