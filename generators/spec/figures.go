package spec

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// integer reads a whole number.
func (b *block) integer(name string) int {
	return b.integerOr(name, otherwise[int](b, name))
}

func (b *block) integerOr(name string, otherwise int) int {
	val, ok := b.value(name)
	if !ok {
		return otherwise
	}
	var n int
	arg := b.def.argument(name)
	if err := gocty.FromCtyValue(val, &n); err != nil || !arg.admits(float64(n)) {
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be a whole number %s.", b.key(name), number(val), arg.Bounds())
		return otherwise
	}
	return n
}

// figure reads a number.
func (b *block) figure(name string) float64 {
	if val, ok := b.value(name); ok {
		arg := b.def.argument(name)
		f, _ := val.AsBigFloat().Float64()
		if arg.admits(f) {
			return f
		}
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be %s.", b.key(name), number(val), arg.Bounds())
	}
	return otherwise[float64](b, name)
}

// duration reads a time like "120ms".
func (b *block) duration(name string) time.Duration {
	otherwise := otherwise[time.Duration](b, name)
	text, ok := b.text(name)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		remedy := `"120ms", "2s" or "5m"`
		if _, err := time.ParseDuration(text + "s"); err == nil {
			remedy = fmt.Sprintf("%q if seconds are meant", text+"s")
		}
		b.err(name, finding.InvalidDuration, "%s is %q, which is not a duration. Write a number with its unit, %s.", b.key(name), text, remedy)
		return otherwise
	}
	if arg := b.def.argument(name); !arg.admits(d.Seconds()) {
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be %s.", b.key(name), text, arg.Bounds())
		return otherwise
	}
	return d
}

// admits reports whether a figure is within the argument's bounds.
func (a *Argument) admits(f float64) bool {
	return (f > a.Least || f == a.Least && !a.Above) && (f < a.Most || f == a.Most && !a.Below)
}

// Bounds writes the argument's bounds: "from 1 to 100,000".
func (a *Argument) Bounds() string {
	switch {
	case a.Above:
		return fmt.Sprintf("above %s and at most %s", a.figure(a.Least), a.figure(a.Most))
	case a.Below:
		return fmt.Sprintf("at least %s and below %s", a.figure(a.Least), a.figure(a.Most))
	}
	return fmt.Sprintf("from %s to %s", a.figure(a.Least), a.figure(a.Most))
}

// figure writes a figure as a value of the argument is written.
func (a *Argument) figure(f float64) string {
	switch {
	case a.Type == Duration:
		return sizing.Duration(time.Duration(f * float64(time.Second)))
	case f == math.Trunc(f):
		return sizing.Count(int(f))
	}
	return fmt.Sprintf("%g", f)
}

// number writes a cty number as a person would.
func number(val cty.Value) string {
	return strings.TrimSuffix(val.AsBigFloat().Text('g', 12), ".0")
}
