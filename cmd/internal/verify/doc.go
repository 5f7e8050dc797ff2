// Package verify proves a host's rendered rules with packets: it loads them in
// throwaway networks, sends what clients send, and compares the results
// with what the plan's firewall policy says.
//
// The expectations come from plan.Policy alone and never from the rules. It is
// not for this machine's own rules: see package shadow for what they do to
// ours.
package verify

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Options say what to prove.
type Options struct {
	Backend string // kernel.NFT or kernel.IPTables
	Host    string // only this one and the gateways in front of it; "" is all
	// Expects are the spec's own expectations.
	Expects []*spec.Expect
	// FirstOnly ends the run with its first difference.
	FirstOnly bool
}

// Expectation is an expected verdict on packets, and the observed one.
type Expectation struct {
	Host    string `json:"host"`
	Setting string `json:"setting"` // what is around the rules
	Site    string `json:"site,omitempty"`
	What    string `json:"what"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Want    string `json:"want"`
	Got     string `json:"got"`
}

// Met reports whether what was expected has happened.
func (e Expectation) Met() bool { return e.Want == e.Got }

// Untried is something that could not be proven here, which is no difference.
type Untried struct {
	Host string `json:"host"`
	Site string `json:"site,omitempty"`
	What string `json:"what"`
	Why  string `json:"why"`
}

// Report is what a run has found, in the order of hosts and sites.
type Report struct {
	Backend      string        `json:"backend"`
	Expectations []Expectation `json:"expectations"`
	Untried      []Untried     `json:"untried"`
}

// Unmet returns the expectations that were not met.
func (r *Report) Unmet() (all []Expectation) {
	for _, e := range r.Expectations {
		if !e.Met() {
			all = append(all, e)
		}
	}
	return all
}

// Unproven returns the hosts of which nothing could be tried.
func (r *Report) Unproven() (hosts []string) {
	for _, u := range r.Untried {
		if !slices.Contains(hosts, u.Host) && !slices.ContainsFunc(r.Expectations, func(e Expectation) bool { return e.Host == u.Host }) {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

func (r *Report) merge(o *Report) {
	r.Expectations = append(r.Expectations, o.Expectations...)
	for _, u := range o.Untried {
		if !slices.Contains(r.Untried, u) { // once is enough for all settings
			r.Untried = append(r.Untried, u)
		}
	}
}

// Run proves the rendered files of a plan. Its errors are about the trial
// itself: rules that do not load, or a network that cannot be made. progress
// is called after each trial; it may be nil.
func Run(ctx context.Context, p *plan.Plan, files []generators.File, o Options, progress func(done, all int)) (*Report, error) {
	trials, err := prepare(p, files, o)
	if err != nil {
		return nil, err
	}
	found := make([]*Report, len(trials))
	var counting sync.Mutex
	done := 0
	work, ctx := errgroup.WithContext(ctx)
	// A trial mostly waits for silence.
	work.SetLimit(2 * runtime.GOMAXPROCS(0))
	if o.FirstOnly {
		work.SetLimit(1)
	}
	for i, t := range trials {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := t.run(ctx)
			if err != nil {
				return fmt.Errorf("%s (%s): %w", t.name, t.setting, err)
			}
			found[i] = r
			if o.FirstOnly && len(r.Unmet()) > 0 {
				return errEnough
			}
			counting.Lock()
			defer counting.Unlock()
			if done++; progress != nil {
				progress(done, len(trials))
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	all := &Report{Backend: o.Backend, Expectations: []Expectation{}, Untried: []Untried{}}
	for _, r := range found {
		if r != nil {
			all.merge(r)
		}
	}
	return all, nil
}
