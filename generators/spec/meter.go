package spec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Limits of evaluation. Loops and locals can make much of little text: three
// nested for expressions over a thousand elements, a string doubled in thirty
// locals, try() within try(), which HCL evaluates twice a level.
const (
	maxWork     = 8 << 20 // units: 1 a value, 1 for 64 bytes of text, and:
	evaluation  = 16
	maxString   = 1 << 20
	maxElements = 65_536
	maxDepth    = 100 // of values in values
	typeNode    = 8   // units for a type without a value
	pairs       = 64  // a unit for so many comparisons of one element with another
)

// meter bounds what the expressions of one spec may compute. Every operand,
// argument, element and loop body that is not a literal is measured as it is
// evaluated; beyond the limit, evaluation stops with one diagnostic.
type meter struct {
	// report takes the diagnostic directly: as an expression's own, try()
	// would swallow it.
	report   func(at *hcl.Range, summary, detail string)
	work     int
	reported bool
}

// metered is an expression under a meter. The parentheses make the inner
// expression a child that hclsyntax.Walk still visits.
type metered struct {
	*hclsyntax.ParenthesesExpr
	m *meter
	// compared: an operator or a function takes the value, which may compare
	// what is in it, level by level and element by element.
	compared bool
}

// UnwrapExpression lets hcl's static analysis (type constraints, literal
// lists) see the expression itself.
func (e *metered) UnwrapExpression() hcl.Expression { return e.Expression }

func (e *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if e.m.work > maxWork {
		e.m.exceeded(e.SrcRange, tooMuchWork)
		return cty.DynamicVal, nil
	}
	e.m.work += evaluation
	val, diags := e.ParenthesesExpr.Value(ctx)
	if problem := e.m.measure(val, e.compared); problem != "" {
		e.m.exceeded(e.SrcRange, problem)
		return cty.DynamicVal, diags
	}
	return val, diags
}

const tooMuchWork = "The expressions of this spec compute too much: a loop within loops, or a value that grows from local to local."

// exceeded reports the first excess and ends evaluation. Later ones are its
// consequences; the value is unknown then.
func (m *meter) exceeded(at hcl.Range, problem string) {
	m.work = maxWork + 1
	if !m.reported {
		m.reported = true
		m.report(&at, "Value too large", problem+" Write it with fewer or smaller values.")
	}
}

// measure adds the size of val to the work done and says what is too large.
func (m *meter) measure(val cty.Value, compared bool) (problem string) {
	return m.measureAt(val, compared, 1)
}

func (m *meter) measureAt(val cty.Value, compared bool, depth int) (problem string) {
	val, _ = val.Unmark()
	if m.work++; compared {
		m.work += depth
	}
	ty := val.Type()
	switch {
	case val.IsNull() || !val.IsKnown():
		m.measureType(ty)
	case ty == cty.String:
		n := len(val.AsString())
		m.work += n / 64
		if n > maxString {
			return fmt.Sprintf("A text of %s bytes is made here, more than the %s that are allowed.", thousands(n), thousands(maxString))
		}
	case ty == cty.Number:
		// A decimal exponent is between three and four binary ones.
		f := val.AsBigFloat()
		if exponent := f.MantExp(nil); f.IsInf() || exponent > 4*maxExponent || exponent < -4*maxExponent {
			return fmt.Sprintf("A division by zero, or a number beyond 10 to the power of %d, is made here.", maxExponent)
		}
	case ty.IsCollectionType() || ty.IsTupleType() || ty.IsObjectType():
		return m.measureElements(val, compared, depth)
	}
	if m.work > maxWork {
		return tooMuchWork
	}
	return ""
}

func (m *meter) measureElements(val cty.Value, compared bool, depth int) (problem string) {
	n, ty := val.LengthInt(), val.Type()
	switch {
	case n > maxElements:
		return fmt.Sprintf("A collection of %s elements is made here, more than the %s that are allowed.", thousands(n), thousands(maxElements))
	case depth > maxDepth:
		return fmt.Sprintf("Values are nested more than %d levels deep here.", maxDepth)
	case n == 0:
		m.measureType(ty)
	case compared && (ty.IsTupleType() || ty.IsObjectType()):
		// Conversion to a list or map compares the types of all elements with
		// each other (cty, convert.sortTypes).
		m.work += n * n / pairs
	}
	if m.work > maxWork {
		return tooMuchWork
	}
	for it := val.ElementIterator(); it.Next(); {
		_, element := it.Element()
		if problem := m.measureAt(element, compared, depth+1); problem != "" {
			return problem
		}
	}
	return ""
}

// measureType counts a type that no value stands for: one can be built in
// locals that doubles with each, around an empty list.
func (m *meter) measureType(ty cty.Type) {
	if m.work += typeNode; m.work > maxWork {
		return
	}
	switch {
	case ty.IsCollectionType():
		m.measureType(ty.ElementType())
	case ty.IsTupleType():
		for _, element := range ty.TupleElementTypes() {
			m.measureType(element)
		}
	case ty.IsObjectType():
		for _, attr := range ty.AttributeTypes() {
			m.measureType(attr)
		}
	}
}

// install puts the expressions within body under the meter.
func (m *meter) install(body *hclsyntax.Body) {
	// The visitor reports nothing, so neither does the walk.
	_ = hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
		m.wrapChildren(node)
		return nil
	})
}

// wrapChildren covers every node that builds a value out of other values.
// TemplateWrapExpr and ParenthesesExpr pass theirs through, a splat's Each is
// bounded by its source, and an object's key must stay what it is.
func (m *meter) wrapChildren(node hclsyntax.Node) {
	switch e := node.(type) {
	case *hclsyntax.TupleConsExpr:
		m.wrapAll(e.Exprs, false)
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			m.wrap(&e.Items[i].ValueExpr, false)
		}
	case *hclsyntax.TemplateExpr:
		m.wrapAll(e.Parts, false)
	case *hclsyntax.FunctionCallExpr:
		m.wrapAll(e.Args, true)
	case *hclsyntax.ForExpr:
		m.wrap(&e.CollExpr, false)
		m.wrap(&e.KeyExpr, false)
		m.wrap(&e.ValExpr, false)
		m.wrap(&e.CondExpr, false)
	case *hclsyntax.ConditionalExpr:
		m.wrap(&e.Condition, false)
		m.wrap(&e.TrueResult, false)
		m.wrap(&e.FalseResult, false)
	case *hclsyntax.BinaryOpExpr:
		m.wrap(&e.LHS, true)
		m.wrap(&e.RHS, true)
	case *hclsyntax.UnaryOpExpr:
		m.wrap(&e.Val, false)
	case *hclsyntax.IndexExpr:
		m.wrap(&e.Collection, false)
		m.wrap(&e.Key, false)
	case *hclsyntax.SplatExpr:
		m.wrap(&e.Source, false)
	case *hclsyntax.RelativeTraversalExpr:
		m.wrap(&e.Source, false)
	}
}

func (m *meter) wrapAll(exprs []hclsyntax.Expression, compared bool) {
	for i := range exprs {
		m.wrap(&exprs[i], compared)
	}
}

func (m *meter) wrap(expr *hclsyntax.Expression, compared bool) {
	switch e := (*expr).(type) {
	case nil, *hclsyntax.LiteralValueExpr, *hclsyntax.AnonSymbolExpr, *hclsyntax.ExprSyntaxError, *metered:
		return
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return
		}
	}
	*expr = &metered{&hclsyntax.ParenthesesExpr{Expression: *expr, SrcRange: (*expr).Range()}, m, compared}
}
