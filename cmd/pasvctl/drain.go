//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/portowner"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// keepOlder makes next open the data ports that its sites have had before
// beside the new ones, for a while.
func (a *applier) keepOlder(p *project, host *plan.Host, next *apply.Applied) error {
	current, err := thisMachine().InForce()
	if err != nil {
		return failure(err, "")
	}
	drained := *p
	drained.Project = p.With(p.Plan.Drain(current.OlderRanges(next.Ranges, spec.Renames(p.Spec.Moved))))
	drain := &apply.Drain{ID: rand.Text(), Old: map[string][]spec.PortRange{}, For: a.drain, Rules: next.Rules, Reserve: next.Reserve}
	i := slices.IndexFunc(drained.Plan.Hosts, func(h *plan.Host) bool { return h.Name == host.Name })
	for _, s := range drained.Plan.Hosts[i].Sites {
		if len(s.Policy.Draining) > 0 {
			drain.Old[s.Name] = s.Policy.Draining
		}
	}
	if len(drain.Old) == 0 {
		return nil // nothing has moved
	}
	rules, err := a.render(&drained, host)
	if err != nil {
		return err
	}
	next.Rules, next.Drain, next.Reserve = rules, drain, slices.Clone(next.Reserve)
	for _, ranges := range drain.Old {
		next.Reserve = append(next.Reserve, ranges...)
	}
	slices.SortFunc(next.Reserve, func(a, b spec.PortRange) int { return int(a.First) - int(b.First) })
	return nil
}

func countPorts(ranges []spec.PortRange) (n int) {
	for _, r := range ranges {
		n += r.Count()
	}
	return n
}

const (
	// lookEvery is how often the older ports are looked at.
	lookEvery = 2 * time.Second
	// quietFor is how long they must have been without a connection: sessions
	// that are still there may have the next transfer in a moment.
	quietFor = 30 * time.Second
)

// newDrain is run by apply, not by people: it closes older data ports when
// their sessions have ended.
func newDrain(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "drain ID",
		Short:   "close older data ports when their sessions have ended",
		Hidden:  true,
		Example: "  pasvctl drain ID",
		Args:    exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := interruptible(c.Context())
			defer stop()
			return drain(ctx, thisMachine(), args[0])
		},
	}
}

// drain looks until there is nothing left to wait for.
func drain(ctx context.Context, m *apply.Machine, id string) error {
	quiet := quietFor
	if current, err := m.InForce(); err == nil && current != nil && current.Drain != nil {
		quiet = min(quiet, current.Drain.For/4)
	}
	used := time.Now()
	busy := func(old []spec.PortRange) (bool, error) {
		found, err := connected(old)
		if found {
			used = time.Now()
		}
		return time.Since(used) < quiet, err
	}
	for {
		done, err := m.Drained(context.WithoutCancel(ctx), id, busy)
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil // at a shutdown: the next boot starts without the older ports
		}
	}
}

// connected reports whether a connection of this machine has its local end on
// one of the ports.
func connected(ports []spec.PortRange) (bool, error) {
	return portowner.AnyConnection(func(local netip.AddrPort) bool {
		return slices.ContainsFunc(ports, func(r spec.PortRange) bool {
			return r.Contains(local.Port())
		})
	})
}
