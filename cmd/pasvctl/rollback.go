//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
)

func newConfirm(s streams) *cobra.Command {
	return &cobra.Command{
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
			return nil
		},
	}
}

func newRollback(s streams) *cobra.Command {
	return &cobra.Command{
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
			return tellBack(s, back)
		},
	}
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
