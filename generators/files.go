package generators

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

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
				t.offered = false // it is asked for now
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

// TargetKinds are the kinds of the targets that the spec has, by name: those of
// its blocks, and the defaults, among them the configs of its sites' servers.
func (p *Project) TargetKinds() []string {
	var names []string
	for _, t := range p.targets {
		served := func(s *spec.Site) bool { return s.Server == t.kind }
		if t.decl != nil || !Configures(t.kind) || slices.ContainsFunc(p.Spec.Sites, served) {
			names = append(names, t.kind)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// With is the project with another plan of the same spec.
func (p *Project) With(other *plan.Plan) *Project {
	with := *p
	with.Plan = other
	return &with
}

// Files renders the targets, or only those of the kinds named, and returns the
// files sorted by path. What a target's platform cannot hold, and two targets
// that write the same path, are diagnostics; with an error there are no files.
func (p *Project) Files(only ...string) ([]File, hcl.Diagnostics) {
	defer p.watch.begin("rendering the files")()
	targets, diags := p.selected(only)
	var files []File
	owner := map[string]target{}
	for i, made := range renderAll(targets, p.Plan) {
		t := targets[i]
		diags = append(diags, made.diags...)
		for _, f := range made.files {
			if d := misplaced(f.Path, t, owner); d != nil {
				diags = append(diags, d)
				continue
			}
			owner[f.Path] = t
			f.Target = t.kind
			files = append(files, f)
		}
	}
	diags = append(diags, shadowed(files, owner)...)
	if diags.HasErrors() {
		return nil, finding.InOrder(diags)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, finding.InOrder(diags)
}

// rendering is what one target makes of a plan.
type rendering struct {
	files []File
	diags hcl.Diagnostics
}

// renderAll renders the targets side by side, which a target allows by only
// reading the plan, and returns what they make in the order of the targets.
func renderAll(targets []target, p *plan.Plan) []rendering {
	all := make([]rendering, len(targets))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range targets {
		work.Go(func() error {
			all[i] = t.render(p)
			return nil
		})
	}
	work.Wait() // no target fails: what is wrong is in its diagnostics
	return all
}

// render calls Files and sees to it that every diagnostic points somewhere and
// that an offered target does no harm.
func (t target) render(p *plan.Plan) rendering {
	files, diags := t.Files(p)
	if t.offered && diags.HasErrors() {
		return rendering{diags: hcl.Diagnostics{leftOut(t, diags)}}
	}
	for _, d := range diags {
		if d.Subject == nil {
			d.Subject = t.decl
		}
	}
	return rendering{files, diags}
}

// leftOut is the warning in place of an offered target's errors.
func leftOut(t target, diags hcl.Diagnostics) *hcl.Diagnostic {
	first := diags[slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError })]
	return finding.TargetLeftOut.Warning(first.Subject,
		"Target %s does not take the plan: %s It is a default target, so the others are rendered without it. Write a target block for each target that is wanted.", t.kind, first.Detail)
}

// misplaced says what is wrong with an output path: it leaves the output
// folder, or another file has it.
func misplaced(path string, t target, owner map[string]target) *hcl.Diagnostic {
	if !outputFile(path) {
		return finding.InvalidSetting.Error(t.decl,
			"Target %q wants to write %q. Paths are relative to the output folder, use slashes, and have no \".\" or \"..\" in them.", t.kind, path)
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
	remedy := "Remove one of them."
	if t.kind == "template" || first.kind == "template" { // no other has an output
		remedy = "Change the output of one of them, or remove it."
	}
	return finding.FileConflict.Error(cmp.Or(t.decl, first.decl),
		"Target %q writes %q, but target %q%s writes %q already. %s", t.kind, path, first.kind, where, other, remedy)
}
