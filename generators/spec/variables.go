package spec

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/pasvctl/pasvctl/generators/finding"
)

var variableBlock = &Block{
	Type: "variable", Label: "name", LabelExample: "region",
	Doc: "A value that --var, --var-file or the environment may set, written var.NAME.",
	Arguments: []Argument{
		{Name: "type", Type: Any, Otherwise: "any type", Example: "list(string)",
			Doc: "Type constraint, as Terraform writes it."},
		{Name: "default", Type: Any, Otherwise: "none: the variable must be set", Example: `["203.0.113.10"]`,
			Doc: "Value if nothing sets the variable."},
		{Name: "description", Type: Text, Otherwise: "none", Example: `"addresses of the edge"`,
			Doc: "For readers of the spec."},
	},
	Blocks: []*Block{validationBlock},
}

var validationBlock = &Block{
	Type: "validation", Doc: "A rule that the variable's value must keep.",
	Arguments: []Argument{
		{Name: "condition", Type: Bool, Example: "length(var.addresses) > 0",
			Required: "Write it.",
			Doc:      "Must be true of the value."},
		{Name: "error_message", Type: Text, Example: `"Name at least one address."`,
			Required: "Write it.",
			Doc:      "What is reported if the condition is false."},
	},
}

var localsBlock = &Block{
	Type: "locals", Doc: "Values for use in the spec: each argument NAME = VALUE is written local.NAME. They may refer to each other.",
}

type validation struct {
	condition, message *hcl.Attribute
	at                 hcl.Range
}

// variable is a variable block with the value that it was given.
type variable struct {
	name        string
	declared    hcl.Range
	ty          cty.Type // cty.DynamicPseudoType if there is no type
	typed       bool
	defaults    *typeexpr.Defaults
	validations []validation
	value       cty.Value // cty.NilVal until something sets it
	from        *hcl.Range
	failed      bool
}

func (l *loader) declareVariable(raw *hcl.Block) {
	name := raw.Labels[0]
	if first, twice := l.declaredVars[name]; twice {
		l.err(&raw.LabelRanges[0], finding.DuplicateName, fmt.Sprintf("The variable %q is already declared at %s. Rename one of them.", name, place(first.declared)))
		return
	}
	v := &variable{name: name, declared: raw.DefRange, ty: cty.DynamicPseudoType}
	l.declaredVars[name] = v
	if !hclsyntax.ValidIdentifier(name) {
		l.err(&raw.LabelRanges[0], finding.InvalidName, fmt.Sprintf("%q cannot be written after var. Use letters, digits and underscores, and begin with a letter.", name))
	}
	decoded, diags := variableBlock.Content(raw.Body, nil)
	l.add(diags...)
	v.failed = diags.HasErrors()
	for _, rule := range decoded.Blocks {
		content, diags := validationBlock.Content(rule.Body, nil)
		l.add(diags...)
		v.failed = v.failed || diags.HasErrors()
		v.validations = append(v.validations, validation{content.Attributes["condition"], content.Attributes["error_message"], rule.DefRange})
	}
	if attr := decoded.Attributes["type"]; attr != nil {
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		for _, d := range diags {
			d.Detail += " Write a type without quotes, like string, number, bool or list(string)."
		}
		l.add(diags...)
		v.failed = v.failed || diags.HasErrors()
		v.ty, v.defaults, v.typed = ty, defaults, true
	}
	if attr := decoded.Attributes["description"]; attr != nil {
		var text string
		l.add(gohcl.DecodeExpression(attr.Expr, nil, &text)...)
	}
	if attr := decoded.Attributes["default"]; attr != nil && !v.failed {
		val, diags := attr.Expr.Value(&hcl.EvalContext{Functions: l.ctx.Functions})
		l.add(diags...)
		if diags.HasErrors() {
			v.failed = true
			return
		}
		l.set(v, val, attr.Expr.Range().Ptr(), "its default")
	}
}

// set converts a value to the variable's type and gives it to the variable.
func (l *loader) set(v *variable, val cty.Value, from *hcl.Range, source string) {
	if v.defaults != nil && val.IsKnown() && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	converted, err := convert.Convert(val, v.ty)
	if err != nil {
		v.failed = true
		l.err(from, finding.WrongType, fmt.Sprintf("The variable %q is of type %s (%s), and the value of %s does not fit: %s.", v.name, typeexpr.TypeString(v.ty), place(v.declared), source, err))
		return
	}
	v.value, v.from = converted, from
}

