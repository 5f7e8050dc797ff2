package spec

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// rawBlock is a block with one label whose body is decoded on its own, so
// that its diagnostics are known to be its own.
type rawBlock struct {
	Label      string    `hcl:"name,label"`
	LabelRange hcl.Range `hcl:"name,label_range"`
	DefRange   hcl.Range `hcl:",def_range"`
	Body       hcl.Body  `hcl:",remain"`
}

// block reads the attributes of one block and of those nested in it. It
// remembers where each stands and whether any was wrong.
type block struct {
	l      *loader
	title  string // as diagnostics name it: site "downloads"
	nested string // nested block: "concurrency"
	at     hcl.Range
	ranges Ranges
	failed *bool
	broken bool // by a syntax error, which is all that is reported
}

func (l *loader) block(kind string, raw *rawBlock) *block {
	failed := l.broken[raw.DefRange]
	return &block{
		l: l, title: fmt.Sprintf("%s %q", kind, raw.Label), at: raw.DefRange,
		ranges: Ranges{"": raw.DefRange}, failed: &failed, broken: failed,
	}
}

// add reports diagnostics that HCL found in the block.
func (b *block) add(diags hcl.Diagnostics) {
	if !b.broken {
		b.l.add(diags...)
	}
	*b.failed = *b.failed || diags.HasErrors()
}

// in returns the reader for a block nested in b.
func (b *block) in(nested string, at hcl.Range) *block {
	inner := *b
	inner.nested = nested
	inner.ranges[nested] = at
	return &inner
}

// decode fills a raw struct from the block's body.
func (b *block) decode(body hcl.Body, into any) {
	diags := gohcl.DecodeBody(body, b.l.ctx, into)
	b.add(diags)
	for _, diag := range diags {
		// gohcl decodes none of the blocks that come twice.
		var name string
		if n, _ := fmt.Sscanf(diag.Summary, "Duplicate %s block", &name); n == 1 {
			b.ranges[name] = *diag.Subject
		}
	}
}

// key is the name of an attribute as Ranges has it.
func (b *block) key(attr string) string {
	if b.nested == "" {
		return attr
	}
	return b.nested + "." + attr
}

// errAt reports an error of this block at a range; detail is prefixed with
// the block's title.
func (b *block) errAt(at hcl.Range, summary, format string, args ...any) {
	*b.failed = true
	if !b.broken {
		b.l.err(&at, summary, b.title+": "+fmt.Sprintf(format, args...))
	}
}

// err reports an error at an attribute, or at the nearest thing there is.
func (b *block) err(attr, summary, format string, args ...any) {
	b.errAt(*b.ranges.Of(b.key(attr)), summary, format, args...)
}

func (b *block) warn(attr, summary, format string, args ...any) {
	b.warnAt(*b.ranges.Of(b.key(attr)), summary, format, args...)
}

func (b *block) warnAt(at hcl.Range, summary, format string, args ...any) {
	if !b.broken {
		b.l.warn(&at, summary, b.title+": "+fmt.Sprintf(format, args...))
	}
}

// has tells whether an attribute that was read is set.
func (b *block) has(name string) bool {
	_, there := b.ranges[b.key(name)]
	return there
}

// missing reports a required attribute or block, unless it is there and
// wrong, which has been reported.
func (b *block) missing(attr, remedy string) {
	if b.has(attr) {
		return
	}
	b.errAt(*b.ranges.Of(b.nested), "Missing "+attr, "%s is not set. %s", b.key(attr), remedy)
}

// value evaluates an attribute and converts it. It is absent where the
// attribute is not set, null, or wrong; what is wrong has been reported.
func (b *block) value(name string, attr *hcl.Attribute, want cty.Type, example string) (val cty.Value, ok bool) {
	if attr == nil {
		return cty.NilVal, false
	}
	b.ranges[b.key(name)] = attr.Expr.Range()
	val, diags := attr.Expr.Value(b.l.ctx)
	b.add(diags)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	val, _ = val.UnmarkDeep()
	if problem := b.l.meter.measure(val, false); problem != "" {
		b.l.meter.exceeded(attr.Expr.Range(), problem)
		*b.failed = true
		return cty.NilVal, false
	}
	if !val.IsWhollyKnown() {
		// Only what failed elsewhere is unknown, and was reported there.
		*b.failed = true
		return cty.NilVal, false
	}
	if val.IsNull() {
		delete(b.ranges, b.key(name))
		return cty.NilVal, false
	}
	converted, err := convert.Convert(val, want)
	if err != nil {
		b.err(name, "Wrong type of "+name, "%s must be %s, and this is %s. Write it like %s.",
			b.key(name), kindOf(want), kindOf(val.Type()), example)
		return cty.NilVal, false
	}
	return converted, true
}

