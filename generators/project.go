package generators

import (
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Project is a spec with its plan and the targets it asks for, checked.
type Project struct {
	Spec  *spec.Spec
	Plan  *plan.Plan
	Lock  *plan.Lock  // as it is to be written beside the spec
	Moves []plan.Move // against the lock that lay there

	targets []target
}

// target is a Target with the settings of its block.
type target struct {
	Target
	kind string
	decl *hcl.Range // the block's header; nil where the spec has no such block
}

// decode reads a target block into a new Target of its kind.
func decode(t *spec.Target) (target, hcl.Diagnostics) {
	kind, known := kinds[t.Kind]
	if !known {
		return target{}, hcl.Diagnostics{unknownKind(t.Kind, &t.DeclRange)}
	}
	settings := kind.New()
	diags := gohcl.DecodeBody(t.Body, t.Eval, settings)
	if s, ok := settings.(sourced); ok {
		s.setSource(t.Source)
	}
	return target{Target: settings, kind: t.Kind, decl: &t.DeclRange}, diags
}

// unconfigured returns a target of this kind as an empty block would make it.
func unconfigured(name string) (target, hcl.Diagnostics) {
	kind, known := kinds[name]
	if !known {
		return target{}, hcl.Diagnostics{unknownKind(name, nil)}
	}
	settings := kind.New()
	diags := gohcl.DecodeBody(hcl.EmptyBody(), nil, settings)
	for _, d := range diags {
		d.Subject = nil // an empty body stands nowhere
		d.Detail += fmt.Sprintf(" Give the spec a target %q block with it.", name)
	}
	return target{Target: settings, kind: name}, diags
}

func unknownKind(name string, at *hcl.Range) *hcl.Diagnostic {
	all := make([]string, 0, len(kinds))
	for _, k := range Kinds() {
		all = append(all, k.Name)
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Unknown target",
		Detail:   fmt.Sprintf("There is no target %q. There are %s.", name, strings.Join(all, ", ")),
		Subject:  at,
	}
}

// selected returns the targets to render: those of the spec, or only those of
// the kinds named. A kind that is named but has no block in the spec is
// rendered as an empty block would be.
func (p *Project) selected(only []string) ([]target, hcl.Diagnostics) {
	if len(only) == 0 {
		return p.targets, nil
	}
	var picked []target
	var diags hcl.Diagnostics
	for i, name := range only {
		if slices.Contains(only[:i], name) {
			continue
		}
		before := len(picked)
		for _, t := range p.targets {
			if t.kind == name {
				picked = append(picked, t)
			}
		}
		if len(picked) > before {
			continue
		}
		t, more := unconfigured(name)
		diags = append(diags, more...)
		if !more.HasErrors() {
			picked = append(picked, t)
		}
	}
	return picked, diags
}

// Files renders the targets, or only those of the kinds named, and returns the
// files sorted by path. What a target's platform cannot hold, and two targets
// that write the same path, are diagnostics; with an error there are no files.
func (p *Project) Files(only ...string) ([]File, hcl.Diagnostics) {
	targets, diags := p.selected(only)
	var files []File
	owner := map[string]target{}
	for _, t := range targets {
		made, more := t.Files(p.Plan)
		for _, d := range more {
			if d.Subject == nil {
				d.Subject = t.decl
			}
		}
		diags = append(diags, more...)
		for _, f := range made {
			if d := misplaced(f.Path, t, owner); d != nil {
				diags = append(diags, d)
				continue
			}
			owner[f.Path] = t
			files = append(files, f)
		}
	}
	diags = append(diags, shadowed(files, owner)...)
	if diags.HasErrors() {
		return nil, inOrder(diags)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, inOrder(diags)
}

// misplaced tells what is wrong with an output path: it leaves the output
// folder, or another file has it.
func misplaced(path string, t target, owner map[string]target) *hcl.Diagnostic {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\\\x00") {
		return &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Output path outside the output folder",
			Detail:   fmt.Sprintf("Target %q wants to write %q. Paths are relative to the output folder, use slashes, and have no \".\" or \"..\" in them.", t.kind, path),
			Subject:  t.decl,
		}
	}
	if first, taken := owner[path]; taken {
		return twoTargets(path, path, t, first)
	}
	return nil
}

// shadowed finds files whose path is another file's folder.
func shadowed(files []File, owner map[string]target) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range files {
		for i, c := range f.Path {
			if c != '/' {
				continue
			}
			if other, taken := owner[f.Path[:i]]; taken {
				diags = append(diags, twoTargets(f.Path, f.Path[:i], owner[f.Path], other))
			}
		}
	}
	return diags
}

func twoTargets(path, other string, t, first target) *hcl.Diagnostic {
	where := ""
	if first.decl != nil {
		where = fmt.Sprintf(" at %s:%d", first.decl.Filename, first.decl.Start.Line)
	}
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Two files on one path",
		Detail: fmt.Sprintf("Target %q writes %q, but target %q%s writes %q already. Change the output of one of them, or remove it.",
			t.kind, path, first.kind, where, other),
		Subject: t.decl,
	}
	if d.Subject == nil {
		d.Subject = first.decl
	}
	return d
}

// inOrder sorts diagnostics by their place in the spec and drops those that
// say the same of the same place twice.
func inOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		subject         hcl.Range
	}
	at := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	seen := map[key]bool{}
	var kept hcl.Diagnostics
	for _, d := range diags {
		k := key{d.Severity, d.Summary, d.Detail, at(d)}
		if !seen[k] {
			seen[k] = true
			kept = append(kept, d)
		}
	}
	sort.SliceStable(kept, func(i, j int) bool {
		a, b := at(kept[i]), at(kept[j])
		if a.Filename != b.Filename {
			return a.Filename < b.Filename
		}
		return a.Start.Byte < b.Start.Byte
	})
	return kept
}
