package spec

import (
	"fmt"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
)

var settingsBlock = &Block{
	Type: "pasvctl", Doc: "What a spec says of itself.", Most: 1,
	Arguments: []Argument{
		{Name: "name", Type: Text, Otherwise: "none", Example: `"edge"`,
			Doc: "Names the spec in the headers of its files. Specs that share an output folder need a name each."},
		{Name: "required_version", Type: Text, Otherwise: "any version", Example: `">= 0.1.0, < 2.0.0"`,
			Doc: "Versions of pasvctl that may read the spec, as Terraform writes them: any other refuses it."},
		{Name: "default_targets", Type: Bool, Default: false, Example: "true",
			Doc: "Keeps the default targets in addition to the target blocks. Without it, the first target block turns the defaults off."},
	},
}

// decodeSettings reads a pasvctl block, of which a spec has at most one.
func (l *loader) decodeSettings(raw *hcl.Block) {
	b := l.block(raw)
	if first, twice := l.declared["pasvctl"]; twice {
		b.errAt(raw.DefRange, finding.DuplicateArgument, "there is a pasvctl block at %s already. Write both into one.", place(first))
		return
	}
	l.declared["pasvctl"] = raw.DefRange
	b.decode(raw.Body, settingsBlock)
	l.spec.DefaultTargets = b.boolean("default_targets")
	if name, ok := b.text("name"); ok {
		b.checkName(name, b.ranges["name"])
		l.spec.Name = name
	}
	if text, ok := b.text("required_version"); ok {
		switch met, err := l.meets(text); {
		case err != nil:
			b.err("required_version", finding.InvalidChoice, "%q does not say which versions are meant. Write it like \">= 0.1.0\" or \">= 0.1.0, < 2.0.0\".", text)
		case !met:
			b.err("required_version", finding.VersionUnmet, "%s", l.unmet(text))
		}
	}
}

var settingsSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "pasvctl"}}}

var versionSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "required_version"}}}

// supported reports whether the spec admits this version of pasvctl. If a
// literal required_version does not, that is all that is reported: whatever
// else this version finds may be due to what it does not know.
func (l *loader) supported() bool {
	for _, src := range l.bodies {
		content, _, _ := src.body.PartialContent(settingsSchema)
		for _, b := range content.Blocks {
			inner, _, _ := b.Body.PartialContent(versionSchema)
			attr := inner.Attributes["required_version"]
			if attr == nil {
				continue
			}
			val, diags := attr.Expr.Value(nil)
			if diags.HasErrors() || val.Type() != cty.String || val.IsNull() {
				continue // decodeSettings evaluates it with variables, and reports
			}
			if met, err := l.meets(val.AsString()); err == nil && !met {
				at := attr.Expr.Range()
				l.diags = nil
				l.err(&at, finding.VersionUnmet, "pasvctl: "+l.unmet(val.AsString()))
				return false
			}
		}
	}
	return true
}

// meets reports whether this version is among those that text allows.
func (l *loader) meets(text string) (bool, error) {
	allowed, err := version.NewConstraint(text)
	if err != nil {
		return false, err
	}
	own, err := version.NewVersion(l.o.Version)
	return err == nil && allowed.Check(own), err
}

func (l *loader) unmet(text string) string {
	return fmt.Sprintf("required_version is %q, and this is pasvctl %s. Run a version that it allows, or change it.", text, l.o.Version)
}