func kindOf(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		return "a list"
	case ty.IsObjectType() || ty.IsMapType():
		return "a map"
	}
	return ty.FriendlyName()
}

// text reads a string. Control characters are refused wherever they stand: a
// line break would end a line of a generated config.
func (b *block) text(name string, attr *hcl.Attribute, example string) (string, bool) {
	val, ok := b.value(name, attr, cty.String, example)
	if !ok {
		return "", false
	}
	text := val.AsString()
	if what := controlCharacter(text); what != "" {
		b.err(name, "Control character in "+name, "%s contains %s. Write it without control characters and line breaks.", b.key(name), what)
		return "", false
	}
	return text, true
}

// controlCharacter names the first control character or line separator of
// text; "" where there is none.
func controlCharacter(text string) string {
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return "a line break"
		case r == 0:
			return "a NUL"
		case unicode.Is(unicode.Cc, r):
			return fmt.Sprintf("the control character U+%04X", r)
		case unicode.Is(unicode.Bidi_Control, r):
			return fmt.Sprintf("the invisible character U+%04X", r)
		}
	}
	return ""
}

func (b *block) boolean(name string, attr *hcl.Attribute, otherwise bool) bool {
	val, ok := b.value(name, attr, cty.Bool, "true")
	if !ok {
		return otherwise
	}
	return val.True()
}

// integer reads a whole number from least to most.
func (b *block) integer(name string, attr *hcl.Attribute, least, most, otherwise int) int {
	val, ok := b.value(name, attr, cty.Number, fmt.Sprint(max(otherwise, least)))
	if !ok {
		return otherwise
	}
	var n int
	if err := gocty.FromCtyValue(val, &n); err != nil || n < least || n > most {
		b.err(name, "Invalid "+name, "%s is %s, but it must be a whole number from %s to %s.",
			b.key(name), number(val), thousands(least), thousands(most))
		return otherwise
	}
	return n
}

// share reads a number from least to most, both included; with below, most is
// excluded.
func (b *block) share(name string, attr *hcl.Attribute, least, most float64, below bool, otherwise float64) float64 {
	val, ok := b.value(name, attr, cty.Number, fmt.Sprint(most/2))
	if !ok {
		return otherwise
	}
	f, _ := val.AsBigFloat().Float64()
	if f < least || f > most || below && f == most {
		limit := fmt.Sprintf("from %g to %g", least, most)
		if below {
			limit = fmt.Sprintf("at least %g and below %g", least, most)
		}
		b.err(name, "Invalid "+name, "%s is %s, but it must be %s.", b.key(name), number(val), limit)
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
		b.err(name, "Invalid "+name, "%s is %s a second, but it must be above 0 and at most %s.", b.key(name), number(val), thousands(maxRate))
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
		b.err(name, "Invalid "+name, "%s is %q, which is not a duration. Write a number with its unit, %s.", b.key(name), text, remedy)
		return otherwise
	}
	if d < least || d > most {
		b.err(name, "Invalid "+name, "%s is %s, but it must be from %s to %s.", b.key(name), text, shortest(least), shortest(most))
		return otherwise
	}
	return d
}

// shortest writes a duration without zero units: 24h, not 24h0m0s.
func shortest(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// choice reads one of a few words.
func (b *block) choice(name string, attr *hcl.Attribute, otherwise string, words ...string) string {
	text, ok := b.text(name, attr, fmt.Sprintf("%q", words[0]))
	if !ok {
		return otherwise
	}
	for _, word := range words {
		if text == word {
			return word
		}
	}
	b.err(name, "Invalid "+name, "%s is %q, but it must be %s.%s", b.key(name), text, quotedList(words), didYouMean(text, words))
	return otherwise
}

// quotedList writes words as "a", "b" or "c".
func quotedList(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

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

// number writes a cty number as a person would.
func number(val cty.Value) string {
	return strings.TrimSuffix(val.AsBigFloat().Text('g', 12), ".0")
}

// thousands writes n with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
