package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// maxDynamic bounds the blocks that all dynamic blocks of a spec make.
const maxDynamic = 50_000

// Language is the top level of a spec: all blocks, with all their arguments.
var Language = &Block{Blocks: []*Block{
	settingsBlock, variableBlock, localsBlock, hostBlock, siteBlock, movedBlock, gatewayBlock, targetBlock, profileBlock, expectBlock,
}}

// decode turns the blocks into the Spec. In all files, what is referred to
// comes before what refers to it: sites to hosts and profiles, gateways and
// expectations to sites.
func (l *loader) decode() {
	made := 0
	limit := dynblock.OptCheckForEach(func(each cty.Value, expr hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
		return l.checkForEach(each, expr, &made)
	})
	var blocks hcl.Blocks
	for _, src := range l.bodies {
		content, diags := Language.Content(dynblock.Expand(src.body, l.ctx, limit), nil)
		l.markUnread(src.body, diags)
		l.add(slices.DeleteFunc(diags, l.onBrokenLine)...)
		blocks = append(blocks, content.Blocks...)
	}
	byType := blocks.ByType()
	for _, kind := range []struct {
		def    *Block
		decode func(*hcl.Block)
	}{
		{settingsBlock, l.decodeSettings}, {hostBlock, l.decodeHost}, {profileBlock, l.decodeProfile}, {targetBlock, l.decodeTarget},
		{siteBlock, l.decodeSite}, {movedBlock, l.decodeMoved}, {gatewayBlock, l.decodeGateway}, {expectBlock, l.decodeExpect},
	} {
		for _, raw := range byType[kind.def.Type] {
			kind.decode(raw)
		}
	}
	l.checkPorts()
	l.checkMoved()
	l.checkAnySite(len(byType[siteBlock.Type]))
}

// onBrokenLine reports whether a diagnostic is of a line with a syntax error.
func (l *loader) onBrokenLine(d *hcl.Diagnostic) bool {
	return d.Subject != nil && l.brokenLines[lineOf(d.Subject)]
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

const exampleSite = `

site "downloads" {
  host   = %q
  server = %s
  port   = 21

  concurrency {
    sessions = 100
  }
}`

// checkAnySite reports a spec that asks for nothing, unless something else is
// wrong with it already.
func (l *loader) checkAnySite(sites int) {
	if sites > 0 || l.diags.HasErrors() {
		return
	}
	var at *hcl.Range
	if len(l.bodies) > 0 {
		at = l.bodies[0].body.MissingItemRange().Ptr()
	}
	host, name := "", "edge1"
	if len(l.spec.Hosts) > 0 {
		name = l.spec.Hosts[0].Name
	} else {
		host = fmt.Sprintf("\n\nhost %q {\n  addresses = [\"203.0.113.10\"]\n}", name)
	}
	l.err(at, finding.NoSite, "The spec has no site block, so there is nothing to compute. Add one, for example:"+host+fmt.Sprintf(exampleSite, name, siteBlock.argument("server").Example))
}
