package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// TrafficBlock and BurstBlock describe the blocks that ReadTraffic reads.
var (
	TrafficBlock = trafficBlock
	BurstBlock   = burstBlock
)

// ReadTraffic reads a traffic block, and the burst blocks in it, from a command
// line: arguments by name with their values as text, durations without quotes.
// PerAddress is how many sessions one address may have; 0 is any number. Mistakes
// are diagnostics as in a spec.
func ReadTraffic(arguments map[string]string, bursts []map[string]string, perAddress int) (*sizing.Traffic, hcl.Diagnostics) {
	body := bodyOf(arguments)
	for _, burst := range bursts {
		body.Blocks = append(body.Blocks, &hclsyntax.Block{Type: burstBlock.Type, Body: bodyOf(burst)})
	}
	l := newLoader(nil, Options{})
	b := l.block(&hcl.Block{Type: trafficBlock.Type})
	b.decode(body, trafficBlock)
	return decodeTraffic(b, 0, perAddress), l.diags
}

func bodyOf(arguments map[string]string) *hclsyntax.Body {
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	for name, value := range arguments {
		body.Attributes[name] = &hclsyntax.Attribute{Name: name, Expr: &hclsyntax.LiteralValueExpr{Val: cty.StringVal(value)}}
	}
	return body
}

// DefaultObjective is the objective of a site without an objective block.
func DefaultObjective(server sizing.Profile) sizing.Objective { return decodeObjective(nil, server) }
