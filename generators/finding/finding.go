// Package finding is the catalogue of what pasvctl finds wrong: each Rule has
// a stable id, and its cause, consequence and remedy. It also makes diagnostics
// and findings, so that there is none without a rule.
//
// It is not for finding anything, nor for printing it.
package finding

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Rule is one kind of finding. Its fields but ID and Title are sentences.
type Rule struct {
	ID          string // lower-case words with hyphens; never renamed
	Title       string // without a full stop
	Cause       string
	Consequence string
	Remedy      string
}

// Severity is how much a finding matters.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "error"   // something fails now, or will
	Warning Severity = "warning" // it may fail under load or later
	Note    Severity = "note"    // worth knowing; nothing to mend
)

// Compare orders severities, worst first.
func (s Severity) Compare(other Severity) int {
	order := []Severity{Error, Warning, Note}
	return cmp.Compare(slices.Index(order, s), slices.Index(order, other))
}

// Finding is one thing that is wrong, or worth knowing.
type Finding struct {
	Severity Severity
	Rule     *Rule
	Site     string // that it is about, or ""
	Detail   string
	Evidence string         // what shows it, and the file or command that has it
	Remedy   string         // a command or a change, for this case
	Figures  map[string]any // by names that end in their unit
	At       *hcl.Range     // what to change in a file, or nil

	Diagnostic *hcl.Diagnostic // that the finding was, or nil
}

// Title says in a few words what is wrong.
func (f Finding) Title() string {
	if f.Diagnostic != nil {
		return f.Diagnostic.Summary
	}
	return f.Rule.Title
}

// From turns diagnostics into findings.
func From(diags hcl.Diagnostics) []Finding {
	all := make([]Finding, len(diags))
	for i, d := range Adopt(InvalidExpression, diags) { // each has a rule already, as tests show
		all[i] = Finding{Severity: Error, Rule: Of(d), Detail: d.Detail, At: d.Subject, Diagnostic: d}
		if d.Severity == hcl.DiagWarning {
			all[i].Severity = Warning
		}
	}
	return all
}

var catalogue = map[string]*Rule{}

func rule(id, title, cause, consequence, remedy string) *Rule {
	if catalogue[id] != nil {
		panic("finding: two rules " + id)
	}
	catalogue[id] = &Rule{id, title, cause, consequence, remedy}
	return catalogue[id]
}

// IDs returns the ids of all rules, sorted.
func IDs() []string { return slices.Sorted(maps.Keys(catalogue)) }

// Lookup finds a rule by its id.
func Lookup(id string) (*Rule, bool) {
	r, known := catalogue[id]
	return r, known
}

// Error is a diagnostic that makes a spec invalid. A nil range is the spec as a
// whole.
func (r *Rule) Error(at *hcl.Range, format string, args ...any) *hcl.Diagnostic {
	return r.diagnostic(hcl.DiagError, at, format, args)
}

// Warning is a diagnostic that leaves a spec valid.
func (r *Rule) Warning(at *hcl.Range, format string, args ...any) *hcl.Diagnostic {
	return r.diagnostic(hcl.DiagWarning, at, format, args)
}

func (r *Rule) diagnostic(severity hcl.DiagnosticSeverity, at *hcl.Range, format string, args []any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: severity, Summary: r.Title, Detail: fmt.Sprintf(format, args...), Subject: at, Extra: r}
}

// ruled gives a diagnostic of HCL's own a rule, beside what HCL says of it.
type ruled struct {
	*Rule
	inner any
}

func (r ruled) UnwrapDiagnosticExtra() any { return r.inner }

// Of returns the rule of a diagnostic; nil if nothing gave it one.
func Of(d *hcl.Diagnostic) *Rule {
	if r, ok := hcl.DiagnosticExtra[ruled](d); ok {
		return r.Rule
	}
	r, _ := hcl.DiagnosticExtra[*Rule](d)
	return r
}

// Adopt gives the diagnostics of the HCL library their rule: the one that their
// summary tells, or otherwise. Those that have one keep it.
func Adopt(otherwise *Rule, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if Of(d) == nil {
			cmp.Or(libraryRule(d.Summary), otherwise).Mark(d)
		}
	}
	return diags
}

// Mark makes d, which the HCL library has made, one of the rule's.
func (r *Rule) Mark(d *hcl.Diagnostic) { d.Extra = ruled{r, d.Extra} }

// libraryRule is the rule of those summaries of HCL that say what is wrong
// rather than where.
func libraryRule(summary string) *Rule {
	switch summary {
	case "Unsupported argument", "Unsupported block type":
		return UnsupportedArgument
	case "Missing required argument":
		return MissingArgument
	case "Attribute redefined":
		return DuplicateArgument
	case "Unsuitable value type":
		return WrongType
	case "Unknown variable", "Unsupported attribute", "Call to unknown function":
		return UnknownReference
	}
	what, aBlock := strings.CutSuffix(summary, " block")
	switch {
	case aBlock && strings.HasPrefix(what, "Duplicate "):
		return DuplicateArgument
	case aBlock && strings.HasPrefix(what, "Missing "), strings.HasPrefix(summary, "Missing name for "):
		return MissingArgument
	case strings.HasPrefix(summary, "Extraneous label for "):
		return UnsupportedArgument
	}
	return nil
}
