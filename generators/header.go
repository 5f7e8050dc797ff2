package generators

import "github.com/pasvctl/pasvctl/generators/plan"

// header is the first line of every generated file whose format has comments:
// what made it, and the name that the spec gives itself. It bears no date and
// no name of a file or folder: the same spec gives the same bytes. The comment
// mark ("#" in most formats) starts the line; no line break is appended.
func header(p *plan.Plan, comment string) string {
	from := ""
	if p.SpecName != "" {
		from = " from " + p.SpecName
	}
	return comment + " Made by pasvctl " + Version + from + "; do not edit: change the spec and generate it again."
}
