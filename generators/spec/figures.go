package spec

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

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
		example := arg.Example
		if f, _ := val.AsBigFloat().Float64(); f > arg.Least && f < arg.Most { // a fraction
			example = fmt.Sprint(int(math.Ceil(f)))
		}
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be a whole number %s. Write %s = %s, for example.", b.key(name), number(val), arg.Bounds(), name, example)
		return otherwise
	}
	return n
}

func (b *block) figure(name string) float64 {
	if val, ok := b.value(name); ok {
		arg := b.def.argument(name)
		f, _ := val.AsBigFloat().Float64()
		if arg.admits(f) {
			return f
		}
		remedy := ""
		if arg.Most <= 1 && f >= 1 && f <= 100 {
			remedy = fmt.Sprintf(" Write %s for %s %%.", hundredth(number(val)), number(val))
		}
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be %s.%s", b.key(name), number(val), arg.Bounds(), remedy)
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
		b.err(name, finding.InvalidDuration, "%s is %q, which is not a duration. Write a number with its unit, %s.", b.key(name), text, durationRemedy(text))
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
	return plain(f)
}

var looseDuration = regexp.MustCompile(`(?i)([\d.]+)\s*(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b[\s,]*`)

// durationRemedy writes a duration in words (150 ms, 4 sec, 1h 30 min) as a spec
// does, and a number without unit in the two that may be meant.
func durationRemedy(text string) string {
	if _, err := time.ParseDuration(text + "s"); err == nil {
		return fmt.Sprintf("%q or %q", text+"s", text+"ms")
	}
	short := looseDuration.ReplaceAllStringFunc(text, func(part string) string {
		m := looseDuration.FindStringSubmatch(part)
		unit := strings.ToLower(m[2])
		if unit == "ms" || strings.HasPrefix(unit, "msec") || strings.HasPrefix(unit, "milli") {
			return m[1] + "ms"
		}
		if days, err := strconv.ParseFloat(m[1], 64); err == nil && unit[0] == 'd' {
			return plain(days*24) + "h"
		}
		return m[1] + unit[:1]
	})
	if _, err := time.ParseDuration(short); err == nil {
		return strconv.Quote(short)
	}
	return `"120ms", "2s" or "5m"`
}

// plain writes a figure without an exponent.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// number writes a cty number as a person would.
func number(val cty.Value) string {
	if n, exact := val.AsBigFloat().Int64(); exact == big.Exact && n > math.MinInt && n < math.MaxInt {
		return sizing.Count(int(n))
	}
	return val.AsBigFloat().Text('g', 12)
}
