package spec

import (
	"fmt"
	"slices"
	"strings"

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
		l.checkBodyReferences(src.body, Language)
	}
}

func (l *loader) checkBodyReferences(body *hclsyntax.Body, def *Block) {
	for name, attr := range body.Attributes {
		example := "VALUE"
		if _, whole := attr.Expr.(*hclsyntax.ScopeTraversalExpr); whole {
			example = def.exampleOf(name)
		}
		for _, traversal := range attr.Expr.Variables() {
			l.checkReference(traversal, example)
		}
	}
	for _, b := range body.Blocks {
		l.checkBodyReferences(b.Body, def.find(b.Type))
	}
}

// exampleOf is an example of an argument's value.
func (d *Block) exampleOf(name string) string {
	if d != nil {
		for _, arg := range d.Arguments {
			if arg.Name == name {
				return arg.Example
			}
		}
	}
	return "VALUE"
}

// checkReference reports a reference that nothing declares. example is a value
// that it may stand for.
func (l *loader) checkReference(traversal hcl.Traversal, example string) {
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
		l.undeclared(at, "variable", step.Name, namesOf(l.declaredVars), fmt.Sprintf("variable %q { default = %s }", step.Name, example))
	}
	if root == "local" && l.declaredLocals[step.Name] == nil {
		l.undeclaredLocals[step.Name] = true
		l.undeclared(at, "local value", step.Name, namesOf(l.declaredLocals), fmt.Sprintf("locals { %s = %s }", step.Name, example))
	}
}

func (l *loader) undeclared(at hcl.Range, kind, name string, candidates []string, remedy string) {
	if len(l.broken) == 0 { // else a syntax error may have hidden the declaration
		l.err(&at, finding.UnknownReference, fmt.Sprintf("No %s %q is declared.%s Declare it, %s, or correct the name.", kind, name, l.suggest(name, candidates), remedy))
	}
}

// unknownWord says of a word without quotes that names nothing what it may be
// meant for.
func unknownWord(d *hcl.Diagnostic) *hcl.Diagnostic {
	expr, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr)
	if !ok || d.Summary != "Unknown variable" && d.Summary != "Variables not allowed" {
		return d
	}
	said, name := *d, expr.Traversal.RootName()
	if len(expr.Traversal) > 1 {
		if step, ok := expr.Traversal[1].(hcl.TraverseAttr); ok && slices.ContainsFunc(Language.Blocks, func(b *Block) bool { return b.Type == name && b.Label != "" }) {
			said.Detail = fmt.Sprintf("A %s is named by its label in quotes. Write %q.", name, step.Name)
			return &said
		}
		if d.Summary != "Unknown variable" {
			return d
		}
		text := name // as in base_config = vsftpd.conf
		for _, step := range expr.Traversal[1:] {
			attr, ok := step.(hcl.TraverseAttr)
			if !ok {
				return d
			}
			text += "." + attr.Name
		}
		said.Detail = fmt.Sprintf("Nothing is named %s. Text is in double quotes: write %q.", name, text)
		return &said
	}
	said.Detail = fmt.Sprintf("Nothing is named %s. Text is in double quotes: write %q.", name, name)
	switch strings.ToLower(name) {
	case "yes", "on", "true":
		said.Detail = fmt.Sprintf("Nothing is named %s. Write true.", name)
	case "no", "off", "false":
		said.Detail = fmt.Sprintf("Nothing is named %s. Write false.", name)
	}
	for _, root := range []string{"var", "local"} {
		if d.EvalContext == nil {
			break
		}
		if values, ok := d.EvalContext.Variables[root]; ok && values.Type().IsObjectType() && values.Type().HasAttribute(name) {
			said.Detail = fmt.Sprintf("Nothing is named %s. Write %s.%s.", name, root, name)
		}
	}
	return &said
}

// textAt is the source text at a range.
func textAt(file *hcl.File, at *hcl.Range) string {
	if file == nil || at.End.Byte > len(file.Bytes) || at.Start.Byte > at.End.Byte {
		return ""
	}
	return string(file.Bytes[at.Start.Byte:at.End.Byte])
}
