package generators

import (
	"encoding/json"
	"regexp"

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

// awsHeader starts the description of every rule in a file for the AWS command
// line, whose format has no comments.
func awsHeader(specName string) string { return awsText("Made by pasvctl from " + specName + ": ") }

// MadeFrom returns a function that knows a file which any version of pasvctl
// made from the spec of this name. It looks at the first 1,024 bytes at most.
// What a user's own template has written is not known.
func MadeFrom(specName string) func(head []byte) bool {
	inJSON, err := json.Marshal(awsHeader(specName))
	if err != nil {
		panic(err) // a string always marshals
	}
	header := regexp.MustCompile(`(?m)^\W*Made by pasvctl \S+ from ` + regexp.QuoteMeta(templates.Comment(specName)) + `;` +
		`|^\s*"Description": ` + regexp.QuoteMeta(string(inJSON[:len(inJSON)-1])))
	return header.Match
}
