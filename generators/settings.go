package generators

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// targets decodes the target blocks of a spec. Without one, or if the spec asks
// for them, the default kinds are among the targets; else leftOut names those
// that have no block.
func targets(s *spec.Spec) (all []target, leftOut []string, diags hcl.Diagnostics) {
	asked := map[string]bool{}
	for _, block := range s.Targets {
		t, more := decode(block)
		diags = append(diags, more...)
		all = append(all, t)
		asked[block.Kind] = true
	}
	for _, k := range Kinds() {
		switch {
		case !k.Default || asked[k.Name]:
		case len(s.Targets) > 0 && !s.DefaultTargets:
			leftOut = append(leftOut, k.Name)
		default:
			t, more := unconfigured(k.Name)
			t.offered = k.IfFits
			diags = append(diags, more...)
			all = append(all, t)
		}
	}
	return all, leftOut, diags
}

// target is a Target with the settings of its block.
type target struct {
	Target
	kind string
	decl *hcl.Range // the block's header; nil if the spec has no such block
	// offered: a default that is left out where the plan does not fit it.
	offered bool
}

// placed is what a target has of its block beside the values of its settings:
// their places, and the text of the file that source names.
type placed struct {
	at   spec.Ranges
	text []byte
}

func (p *placed) setPlaces(at spec.Ranges, text []byte) { p.at, p.text = at, text }

// wrong is what is wrong with a setting.
func (p placed) wrong(setting, format string, args ...any) *hcl.Diagnostic {
	return finding.InvalidSetting.Error(p.at.Of(setting), format, args...)
}

// decode reads a target block into a new Target of its kind, which package
// spec has checked.
func decode(t *spec.Target) (target, hcl.Diagnostics) {
	settings := kinds[t.Kind].New()
	diags := finding.Adopt(finding.InvalidExpression, gohcl.DecodeBody(t.Body, t.Eval, settings))
	if s, ok := settings.(interface{ setPlaces(spec.Ranges, []byte) }); ok {
		s.setPlaces(t.Ranges, t.Source)
	}
	return target{Target: settings, kind: t.Kind, decl: &t.DeclRange}, diags
}

// unconfigured returns a target of this kind as an empty block would make it.
func unconfigured(name string) (target, hcl.Diagnostics) {
	kind, known := kinds[name]
	if !known {
		return target{}, hcl.Diagnostics{finding.UnknownTarget.Error(nil, "There is no target %q. %s", name, choices(name, slices.Sorted(maps.Keys(kinds))))}
	}
	settings := kind.New()
	diags := finding.Adopt(finding.MissingArgument, gohcl.DecodeBody(hcl.EmptyBody(), nil, settings))
	for _, d := range diags {
		d.Subject = nil // an empty body stands nowhere
		d.Detail += fmt.Sprintf(" Give the spec a target %q block with it.", name)
	}
	return target{Target: settings, kind: name}, diags
}
