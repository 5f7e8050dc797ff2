package generators

import (
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/templates"
)

// header is the first line of every generated file whose format has comments:
// what made it and from which spec. It bears no date, so that the same spec
// gives the same bytes. The comment mark ("#" in most formats) starts the line;
// no line break is appended.
func header(p *plan.Plan, comment string) string {
	return comment + " Made by pasvctl " + Version + " from " + templates.Comment(p.SpecName) +
		"; do not edit: change the spec and generate it again."
}
