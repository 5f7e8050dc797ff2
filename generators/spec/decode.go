package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// maxDynamic bounds the blocks that all dynamic blocks of a spec make.
const maxDynamic = 50_000

// rawFile is the schema of a file's top level.
type rawFile struct {
	Settings  []rawUnnamed `hcl:"pasvctl,block"`
	Variables []rawBlock   `hcl:"variable,block"`
	Locals    []rawUnnamed `hcl:"locals,block"`
	Hosts     []rawBlock   `hcl:"host,block"`
	Sites     []rawBlock   `hcl:"site,block"`
	Gateways  []rawBlock   `hcl:"gateway,block"`
	Targets   []rawBlock   `hcl:"target,block"`
	Profiles  []rawBlock   `hcl:"profile,block"`
	Expects   []rawBlock   `hcl:"expect,block"`
}

// rawUnnamed is a block without a label.
type rawUnnamed struct {
	DefRange hcl.Range `hcl:",def_range"`
	Body     hcl.Body  `hcl:",remain"`
}

// decode turns the blocks into the Spec. In all files, what is referred to
// comes before what refers to it: sites to hosts and profiles, gateways and
// expectations to sites.
func (l *loader) decode() {
	files := make([]rawFile, len(l.bodies))
	made := 0
	limit := dynblock.OptCheckForEach(func(each cty.Value, expr hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
		return l.checkForEach(each, expr, &made)
	})
	for i, src := range l.bodies {
		l.add(gohcl.DecodeBody(dynblock.Expand(src.body, l.ctx, limit), l.ctx, &files[i])...)
	}
	for i := range files {
		for j := range files[i].Settings {
			l.decodeSettings(&files[i].Settings[j])
		}
	}
	each := func(blocks func(*rawFile) []rawBlock, decode func(*rawBlock)) {
		for i := range files {
			of := blocks(&files[i])
			for j := range of {
				decode(&of[j])
			}
		}
	}
	each(func(f *rawFile) []rawBlock { return f.Hosts }, l.decodeHost)
	each(func(f *rawFile) []rawBlock { return f.Profiles }, l.decodeProfile)
	each(func(f *rawFile) []rawBlock { return f.Targets }, l.decodeTarget)
	each(func(f *rawFile) []rawBlock { return f.Sites }, l.decodeSite)
	each(func(f *rawFile) []rawBlock { return f.Gateways }, l.decodeGateway)
	each(func(f *rawFile) []rawBlock { return f.Expects }, l.decodeExpect)
	l.checkPorts()
	l.checkAnySite(files)
}

// consequence is an error that stops HCL and is not reported, because its
// cause has been.
var consequence = finding.InvalidExpression.Error(nil, "")

// checkForEach bounds what dynamic blocks make, and stops at a value that
// failed elsewhere instead of making blocks out of it.
func (l *loader) checkForEach(each cty.Value, expr hcl.Expression, made *int) hcl.Diagnostics {
	each, _ = each.Unmark()
	switch {
	case !each.IsKnown():
		return hcl.Diagnostics{consequence}
	case each.IsNull() || !each.CanIterateElements():
		return nil // dynblock reports these
	default:
		*made += each.LengthInt()
	}
	if *made <= maxDynamic {
		return nil
	}
	at := expr.Range()
	return hcl.Diagnostics{finding.SpecTooComplex.Error(&at, "The dynamic blocks of this spec make more than %s blocks. Split the spec.", sizing.Count(maxDynamic))}
}

// checkAnySite reports a spec that asks for nothing, unless something else is
// wrong with it already.
func (l *loader) checkAnySite(files []rawFile) {
	for i := range files {
		if len(files[i].Sites) > 0 {
			return
		}
	}
	if l.diags.HasErrors() {
		return
	}
	var at *hcl.Range
	if len(l.bodies) > 0 {
		at = l.bodies[0].body.MissingItemRange().Ptr()
	}
	l.err(at, finding.NoSite, `The spec has no site block, so there is nothing to compute. Add one: site "downloads" { host = …, server = …, port = 21, concurrency { sessions = 100 } }.`)
}
