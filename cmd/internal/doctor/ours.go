package doctor

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/finding"
)

// ours compares our live rules with those that were applied, and reports
// whether they are there and whole, and which other backend has rules of ours.
func (e *exam) ours() (intact bool, elsewhere string) {
	known, err := e.Ours()
	if err != nil {
		e.unknown("whether pasvctl's rules are in force", err)
		return false, ""
	}
	e.pending(known.Pending)
	if a := known.Applied; a != nil && e.anothers(*a) {
		return false, ""
	}
	if len(known.Users) > 0 {
		busy := &kernel.BusyError{Rules: known.Users}
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.RulesRefused, Detail: busy.Error() + ": apply refuses to change the rules",
			Evidence: "the live ruleset", Remedy: busy.Remedy(),
		})
	}
	switch {
	case known.Gone && known.Applied == nil:
		return false, known.Elsewhere // nothing was applied yet
	case known.Gone:
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.RulesGone, Detail: "pasvctl's rules are gone from the kernel: the sites have no gate and no limits, or the host's own rules block them",
			Evidence: "the kernel has none of the objects that were applied; see pasvctl diff " + e.Spec, Remedy: "pasvctl apply --restore",
		})
		return false, known.Elsewhere
	case len(known.Changes) > 0:
		e.changed(known)
		return false, known.Elsewhere
	case known.Applied != nil && !maps.Equal(known.Applied.Rules.Files, e.Next.Rules.Files) && known.Applied.Drain == nil:
		e.find(finding.Finding{
			Severity: finding.Note, Rule: finding.RulesOutdated, Detail: "the spec has changed since its rules were applied",
			Evidence: "see pasvctl diff " + e.Spec, Remedy: "pasvctl apply " + e.Spec,
		})
	}
	return true, known.Elsewhere
}

// changed reports what somebody has done to our rules, as one finding.
func (e *exam) changed(known apply.Known) {
	var lines []string
	for _, c := range known.Changes {
		lines = append(lines, c.String())
	}
	by := "that were applied"
	if known.Applied == nil {
		by = "of the spec"
	}
	remedy := "pasvctl apply --adopt " + e.Spec
	if known.Pending != nil { // apply waits for it
		remedy = "pasvctl apply --restore && pasvctl confirm  # or pasvctl rollback"
	}
	e.find(finding.Finding{
		Severity: finding.Error, Rule: finding.RulesChanged, Detail: "pasvctl's rules in the kernel are not those " + by,
		Evidence: fmt.Sprintf("%s; see pasvctl diff %s", some(lines, 3), e.Spec), Remedy: remedy,
		Figures: map[string]any{"changed_lines": len(lines)},
	})
}

// anothers reports rules that another spec or another host has put here.
func (e *exam) anothers(a apply.Applied) bool {
	if apply.SameOwner(a, e.Next) {
		return false
	}
	e.find(finding.Finding{
		Severity: finding.Error, Rule: finding.RulesOfAnother, Detail: (&apply.OwnerError{Has: a, Next: e.Next}).Error(),
		Evidence: "the state of pasvctl apply", Remedy: "put the sites of one machine into one spec folder; or replace the loaded rules: pasvctl apply --replace " + e.Spec,
	})
	return true
}

// grace is how long after its deadline a change may be under way back.
const grace = 5 * time.Second

// pending looks at a change that waits to be confirmed.
func (e *exam) pending(p *apply.Pending) {
	if p == nil || p.Deadline.IsZero() {
		return
	}
	deadline := p.Deadline.Local().Format(time.DateTime)
	f := finding.Finding{Severity: finding.Error, Rule: finding.ChangePending, Remedy: "pasvctl rollback  # or, to keep it, apply again", Evidence: "the state of pasvctl apply",
		Figures: map[string]any{"until_deadline_seconds": seconds(p.Deadline.Sub(e.Now()))}}
	switch {
	case e.Now().After(p.Deadline.Add(grace)):
		f.Detail = fmt.Sprintf("a change that was not confirmed by %s is still in force: its guard is gone", deadline)
	case !e.guarded(p.ID):
		f.Detail = fmt.Sprintf("a change waits to be confirmed until %s, but its guard is gone and will not take it back", deadline)
		f.Remedy = "pasvctl confirm  # or pasvctl rollback"
	default:
		f.Severity, f.Remedy = finding.Note, "pasvctl confirm  # or pasvctl rollback"
		f.Detail = fmt.Sprintf("a change waits to be confirmed until %s", deadline)
	}
	e.find(f)
}

// guarded looks for the guard of a pending change among the processes.
func (e *exam) guarded(id string) bool {
	commands, err := fs.Glob(e.Root, "proc/[0-9]*/cmdline")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(commands, func(name string) bool {
		line, _ := e.read(name)
		return strings.Contains(line, "\x00guard\x00"+id+"\x00")
	})
}

// saved are the files that others load iptables rules from at boot.
var saved = []string{"etc/iptables/rules.v4", "etc/iptables/rules.v6", "etc/sysconfig/iptables", "etc/sysconfig/ip6tables"}

// saves looks for our chains in them. A boot loads such a file before pasvctl
// makes the sets that the chains match, and then iptables-restore loads
// nothing of it.
func (e *exam) saves() {
	setsFirst, _ := fs.Glob(e.Root, "etc/systemd/system/*.wants/pasvctl-sets.service")
	for _, name := range saved {
		if text, _ := e.read(name); !strings.Contains(text, "PASVCTL") || len(setsFirst) > 0 {
			continue
		}
		e.find(finding.Finding{
			Severity: finding.Warning, Rule: finding.RulesSaved, Detail: "/" + name + " has pasvctl's chains: if their sets are missing at boot, iptables-restore loads none of that file",
			Evidence: "iptables-restore fails on a set that is not there", Remedy: fmt.Sprintf("sed -i /PASVCTL/d /%s  # apply puts them back after a boot", name),
		})
	}
}
