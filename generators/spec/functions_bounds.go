package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxResult bounds what one call may make out of arguments that are each
// within the limits, in bytes or elements.
const (
	maxResult = 4 << 20
	maxPad    = 999 // width or precision of a format verb, columns of indent
)

// bounded adds a check of the arguments to a function whose result can be
// far larger than they are.
func bounded(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      f.Params(),
		VarParam:    f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			for _, arg := range args {
				if !arg.IsWhollyKnown() || arg.ContainsMarked() {
					return f.ReturnTypeForValues(args)
				}
			}
			if err := check(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// within multiplies small numbers and compares with maxResult, without
// overflow.
func within(factors ...int) error {
	product := 1
	for _, factor := range factors {
		if factor <= 0 {
			return nil
		}
		if product > maxResult/factor {
			return fmt.Errorf("the result could be more than the %s bytes that are allowed", thousands(maxResult))
		}
		product *= factor
	}
	return nil
}

// textSize is the number of bytes of a string, or of the longest in a list.
func textSize(val cty.Value) int {
	switch {
	case val.IsNull():
		return 0
	case val.Type() == cty.String:
		return len(val.AsString())
	case val.CanIterateElements():
		longest := 0
		for it := val.ElementIterator(); it.Next(); {
			_, element := it.Element()
			longest = max(longest, textSize(element))
		}
		return longest
	}
	return maxExponent + 1 // the digits of a number
}

// listSize is the number of elements of a list, 1 for anything else.
func listSize(val cty.Value) int {
	if val.IsNull() || !val.CanIterateElements() {
		return 1
	}
	return val.LengthInt()
}

// verb matches one verb of a format string, or an escaped percent sign.
var (
	verb   = regexp.MustCompile(`%(?:%|[^a-zA-Z%]*)`)
	digits = regexp.MustCompile(`[0-9]+`)
)

func formatSize(args []cty.Value) error {
	if len(args) == 0 || args[0].IsNull() || args[0].Type() != cty.String {
		return nil
	}
	text := args[0].AsString()
	verbs := verb.FindAllString(text, -1)
	for _, v := range verbs {
		for _, n := range digits.FindAllString(v, -1) {
			if pad, err := strconv.Atoi(n); err != nil || pad > maxPad {
				return function.NewArgErrorf(0, "a width, precision or index of more than %d", maxPad)
			}
		}
	}
	longest, rows := 0, 1
	for _, arg := range args[1:] {
		size := textSize(arg)
		if !arg.IsNull() && arg.Type() != cty.String && arg.CanIterateElements() {
			// %v writes a whole collection as JSON; formatlist repeats the text.
			rows = max(rows, listSize(arg))
			size = 8*size + 8*listSize(arg)
		}
		longest = max(longest, size)
	}
	if err := within(len(verbs), 6*longest+maxPad, rows); err != nil {
		return err
	}
	return within(len(text), rows)
}

func indentSize(args []cty.Value) error {
	if args[0].IsNull() || args[1].IsNull() {
		return nil
	}
	spaces, _ := args[0].AsBigFloat().Float64()
	if spaces > maxPad {
		return function.NewArgErrorf(0, "more than %d spaces", maxPad)
	}
	if spaces < 0 {
		return function.NewArgErrorf(0, "fewer than no spaces")
	}
	return within(int(spaces), strings.Count(args[1].AsString(), "\n"))
}

func joinSize(args []cty.Value) error {
	elements := 0
	for _, list := range args[1:] {
		elements += listSize(list)
	}
	return within(textSize(args[0]), elements)
}

func replaceSize(args []cty.Value) error {
	return within(textSize(args[0])+1, textSize(args[2]))
}

func productSize(args []cty.Value) error {
	product := 1
	for _, arg := range args {
		n := listSize(arg)
		if n > 0 && product > maxElements/n {
			return fmt.Errorf("the product has more than the %s elements that are allowed", thousands(maxElements))
		}
		product *= n
	}
	return nil
}

// jsonDepth bounds the depth of a JSON text, which is decoded recursively.
func jsonDepth(args []cty.Value) error {
	depth := 0
	for _, c := range []byte(args[0].AsString()) {
		switch c {
		case '[', '{':
			if depth++; depth > maxNesting {
				return function.NewArgErrorf(0, "brackets nest deeper than %d levels", maxNesting)
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}
