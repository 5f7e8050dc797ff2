package spec

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// integer reads a whole number from least to most.
func (b *block) integer(name string, attr *hcl.Attribute, least, most, otherwise int) int {
	val, ok := b.value(name, attr, cty.Number, fmt.Sprint(max(otherwise, least)))
	if !ok {
		return otherwise
	}
	var n int
	if err := gocty.FromCtyValue(val, &n); err != nil || n < least || n > most {
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be a whole number from %s to %s.",
			b.key(name), number(val), sizing.Count(least), sizing.Count(most))
		return otherwise
	}
	return n
}

// share reads a number from least to most, both included; with below, most is
// excluded.
func (b *block) share(name string, attr *hcl.Attribute, least, most float64, below bool, otherwise float64) float64 {
	val, ok := b.value(name, attr, cty.Number, fmt.Sprint(otherwise))
	if !ok {
		return otherwise
	}
	f, _ := val.AsBigFloat().Float64()
	if f < least || f > most || below && f == most {
		limit := fmt.Sprintf("from %g to %g", least, most)
		if below {
			limit = fmt.Sprintf("at least %g and below %g", least, most)
		}
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be %s.", b.key(name), number(val), limit)
		return otherwise
	}
	return f
}

// rate reads events a second: above 0, at most a million.
func (b *block) rate(name string, attr *hcl.Attribute) (float64, bool) {
	val, ok := b.value(name, attr, cty.Number, "40")
	if !ok {
		return 0, false
	}
	f, _ := val.AsBigFloat().Float64()
	if f <= 0 || f > maxRate {
		b.err(name, finding.ValueOutOfRange, "%s is %s a second, but it must be above 0 and at most %s.", b.key(name), number(val), sizing.Count(maxRate))
		return 0, false
	}
	return f, true
}

// duration reads a time like "120ms", from a millisecond to a day.
func (b *block) duration(name string, attr *hcl.Attribute, otherwise time.Duration) time.Duration {
	return b.durationWithin(name, attr, minDuration, maxDuration, otherwise)
}

func (b *block) durationWithin(name string, attr *hcl.Attribute, least, most, otherwise time.Duration) time.Duration {
	text, ok := b.text(name, attr, `"120ms"`)
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
	if d < least || d > most {
		b.err(name, finding.ValueOutOfRange, "%s is %s, but it must be from %s to %s.", b.key(name), text, sizing.Duration(least), sizing.Duration(most))
		return otherwise
	}
	return d
}

// number writes a cty number as a person would.
func number(val cty.Value) string {
	return strings.TrimSuffix(val.AsBigFloat().Text('g', 12), ".0")
}
