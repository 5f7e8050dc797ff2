package spec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// textFunc makes a function of strings, which it gets by the given names.
func textFunc(description string, ret cty.Type, impl func(args []string) (cty.Value, error), names ...string) function.Function {
	spec := &function.Spec{Description: description, Type: function.StaticReturnType(ret)}
	for _, name := range names {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.String})
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		texts := make([]string, len(args))
		for i, arg := range args {
			texts[i] = arg.AsString()
		}
		return impl(texts)
	}
	return function.New(spec)
}

var (
	startsWithFunc = textFunc("Whether a string begins with a prefix.", cty.Bool, func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.HasPrefix(a[0], a[1])), nil
	}, "str", "prefix")
	endsWithFunc = textFunc("Whether a string ends with a suffix.", cty.Bool, func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.HasSuffix(a[0], a[1])), nil
	}, "str", "suffix")
	strContainsFunc = textFunc("Whether a string contains another.", cty.Bool, func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.Contains(a[0], a[1])), nil
	}, "str", "substr")
	base64EncodeFunc = textFunc("The Base64 form of a string (RFC 4648, section 4).", cty.String, func(a []string) (cty.Value, error) {
		return cty.StringVal(base64.StdEncoding.EncodeToString([]byte(a[0]))), nil
	}, "str")
	base64DecodeFunc = textFunc("The string that a Base64 form stands for.", cty.String, func(a []string) (cty.Value, error) {
		decoded, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "this is not Base64")
		}
		if !utf8.Valid(decoded) {
			return cty.NilVal, function.NewArgErrorf(0, "what it decodes to is not UTF-8")
		}
		return cty.StringVal(string(decoded)), nil
	}, "str")
	urlEncodeFunc = textFunc("A string escaped for use in a URL's query.", cty.String, func(a []string) (cty.Value, error) {
		return cty.StringVal(url.QueryEscape(a[0])), nil
	}, "str")
)

// replaceFunc replaces plain text, or what a pattern between slashes matches.
var replaceFunc = function.New(&function.Spec{
	Description: "Replaces a substring, or what a /regular expression/ matches.",
	Params: []function.Parameter{
		{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String},
	},
	Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		pattern := args[1].AsString()
		if len(pattern) > 1 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") {
			return stdlib.RegexReplace(args[0], cty.StringVal(pattern[1:len(pattern)-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	},
})

// elementsFunc makes a function of one list, set or tuple.
func elementsFunc(description string, ret function.TypeFunc, impl func(elements []cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			ty := args[0].Type()
			if ty != cty.DynamicPseudoType && !ty.IsListType() && !ty.IsSetType() && !ty.IsTupleType() {
				return cty.NilType, function.NewArgErrorf(0, "a list, set or tuple is required")
			}
			return ret(args)
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(ret), nil
			}
			return impl(args[0].AsValueSlice())
		},
	})
}

var sumFunc = elementsFunc("The sum of the numbers of a list; 0 for an empty one.", function.StaticReturnType(cty.Number),
	func(elements []cty.Value) (cty.Value, error) {
		total := cty.Zero
		for i, element := range elements {
			n, err := asNumber(element)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "element %d %s", i, err)
			}
			total = total.Add(n)
		}
		return total, nil
	})

func asNumber(val cty.Value) (cty.Value, error) {
	if val.IsNull() {
		return cty.NilVal, errors.New("is null")
	}
	if val.Type() == cty.String {
		n, err := cty.ParseNumberVal(val.AsString())
		if err != nil {
			return cty.NilVal, fmt.Errorf("is %q, not a number", val.AsString())
		}
		return n, nil
	}
	if val.Type() != cty.Number {
		return cty.NilVal, fmt.Errorf("is %s, not a number", kindOf(val.Type()))
	}
	return val, nil
}

var allTrueFunc = elementsFunc("Whether every element of a list is true.", function.StaticReturnType(cty.Bool),
	func(elements []cty.Value) (cty.Value, error) {
		return countTrue(elements, func(n int) bool { return n == len(elements) })
	})

var anyTrueFunc = elementsFunc("Whether some element of a list is true.", function.StaticReturnType(cty.Bool),
	func(elements []cty.Value) (cty.Value, error) {
		return countTrue(elements, func(n int) bool { return n > 0 })
	})

