package spec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// element is one string of a list, with its own place where the list is
// written out.
type element struct {
	text string
	at   hcl.Range
}

func (b *block) list(name string) ([]element, bool) {
	val, ok := b.value(name)
	if !ok {
		return nil, false
	}
	if b.def.argument(name).Type == Clients && val.Type() == cty.String {
		val = cty.TupleVal([]cty.Value{val})
	}
	// Conversion to a list as a whole would compare all elements' types.
	texts, ok := textsOf(val)
	if !ok {
		b.err(name, finding.WrongType, "%s must be a list of strings, and this is %s. Write it like %s.", b.key(name), kindOf(val.Type()), b.def.argument(name).meantBy(val))
		return nil, false
	}
	expr := b.attrs[name].Expr
	var places []hcl.Expression
	if exprs, diags := hcl.ExprList(expr); !diags.HasErrors() && len(exprs) == len(texts) {
		places = exprs
	}
	elements := make([]element, 0, len(texts))
	for i, v := range texts {
		at := expr.Range()
		if places != nil {
			at = places[i].Range()
		}
		if v.IsNull() {
			b.errAt(at, finding.EmptyList, "element %d of %s is null. Leave it out, or use compact().", i+1, b.key(name))
			continue
		}
		if b.fits(fmt.Sprintf("element %d of %s", i+1, b.key(name)), v.AsString(), at) {
			elements = append(elements, element{v.AsString(), at})
		}
	}
	return elements, true
}

// textsOf converts the elements of a list, set or tuple to strings.
func textsOf(val cty.Value) (texts []cty.Value, ok bool) {
	if ty := val.Type(); !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		return nil, false
	}
	texts = val.AsValueSlice()
	for i, element := range texts {
		text, err := convert.Convert(element, cty.String)
		if err != nil {
			return nil, false
		}
		texts[i] = text
	}
	return texts, true
}
