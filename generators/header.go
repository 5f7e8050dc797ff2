package generators

import (
	"strings"
	"unicode"

	"github.com/pasvctl/pasvctl/generators/plan"
)

// header is the first line of every generated file whose format has comments:
// what made it and from which spec. It bears no date, so that the same spec
// gives the same bytes. The comment mark ("#" in most formats) starts the line;
// no line break is appended.
func header(p *plan.Plan, comment string) string {
	return comment + " Made by pasvctl " + Version + " from " + oneLine(p.SpecName) +
		"; do not edit: change the spec and generate it again."
}

// oneLine keeps a text that goes into a comment from ending it: a file name
// may hold line breaks.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
