package spec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// declarationSchema finds the blocks that give names to values. They are read
// before anything else, and no dynamic block can make them.
var declarationSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
}}

// declare collects the variables and locals of all files.
func (l *loader) declare() {
	for _, src := range l.bodies {
		// What is wrong with the other blocks is reported when they are decoded.
		content, _, _ := src.body.PartialContent(declarationSchema)
		for _, b := range content.Blocks {
			switch b.Type {
			case "variable":
				l.declareVariable(b)
			case "locals":
				l.declareLocals(b)
			}
		}
		for _, b := range src.body.Blocks {
			if b.Type == "dynamic" && len(b.Labels) > 0 && (b.Labels[0] == "variable" || b.Labels[0] == "locals") {
				l.err(&b.LabelRanges[0], finding.UnsupportedArgument, fmt.Sprintf("A %s block cannot be made by a dynamic block, because dynamic blocks depend on its values. Write it out.", b.Labels[0]))
			}
		}
	}
}

// checkReferences reports every var.x and local.x that nothing declares, once
// at each place, with the nearest name that is declared. Evaluation takes
// such names as unknown, so that nothing is reported twice.
func (l *loader) checkReferences() {
	l.declare()
	for _, src := range l.bodies {
		l.checkBodyReferences(src.body)
	}
}

func (l *loader) checkBodyReferences(body *hclsyntax.Body) {
	for _, attr := range body.Attributes {
		for _, traversal := range attr.Expr.Variables() {
			l.checkReference(traversal)
		}
	}
	for _, b := range body.Blocks {
		l.checkBodyReferences(b.Body)
	}
}

func (l *loader) checkReference(traversal hcl.Traversal) {
	root := traversal.RootName()
	if root != "var" && root != "local" {
		return
	}
	at := traversal.SourceRange()
	var step hcl.TraverseAttr
	ok := len(traversal) > 1
	if ok {
		step, ok = traversal[1].(hcl.TraverseAttr)
	}
	if !ok {
		l.err(&at, finding.UnknownReference, fmt.Sprintf("%q needs the name of a value after a dot, like %s.name.", root, root))
		return
	}
	if root == "var" && l.declaredVars[step.Name] == nil {
		l.undeclaredVars[step.Name] = true
		l.undeclared(at, "variable", step.Name, namesOf(l.declaredVars), "with a variable block")
	}
	if root == "local" && l.declaredLocals[step.Name] == nil {
		l.undeclaredLocals[step.Name] = true
		l.undeclared(at, "local value", step.Name, namesOf(l.declaredLocals), "in a locals block")
	}
}

func (l *loader) undeclared(at hcl.Range, kind, name string, candidates []string, remedy string) {
	if len(l.broken) == 0 { // else a syntax error may have hidden the declaration
		l.err(&at, finding.UnknownReference, fmt.Sprintf("No %s %q is declared.%s Declare it %s, or correct the name.", kind, name, l.suggest(name, candidates), remedy))
	}
}