// evaluateVariables gives each variable its value: the default, unless the
// environment, a file or the command line, in this order, sets another.
func (l *loader) evaluateVariables() {
	for _, name := range namesOf(l.o.Env) {
		if v := l.declaredVars[name]; v != nil {
			l.setRaw(v, l.o.Env[name], "PASVCTL_VAR_"+name)
		}
	}
	for _, file := range l.o.VarFiles {
		l.setFromFile(file)
	}
	for _, name := range namesOf(l.o.Vars) {
		v := l.declaredVars[name]
		if v == nil && l.o.Earlier {
			continue
		}
		if v == nil {
			l.err(nil, finding.UnknownVariable, fmt.Sprintf("--var sets %q, but the spec declares no such variable.%s Remove it, or add a variable block.", name, l.suggest(name, namesOf(l.declaredVars))))
			continue
		}
		l.setRaw(v, l.o.Vars[name], "--var "+name)
	}

	values := map[string]cty.Value{}
	for _, name := range namesOf(l.declaredVars) {
		v := l.declaredVars[name]
		if v.value == cty.NilVal && !v.failed {
			v.failed = true
			l.err(&v.declared, finding.VariableWithoutValue, fmt.Sprintf("The variable %q has no default and nothing sets it. Give it a default, or set it with --var %s=VALUE, in a --var-file, or with PASVCTL_VAR_%s.", name, name, name))
		}
		if values[name] = v.value; v.failed {
			values[name] = cty.DynamicVal
		}
	}
	for name := range l.undeclaredVars {
		values[name] = cty.DynamicVal
	}
	l.ctx.Variables = map[string]cty.Value{"var": cty.ObjectVal(values), "local": cty.EmptyObjectVal}
	for _, name := range namesOf(l.declaredVars) {
		l.validate(l.declaredVars[name])
	}
}

// setRaw sets a variable from raw text: the text itself for a string, and an
// HCL expression for lists, maps and objects.
func (l *loader) setRaw(v *variable, text, source string) {
	name := "<" + source + ">"
	at := &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
	if !strings.Contains(text, "\n") {
		at.End.Byte, at.End.Column = len(text), 1+utf8.RuneCountInString(text)
	}
	l.spec.Files[name] = &hcl.File{Bytes: []byte(text)}
	if diag := checkText(name, []byte(text)); diag != nil || len(text) > maxFile {
		v.failed = true
		l.err(at, finding.NotText, fmt.Sprintf("%s must be text in UTF-8 without NULs, at most %d MiB long.", source, maxFile>>20))
		return
	}
	if !v.typed || v.ty.IsPrimitiveType() {
		if !numberFits(text) && v.ty == cty.Number {
			text = "a number beyond all bounds"
		}
		l.set(v, cty.StringVal(text), at, source)
		return
	}
	if diags := checkLimits(name, []byte(text)); diags.HasErrors() {
		v.failed = true
		l.add(diags...)
		return
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	diags = syntaxErrors([]byte(text), diags)
	if !diags.HasErrors() {
		var val cty.Value
		if val, diags = expr.Value(nil); !diags.HasErrors() {
			l.set(v, val, at, source)
			return
		}
	}
	v.failed = true
	l.add(diags...)
}

func (l *loader) setFromFile(file VarFile) {
	if len(file.Src) > maxFile {
		l.err(nil, finding.FileTooLong, fmt.Sprintf("%s is longer than %d MiB.", file.Name, maxFile>>20))
		return
	}
	body := l.parseFile(file.Name, file.Src)
	if body == nil {
		return
	}
	attrs, diags := body.JustAttributes()
	l.add(diags...)
	for _, name := range namesOf(attrs) {
		attr := attrs[name]
		v := l.declaredVars[name]
		if v == nil && l.o.Earlier {
			continue
		}
		if v == nil {
			l.err(&attr.NameRange, finding.UnknownVariable, fmt.Sprintf("The spec declares no variable %q.%s Remove it, or add a variable block.", name, l.suggest(name, namesOf(l.declaredVars))))
			continue
		}
		val, diags := attr.Expr.Value(nil)
		l.add(diags...)
		if diags.HasErrors() {
			v.failed = true
			continue
		}
		l.set(v, val, attr.Expr.Range().Ptr(), file.Name)
	}
}

// validate checks a variable's value against its own conditions.
func (l *loader) validate(v *variable) {
	for _, rule := range v.validations {
		if rule.condition == nil || rule.message == nil {
			l.err(&rule.at, finding.MissingArgument, fmt.Sprintf("The validation of variable %q needs both condition and error_message.", v.name))
			continue
		}
		if v.failed {
			continue
		}
		var holds bool
		if diags := gohcl.DecodeExpression(rule.condition.Expr, l.ctx, &holds); diags.HasErrors() {
			l.add(diags...)
			continue
		}
		var message string
		if diags := gohcl.DecodeExpression(rule.message.Expr, l.ctx, &message); diags.HasErrors() {
			l.add(diags...)
			continue
		}
		if !holds {
			l.err(v.from, finding.VariableRefused, fmt.Sprintf("%s This is the rule of variable %q at %s.", message, v.name, place(rule.condition.Range)))
		}
	}
}
