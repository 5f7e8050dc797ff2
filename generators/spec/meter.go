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
	maxWork     = 32 << 20 // units: 16 an evaluation, 1 a value, 1 for 64 bytes of text
	evaluation  = 16
	maxString   = 1 << 20
	maxElements = 65_536
)

// meter bounds what the expressions of one spec may compute. Every operand,
// argument, element and loop body that is not a literal is measured as it is
// evaluated; beyond the limit, evaluation stops with one diagnostic.
type meter struct {
	work     int
	reported bool
}

// metered is an expression under a meter. The parentheses make the inner
// expression a child that hclsyntax.Walk still visits.
type metered struct {
	*hclsyntax.ParenthesesExpr
	m *meter
}

// UnwrapExpression lets hcl's static analysis (type constraints, literal
// lists) see the expression itself.
func (e *metered) UnwrapExpression() hcl.Expression { return e.Expression }

func (e *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if e.m.work > maxWork {
		return e.m.exceeded(e.SrcRange, "The expressions of this spec compute too much: a loop within loops, or a value that grows from local to local.")
	}
	e.m.work += evaluation
	val, diags := e.ParenthesesExpr.Value(ctx)
	if problem := e.m.measure(val); problem != "" {
		return e.m.exceeded(e.SrcRange, problem)
	}
	return val, diags
}

// exceeded reports the first excess. Later ones are its consequences and
// yield an unknown value in silence.
func (m *meter) exceeded(at hcl.Range, problem string) (cty.Value, hcl.Diagnostics) {
	m.work = maxWork + 1
	if m.reported {
		return cty.DynamicVal, nil
	}
	m.reported = true
	return cty.DynamicVal, hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Value too large",
		Detail:   problem + " Write it with fewer or smaller values.",
		Subject:  &at,
	}}
}

// measure adds the size of val to the work done.
func (m *meter) measure(val cty.Value) (problem string) {
	val, _ = val.Unmark()
	m.work++
	if m.work > maxWork {
		return "The expressions of this spec compute too much: a loop within loops, or a value that grows from local to local."
	}
	ty := val.Type()
	switch {
	case val.IsNull() || !val.IsKnown():
	case ty == cty.String:
		n := len(val.AsString())
		m.work += n / 64
		if n > maxString {
			return fmt.Sprintf("A text of %d bytes is made here, more than the %d that are allowed.", n, maxString)
		}
	case ty == cty.Number:
		if exponent := val.AsBigFloat().MantExp(nil); exponent > 4*maxExponent || exponent < -4*maxExponent {
			return "A number beyond 10 to the power of 300 is made here."
		}
	case ty.IsCollectionType() || ty.IsTupleType() || ty.IsObjectType():
		return m.measureElements(val)
	}
	return ""
}

func (m *meter) measureElements(val cty.Value) (problem string) {
	if val.LengthInt() > maxElements {
		return fmt.Sprintf("A collection of %d elements is made here, more than the %d that are allowed.", val.LengthInt(), maxElements)
	}
	for it := val.ElementIterator(); it.Next(); {
		_, element := it.Element()
		if problem := m.measure(element); problem != "" {
			return problem
		}
	}
	return ""
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
		m.wrapAll(e.Exprs)
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			m.wrap(&e.Items[i].ValueExpr)
		}
	case *hclsyntax.TemplateExpr:
		m.wrapAll(e.Parts)
	case *hclsyntax.FunctionCallExpr:
		m.wrapAll(e.Args)
	case *hclsyntax.ForExpr:
		m.wrap(&e.CollExpr)
		m.wrap(&e.KeyExpr)
		m.wrap(&e.ValExpr)
		m.wrap(&e.CondExpr)
	case *hclsyntax.ConditionalExpr:
		m.wrap(&e.Condition)
		m.wrap(&e.TrueResult)
		m.wrap(&e.FalseResult)
	case *hclsyntax.BinaryOpExpr:
		m.wrap(&e.LHS)
		m.wrap(&e.RHS)
	case *hclsyntax.UnaryOpExpr:
		m.wrap(&e.Val)
	case *hclsyntax.IndexExpr:
		m.wrap(&e.Collection)
		m.wrap(&e.Key)
	case *hclsyntax.SplatExpr:
		m.wrap(&e.Source)
	case *hclsyntax.RelativeTraversalExpr:
		m.wrap(&e.Source)
	}
}

func (m *meter) wrapAll(exprs []hclsyntax.Expression) {
	for i := range exprs {
		m.wrap(&exprs[i])
	}
}

func (m *meter) wrap(expr *hclsyntax.Expression) {
	switch e := (*expr).(type) {
	case nil, *hclsyntax.LiteralValueExpr, *hclsyntax.AnonSymbolExpr, *hclsyntax.ExprSyntaxError, *metered:
		return
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return
		}
	}
	*expr = &metered{&hclsyntax.ParenthesesExpr{Expression: *expr, SrcRange: (*expr).Range()}, m}
}
