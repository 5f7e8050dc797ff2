package spec

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Extension ends the name of every file of a spec.
const Extension = ".pasv.hcl"

// Options is what a spec is checked against besides its own text.
type Options struct {
	// Version is pasvctl's own, which required_version is compared with.
	Version string
	// Servers are the server profiles that a site may name.
	Servers []sizing.Profile
	// Targets are the kinds that a target block may have, by name.
	Targets []TargetKind
	// Vars are values given on the command line, as raw text by variable
	// name. They win over everything else.
	Vars map[string]string
	// VarFiles are files of attributes; of two that set a variable the later
	// wins.
	VarFiles []VarFile
	// Earlier: the spec is an earlier state of one that the values are for. Those of
	// variables that it does not have are ignored.
	Earlier bool
	// Env are values from the environment, by the name of the variable. They
	// win over defaults only; names that no variable has are ignored.
	Env map[string]string
}

// VarFile is a file of variable values, read by the caller.
type VarFile struct {
	Name string // for diagnostics
	Src  []byte
}

// Load reads the named files of fsys as one spec.
//
// All mistakes are reported in one call. What is well-formed is returned even
// then: blocks with an error are left out, the others stay, so that later
// stages can report their own errors in the same run. The Spec is never nil,
// and its Files hold every source that a diagnostic may point into.
func Load(fsys fs.FS, names []string, o Options) (*Spec, hcl.Diagnostics) {
	l := newLoader(fsys, o)
	l.parse(slices.Sorted(slices.Values(names)))
	if !l.supported() {
		return l.spec, l.diags
	}
	l.checkReferences()
	l.evaluateVariables()
	l.evaluateLocals()
	l.decode()
	return l.spec, finding.InOrder(l.diags)
}

// loader carries one Load from the sources to the Spec.
type loader struct {
	fsys   fs.FS
	o      Options
	spec   *Spec
	diags  hcl.Diagnostics
	ctx    *hcl.EvalContext
	bodies []*source

	declaredVars   map[string]*variable
	declaredLocals map[string]*local
	// Names that are referred to but not declared, which has been reported.
	undeclaredVars, undeclaredLocals map[string]bool

	// What was declared by name; nil if the block has an error of its own,
	// so that references to it are not reported as unknown.
	hosts    map[string]*Host
	sites    map[string]*Site
	profiles map[string]*Profile
	targets  []string             // labels of the target blocks
	declared map[string]hcl.Range // "site downloads" → where

	broken      map[hcl.Range]bool // syntax errors, and the blocks with one by their headers
	brokenLines map[line]bool
	unread      map[string]bool // names of blocks that were not read

	suggestions int // made so far
	offered     int // the last control port that was suggested
}

func newLoader(fsys fs.FS, o Options) *loader {
	return &loader{
		fsys: fsys, o: o,
		spec:         &Spec{Files: map[string]*hcl.File{}},
		ctx:          &hcl.EvalContext{Functions: Functions()},
		declaredVars: map[string]*variable{}, undeclaredVars: map[string]bool{},
		declaredLocals: map[string]*local{}, undeclaredLocals: map[string]bool{},
		hosts: map[string]*Host{}, sites: map[string]*Site{}, profiles: map[string]*Profile{},
		declared: map[string]hcl.Range{}, broken: map[hcl.Range]bool{}, brokenLines: map[line]bool{}, unread: map[string]bool{},
	}
}

func (l *loader) add(diags ...*hcl.Diagnostic) {
	for _, diag := range finding.Adopt(finding.InvalidExpression, diags) {
		diag = unknownWord(diag)
		if diag.Summary == "Invalid operand" {
			what := "a number, without quotes"
			if strings.Contains(diag.Detail, "bool") {
				what = "true or false"
			}
			diag.Detail = fmt.Sprintf("The operator beside this takes no such value. Write %s.", what)
		}
		// cty makes an error of a function's panic, with the stack behind it.
		diag.Detail, _, _ = strings.Cut(diag.Detail, "\ngoroutine ")
		if diag != consequence {
			l.diags = append(l.diags, diag)
		}
	}
}

func (l *loader) err(at *hcl.Range, rule *finding.Rule, detail string) {
	l.add(rule.Error(at, "%s", detail))
}

func (l *loader) warn(at *hcl.Range, rule *finding.Rule, detail string) {
	l.add(rule.Warning(at, "%s", detail))
}