func countTrue(elements []cty.Value, verdict func(n int) bool) (cty.Value, error) {
	n := 0
	for i, element := range elements {
		if element.IsNull() {
			continue
		}
		if element.Type() != cty.Bool {
			return cty.NilVal, function.NewArgErrorf(0, "element %d is %s, not true or false", i, kindOf(element.Type()))
		}
		if element.True() {
			n++
		}
	}
	return cty.BoolVal(verdict(n)), nil
}

var oneFunc = elementsFunc("The only element of a list, or null if it is empty.", func(args []cty.Value) (cty.Type, error) {
	ty := args[0].Type()
	switch {
	case ty.IsTupleType() && len(ty.TupleElementTypes()) == 1:
		return ty.TupleElementType(0), nil
	case ty.IsCollectionType():
		return ty.ElementType(), nil
	}
	return cty.DynamicPseudoType, nil
}, func(elements []cty.Value) (cty.Value, error) {
	switch len(elements) {
	case 0:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case 1:
		return elements[0], nil
	}
	return cty.NilVal, function.NewArgErrorf(0, "the list has %d elements, but it must have one or none", len(elements))
})

// distinctFunc compares by hash where the standard library's compares each
// element with every other.
var distinctFunc = function.New(&function.Spec{
	Description: "A list without its repeated elements.",
	Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.DynamicPseudoType)}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ret), nil
		}
		seen := cty.NewValueSet(ret.ElementType())
		var kept []cty.Value
		for _, element := range args[0].AsValueSlice() {
			if !seen.Has(element) {
				seen.Add(element)
				kept = append(kept, element)
			}
		}
		if kept == nil {
			return cty.ListValEmpty(ret.ElementType()), nil
		}
		return cty.ListVal(kept), nil
	},
})

// indexFunc finds a value in a list.
var indexFunc = function.New(&function.Spec{
	Description: "The place of a value in a list, counted from 0.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		if ty := args[0].Type(); ty != cty.DynamicPseudoType && !ty.IsListType() && !ty.IsTupleType() {
			return cty.NilType, function.NewArgErrorf(0, "a list or tuple is required")
		}
		return cty.Number, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(cty.Number), nil
		}
		for i, element := range args[0].AsValueSlice() {
			equal, err := stdlib.Equal(element, args[1])
			if err == nil && equal.IsKnown() && !equal.IsNull() && equal.True() {
				return cty.NumberIntVal(int64(i)), nil
			}
		}
		return cty.NilVal, errors.New("the list does not contain the value")
	},
})

// lengthFunc counts elements, and the characters of a string.
var lengthFunc = function.New(&function.Spec{
	Description: "The number of elements of a collection, or of characters of a string.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty != cty.DynamicPseudoType && ty != cty.String && !ty.IsCollectionType() && !ty.IsTupleType() && !ty.IsObjectType() {
			return cty.NilType, function.NewArgErrorf(0, "a string, list, set, tuple, map or object is required")
		}
		return cty.Number, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch {
		case args[0].Type() == cty.String:
			return stdlib.Strlen(args[0])
		case args[0].IsKnown():
			return cty.NumberIntVal(int64(args[0].LengthInt())), nil
		}
		return cty.UnknownVal(cty.Number), nil
	},
})

// jsonDecodeFunc is jsondecode, whose decoder nests as deep as its text does.
var jsonDecodeFunc = function.New(&function.Spec{
	Description: stdlib.JSONDecodeFunc.Description(),
	Params:      stdlib.JSONDecodeFunc.Params(),
	Type: func(args []cty.Value) (cty.Type, error) {
		if args[0].IsKnown() {
			depth := 0
			for _, c := range []byte(args[0].AsString()) {
				switch c {
				case '[', '{':
					if depth++; depth > maxNesting {
						return cty.NilType, function.NewArgErrorf(0, "brackets nest deeper than %d levels", maxNesting)
					}
				case ']', '}':
					depth--
				}
			}
		}
		return stdlib.JSONDecodeFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return stdlib.JSONDecodeFunc.Call(args) },
})
