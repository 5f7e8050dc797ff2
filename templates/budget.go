package templates

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template"
)

// The bounds of one rendering of a user's own template. Work is counted in the
// bytes that a function is given or returns, an element of a list or dict as
// many as it takes in memory, and every turn of a loop as many as it takes in
// time, which bounds time and memory alike.
const (
	maxSource  = 1 << 20   // bytes of the template
	maxOutput  = 16 << 20  // bytes
	maxWork    = 256 << 20 // bytes moved or their like
	maxValue   = 8 << 20   // bytes of one value
	maxNesting = 100       // of lists and dicts
	maxWidth   = 999       // of a printf verb

	elementCost = 16 // an interface value
	turnCost    = 64 // a turn of a loop takes as long as moving this much
)

var (
	errWork    = errors.New("it takes too much work; shorten its loops")
	errValue   = fmt.Errorf("it makes or handles a value of more than %d MiB", maxValue>>20)
	errNesting = fmt.Errorf("it nests lists or dicts more than %d deep, or puts one into itself", maxNesting)
	errOutput  = fmt.Errorf("its output is longer than %d MiB", maxOutput>>20)
)

// budget is what one rendering may still do.
type budget struct{ left int }

// spend takes work from the budget. A panic in a function stops the template
// and comes out of text/template as an error.
func (b *budget) spend(work int) {
	if b.left -= work; b.left < 0 {
		panic(errWork)
	}
}

// tick counts one turn of a loop or one use of a named template.
func (b *budget) tick() string {
	b.spend(turnCost)
	return ""
}

// print formats what an action prints, after weighing it.
func (b *budget) print(v any) (string, error) {
	if v == nil {
		return "", errors.New("there is no value to print here")
	}
	b.spend(weigh(reflect.ValueOf(v)))
	return fmt.Sprint(v), nil
}

// weigh is the size of a value: bytes of text and elements of lists and dicts,
// each counted as often as it would be printed.
func weigh(v reflect.Value) int {
	w := scale{}
	w.add(v, 0)
	return w.total
}

type scale struct{ total int }

func (w *scale) add(v reflect.Value, depth int) {
	if w.total += elementCost; w.total > maxValue {
		panic(errValue)
	}
	if depth > maxNesting {
		panic(errNesting)
	}
	switch v.Kind() {
	case reflect.String:
		if w.total += v.Len(); w.total > maxValue {
			panic(errValue)
		}
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			w.add(v.Elem(), depth)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.add(v.Index(i), depth+1)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			w.add(entries.Key(), depth+1)
			w.add(entries.Value(), depth+1)
		}
	}
}

// multiplying are the functions whose result can be as large as the product of
// two of their arguments, a number counted by its value: they are held to that
// product before they run.
var multiplying = map[string]bool{
	"indent": true, "join": true, "mustRegexReplaceAll": true, "mustRegexReplaceAllLiteral": true,
	"nindent": true, "printf": true, "regexReplaceAll": true, "regexReplaceAllLiteral": true,
	"repeat": true, "replace": true, "seq": true, "toPrettyJson": true, "mustToPrettyJson": true,
	"until": true, "untilStep": true, "wrap": true, "wrapWith": true,
}

// afford checks a multiplying function's arguments.
func (b *budget) afford(name string, args []reflect.Value) {
	if name == "printf" {
		checkFormat(args[0].String())
	}
	first, second := 1, 1
	for _, arg := range flat(args) {
		size := magnitude(arg)
		if size > first {
			first, second = size, first
		} else {
			second = max(second, size)
		}
	}
	if first > maxValue || first*second > 2*maxValue {
		panic(errValue)
	}
}

// magnitude is how much an argument can multiply another one.
func magnitude(v reflect.Value) int {
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	if v.CanInt() {
		n := v.Int()
		return int(min(max(n, -n, 0), maxValue+1))
	}
	if v.Kind() == reflect.String {
		return v.Len()
	}
	return weigh(v)
}

// flat lists the arguments of a call, those of a variadic parameter one by one.
func flat(args []reflect.Value) []reflect.Value {
	if len(args) == 0 || args[len(args)-1].Kind() != reflect.Slice {
		return args
	}
	last := args[len(args)-1]
	all := append([]reflect.Value{}, args[:len(args)-1]...)
	for i := range last.Len() {
		all = append(all, last.Index(i))
	}
	return append(all, last)
}

var formatVerb = regexp.MustCompile(`%[-+# 0]*(?:\[\d*\])?(\*|\d*)(?:\.(?:\[\d*\])?(\*|\d*))?(?:\[\d*\])?(.)?`)

// checkFormat refuses a printf format that pads without bound, or prints the
// address of a value, which is never the same twice.
func checkFormat(format string) {
	for _, verb := range formatVerb.FindAllStringSubmatch(strings.ReplaceAll(format, "%%", ""), -1) {
		for _, width := range verb[1:3] {
			if width == "*" || len(strings.TrimLeft(width, "0")) > len(fmt.Sprint(maxWidth)) {
				panic(fmt.Errorf("printf: a width is a number up to %d", maxWidth))
			}
		}
		if verb[3] == "p" {
			panic(errors.New("printf: %p prints an address, which is never the same twice"))
		}
	}
}

// meter returns the functions, each spending the budget for what it is given
// and what it returns.
func (b *budget) meter(functions template.FuncMap) template.FuncMap {
	metered := template.FuncMap{}
	for name, function := range functions {
		fn := reflect.ValueOf(function)
		metered[name] = reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
			b.spend(turnCost)
			for _, arg := range args {
				b.spend(weigh(arg))
			}
			if multiplying[name] {
				b.afford(name, args)
			}
			call := fn.Call
			if fn.Type().IsVariadic() {
				call = fn.CallSlice
			}
			results := call(args)
			b.spend(weigh(results[0]))
			return results
		}).Interface()
	}
	return metered
}
