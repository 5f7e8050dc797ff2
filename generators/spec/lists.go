package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// element is one string of a list, with its own place where the list is
// written out.
type element struct {
	text string
	at   hcl.Range
}

// list reads a list of strings.
func (b *block) list(name string, attr *hcl.Attribute, example string) ([]element, bool) {
	val, ok := b.value(name, attr, cty.DynamicPseudoType, example)
	if !ok {
		return nil, false
	}
	// Conversion to a list as a whole would compare all elements' types.
	texts, ok := textsOf(val)
	if !ok {
		b.err(name, "Wrong type of "+name, "%s must be a list of strings, and this is %s. Write it like %s.", b.key(name), kindOf(val.Type()), example)
		return nil, false
	}
	var places []hcl.Expression
	if exprs, diags := hcl.ExprList(attr.Expr); !diags.HasErrors() && len(exprs) == len(texts) {
		places = exprs
	}
	return b.elements(name, texts, func(i int) hcl.Range {
		if places != nil {
			return places[i].Range()
		}
		return attr.Expr.Range()
	}), true
}

// oneOrMore reads a string or a list of strings.
func (b *block) oneOrMore(name string, attr *hcl.Attribute, example string) ([]element, bool) {
	val, ok := b.value(name, attr, cty.DynamicPseudoType, example)
	if ok && val.Type() == cty.String {
		return b.elements(name, []cty.Value{val}, func(int) hcl.Range { return attr.Expr.Range() }), true
	}
	return b.list(name, attr, example)
}

// elements takes the strings of a list, without those that no config may have.
func (b *block) elements(name string, texts []cty.Value, place func(i int) hcl.Range) []element {
	elements := make([]element, 0, len(texts))
	for i, v := range texts {
		at := place(i)
		if v.IsNull() {
			b.errAt(at, "Null in "+name, "element %d of %s is null. Leave it out, or use compact().", i+1, b.key(name))
			continue
		}
		if what := controlCharacter(v.AsString()); what != "" {
			b.errAt(at, "Control character in "+name, "element %d of %s contains %s. Write it without control characters and line breaks.", i+1, b.key(name), what)
			continue
		}
		elements = append(elements, element{v.AsString(), at})
	}
	return elements
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
