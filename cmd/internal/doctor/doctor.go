// Package doctor looks at a machine that is to run the sites of a plan and
// reports problems: ports that others hold, kernel settings, and
// firewalls that drop before our rules run.
//
// It only looks. Every finding names the command that mends it and leaves it
// to the administrator.
package doctor

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/portowner"
	"github.com/pasvctl/pasvctl/cmd/internal/presence"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// Machine is what the checks look at.
type Machine struct {
	Root    fs.FS // the file system from "/": proc, sys and etc
	Sockets func(portowner.Filter) ([]portowner.Owner, error)
	Now     func() time.Time
	// Privileged: this user may read everything here.
	Privileged bool
	// Rules reads the live rules of everybody.
	Rules func() (shadow.Rules, error)
	// Trial lets clients connect to the host's sites, in a copy of the live
	// rules with ours beside them. If applied is not empty, ours are among the
	// live rules, and jumped to from this base chain.
	Trial func(live shadow.Rules, applied string) (shadow.Report, error)
	// Ours compares our own live rules with those that were applied.
	Ours func() (apply.Known, error)
	// Spec and Next are the examined spec, as commands name it, and what apply
	// would load.
	Spec string
	Next apply.Applied
	// Presence compares the host with this machine's interfaces and addresses.
	Presence func(presence.Host) ([]finding.Finding, error)
}

// exam is one examination of one host.
type exam struct {
	Machine
	host     *plan.Host
	findings []finding.Finding
}

// Examine runs all checks for one host of a plan. The findings come worst
// first, then by rule and site. A check that cannot be made, because a
// program or a privilege is missing, is a finding of its own and not a silent pass.
func Examine(m Machine, h *plan.Host) []finding.Finding {
	e := &exam{Machine: m, host: h, findings: []finding.Finding{}} // never null in JSON
	e.presence()
	e.ports()
	e.ephemeral()
	e.reserved()
	e.conntrack()
	e.liberal()
	e.loose()
	e.backlog()
	e.certificates()
	e.selinux()
	e.firewalls()
	e.saves()
	slices.SortStableFunc(e.findings, func(a, b finding.Finding) int {
		return cmp.Or(
			a.Severity.Compare(b.Severity),
			strings.Compare(a.Rule.ID, b.Rule.ID),
			strings.Compare(a.Site, b.Site),
		)
	})
	return e.findings
}

// find adds findings, each at the site or host in the spec that it is about.
func (e *exam) find(found ...finding.Finding) {
	for _, f := range found {
		f.At = e.host.Ranges.Of("")
		for _, s := range e.host.Sites {
			if s.Name == f.Site {
				f.At = s.Ranges.Of("")
			}
		}
		e.findings = append(e.findings, f)
	}
}

// unknown says that a check could not be made.
func (e *exam) unknown(what string, err error) {
	f := finding.Finding{Severity: finding.Warning, Rule: finding.CheckFailed, Detail: what + " could not be checked", Evidence: err.Error()}
	if known, ok := errors.AsType[kernel.Remedied](err); ok {
		f.Remedy = known.Remedy()
	}
	if !e.Privileged {
		f.Remedy = "run pasvctl doctor as root on the host itself"
	}
	e.find(f)
}

// read returns a small file's text without the white space around it. It is ""
// and false if there is no such file.
func (e *exam) read(name string) (string, bool) {
	text, err := fs.ReadFile(e.Root, name)
	return strings.TrimSpace(string(text)), err == nil
}
