package generators

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Project is a spec with its plan and the targets it asks for, checked.
type Project struct {
	Spec  *spec.Spec
	Plan  *plan.Plan
	Lock  *plan.Lock  // as it is to be written beside the spec
	Moves []plan.Move // against the lock that lay there
	// LeftOut are the default targets that are not rendered, because the spec
	// has blocks for others.
	LeftOut []string

	targets []target
	watch   Watch
}

// Options are the values that a spec's variables get.
type Options struct {
	// Vars are values given by name, as raw text. They win over the rest.
	Vars map[string]string
	// VarFiles are files of values; of two that set a variable the later wins.
	VarFiles []spec.VarFile
	// Env are values from the environment, by the name of the variable.
	Env map[string]string
	// Earlier: the spec is an earlier state of one that the values are for. Those of
	// variables that it does not have are ignored.
	Earlier bool
	// Partial: the names are not all spec files of their folder, so that the
	// lock may know sites of another spec, and keeps them.
	Partial bool
	// Watch, if it is not nil, is called before the text of a spec or of a
	// user's template is evaluated, which may take for ever, and what it returns
	// is called after that.
	Watch Watch
}

// Watch is called with what is evaluated, and its result when that is done; it may be nil.
type Watch func(what string) (done func())

func (w Watch) begin(what string) (done func()) {
	if w == nil {
		return func() {}
	}
	return w(what)
}

// Load reads the named files of fsys as one spec, with the lock in the
// folder of the first of them, plans it, and decodes the settings of its targets.
// The mistakes of all three are reported in one run, in the order of the
// sources.
//
// The Project is never nil, and Spec.Files has every source that a diagnostic
// points into. With an error nothing else of it is of use.
func Load(fsys fs.FS, names []string, o Options) (*Project, hcl.Diagnostics) {
	evaluated := o.Watch.begin("evaluating the spec")
	s, diags := spec.Load(fsys, names, spec.Options{
		Version:  Version,
		Servers:  sizing.Profiles(),
		Targets:  specKinds(),
		Vars:     o.Vars,
		VarFiles: o.VarFiles,
		Env:      o.Env,
		Earlier:  o.Earlier,
	})
	diags = append(diags, bases(fsys, s)...)
	lock, more := readLock(fsys, names, s)
	evaluated()
	diags = append(diags, more...)
	if lock != nil {
		lock.Shared = o.Partial
	}
	p := &Project{Spec: s, watch: o.Watch}
	p.targets, p.LeftOut, more = targets(s)
	diags = append(diags, more...)
	for _, t := range p.targets {
		if placed, is := t.Target.(placing); is && placed.within().First > 0 {
			s.Within = placed.within()
		}
	}
	var placement *plan.Placement
	p.Plan, placement, more = plan.Build(s, lock)
	diags = append(diags, more...)
	if !diags.HasErrors() {
		p.Lock, p.Moves = placement.Lock, placement.Moves
		if !slices.ContainsFunc(p.targets, func(t target) bool { return kinds[t.kind].Ranks }) {
			p.Lock.ForgetRanks()
		}
	}
	return p, finding.InOrder(diags)
}

// readLock reads the lock beside the spec; nil if there is none.
func readLock(fsys fs.FS, names []string, s *spec.Spec) (*plan.Lock, hcl.Diagnostics) {
	if len(names) == 0 {
		return nil, nil
	}
	name := path.Join(path.Dir(slices.Min(names)), plan.LockFile)
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var text []byte
	if err == nil {
		defer file.Close()
		text, err = io.ReadAll(io.LimitReader(file, plan.MaxLockBytes+1))
	}
	if err != nil {
		return nil, hcl.Diagnostics{finding.LockUnreadable.Error(nil, "%s. Without it pasvctl would choose every range again.", err)}
	}
	s.Files[name] = &hcl.File{Bytes: text}
	return plan.ParseLock(text, name)
}
