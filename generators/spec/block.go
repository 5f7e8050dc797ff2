package spec

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// maxText bounds every string that reaches a config, in bytes.
const maxText = 1000

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
	return l.blockAt(fmt.Sprintf("%s %q", kind, shortened(raw.Label)), raw.DefRange)
}

// blockAt is the reader of a block that diagnostics call title.
func (l *loader) blockAt(title string, at hcl.Range) *block {
	failed := l.broken[at]
	return &block{l: l, title: title, at: at, ranges: Ranges{"": at}, failed: &failed, broken: failed}
}

// shortened keeps a name of any length readable.
func shortened(name string) string {
	if runes := []rune(name); len(runes) > maxText/20 {
		return string(runes[:maxText/20]) + "…"
	}
	return name
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
func (b *block) errAt(at hcl.Range, rule *finding.Rule, format string, args ...any) {
	*b.failed = true
	if !b.broken {
		b.l.err(&at, rule, b.title+": "+fmt.Sprintf(format, args...))
	}
}

// err reports an error at an attribute, or at the nearest thing there is.
func (b *block) err(attr string, rule *finding.Rule, format string, args ...any) {
	b.errAt(*b.ranges.Of(b.key(attr)), rule, format, args...)
}

func (b *block) warn(attr string, rule *finding.Rule, format string, args ...any) {
	b.warnAt(*b.ranges.Of(b.key(attr)), rule, format, args...)
}

func (b *block) warnAt(at hcl.Range, rule *finding.Rule, format string, args ...any) {
	if !b.broken {
		b.l.warn(&at, rule, b.title+": "+fmt.Sprintf(format, args...))
	}
}

// has reports whether an attribute that was read is set.
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
	b.errAt(*b.ranges.Of(b.nested), finding.MissingArgument, "%s is not set. %s", b.key(attr), remedy)
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
		b.err(name, finding.WrongType, "%s must be %s, and this is %s. Write it like %s.",
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
	return val.AsString(), b.fits(name, b.key(name), val.AsString(), attr.Expr.Range())
}

// fits reports whether a config can have text as it is.
func (b *block) fits(name, what, text string, at hcl.Range) bool {
	if len(text) > maxText {
		b.errAt(at, finding.TextTooLong, "%s has %s bytes, more than the %s that any setting needs.", what, sizing.Count(len(text)), sizing.Count(maxText))
		return false
	}
	if character := controlCharacter(text); character != "" {
		b.errAt(at, finding.ControlCharacter, "%s contains %s. Write it without control characters and line breaks.", what, character)
		return false
	}
	return true
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

// choice reads one of a few words.
func choice[T ~string](b *block, name string, attr *hcl.Attribute, otherwise T, words ...T) T {
	text, ok := b.text(name, attr, fmt.Sprintf("%q", words[0]))
	if !ok {
		return otherwise
	}
	known := make([]string, len(words))
	for i, word := range words {
		if text == string(word) {
			return word
		}
		known[i] = string(word)
	}
	b.err(name, finding.InvalidChoice, "%s is %q, but it must be %s.%s", b.key(name), text, quotedList(known), DidYouMean(text, known))
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
