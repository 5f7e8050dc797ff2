package generators

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Version is in the header of every generated file: the same spec, lock
// and version give the same bytes.
const Version = "0.1.0"

// File is one generated file. Path is slash-separated and relative to the
// output folder.
type File struct {
	Path    string
	Content []byte
	Private bool   // it may hold passwords: for its owner only
	Target  string // the kind of the target that made it; set by Project.Files
}

// Target renders a Plan in one format. Its concrete type is a struct with
// gohcl tags: the settings of its target block are decoded into it before
// Files is called.
type Target interface {
	// Files renders the plan, which it only reads: targets run side by side.
	// What the format or its platform cannot hold (a quota, a name) comes back
	// as a diagnostic; with an error no file is written.
	Files(*plan.Plan) ([]File, hcl.Diagnostics)
}

// placing is a Target whose platform has some ports only, on which all data ranges
// are placed; zero: it has all.
type placing interface {
	within() spec.PortRange
}

// Kind is a registered sort of target.
type Kind struct {
	Name string // the label of its block
	// Default: rendered if a spec has no target block, or default_targets = true.
	Default bool
	// IfFits: as a default it is left out, with a warning, if the plan does
	// not fit its platform. A default must not keep the
	// others from being rendered.
	IfFits bool
	// Ranks: its rules have priorities of their own, which the lock keeps.
	Ranks bool
	// Reserves: it keeps the kernel from giving out data ports as ephemeral ones.
	Reserves bool
	// HostFiles are the files without an extension that it writes to a host's
	// folder, where sites have folders of their names.
	HostFiles []string
	// Settings describe the arguments of its block, for its struct's tags to decode.
	Settings []spec.Argument
	// New returns a pointer to a settings struct with its defaults filled in.
	New func() Target
}

var kinds = map[string]Kind{}

// register adds a target. Each target's file calls it from init.
func register(k Kind) {
	if _, twice := kinds[k.Name]; twice {
		panic("target registered twice: " + k.Name)
	}
	kinds[k.Name] = k
}

// Kinds returns all targets, sorted by name.
func Kinds() []Kind {
	return slices.SortedFunc(maps.Values(kinds), func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
}

// specKinds is what package spec must know of the targets.
func specKinds() []spec.TargetKind {
	var all []spec.TargetKind
	for _, k := range Kinds() {
		all = append(all, spec.TargetKind{Name: k.Name, Default: k.Default, Reserves: k.Reserves, HostFiles: k.HostFiles, Settings: k.Settings})
	}
	return all
}

// Configures reports whether a target writes the config of a server, by the name
// of its profile: a server's target bears that name, and a profile of a spec's
// own has none.
func Configures(server string) bool {
	_, target := kinds[server]
	_, known := sizing.Lookup(server)
	return target && known
}
