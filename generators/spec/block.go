package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// maxText bounds every string that reaches a config, in bytes.
const maxText = 1000

// block reads the arguments of one block and of those nested in it. It
// remembers where each stands and whether any was wrong.
type block struct {
	l      *loader
	title  string // as diagnostics name it: site "downloads"
	nested string // nested block: "concurrency"
	at     hcl.Range
	ranges Ranges
	failed *bool
	broken bool // by a syntax error, which is all that is reported

	def   *Block
	attrs hcl.Attributes
	inner map[string]hcl.Blocks // by type
}

// block is the reader of a block of the top level.
func (l *loader) block(raw *hcl.Block) *block {
	title := raw.Type
	if len(raw.Labels) > 0 {
		title = fmt.Sprintf("%s %q", raw.Type, shortened(raw.Labels[0]))
	}
	failed := l.broken[raw.DefRange]
	return &block{l: l, title: title, at: raw.DefRange, ranges: Ranges{"": raw.DefRange}, failed: &failed, broken: failed}
}

// shortened keeps a name of any length readable.
func shortened(name string) string {
	if runes := []rune(name); len(runes) > maxText/20 {
		return string(runes[:maxText/20]) + "…"
	}
	return name
}

func (b *block) add(diags hcl.Diagnostics) {
	if !b.broken {
		b.l.add(diags...)
	}
	*b.failed = *b.failed || diags.HasErrors()
}

func (b *block) decode(body hcl.Body, def *Block) {
	content, diags := def.Content(body, func(name string, at hcl.Range) { b.ranges[b.key(name)] = at })
	b.add(diags)
	b.def, b.attrs, b.inner = def, content.Attributes, content.Blocks.ByType()
	for _, inner := range def.Blocks {
		if all := b.inner[inner.Type]; inner.Most == 1 && len(all) > 1 {
			b.errAt(all[1].DefRange, finding.DuplicateArgument, "there is a %s block at %s already. Write both into one, or remove the other.", inner.Type, place(all[0].DefRange))
		}
	}
}

// in returns the reader of the block of this type that is nested in b; nil if
// there is none.
func (b *block) in(kind string) *block {
	def := b.def.nested(kind)
	if len(b.inner[kind]) == 0 {
		if def.Required != "" {
			b.missing(kind, def.Required)
		}
		return nil
	}
	return b.inside(def, b.inner[kind][0])
}

func (b *block) inside(def *Block, raw *hcl.Block) *block {
	inner := *b
	inner.nested = b.key(def.Type)
	inner.at = raw.DefRange
	inner.ranges[inner.nested] = raw.DefRange
	inner.decode(raw.Body, def)
	return &inner
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

// has reports whether an attribute that was read is set, if only misspelt.
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

// value evaluates an argument and converts it. It is absent if the argument is
// not set, null, or wrong; what is wrong, and what is required and not there,
// has been reported.
func (b *block) value(name string) (val cty.Value, ok bool) {
	arg, attr := b.def.argument(name), b.attrs[name]
	if attr == nil {
		b.require(arg)
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
		b.require(arg)
		return cty.NilVal, false
	}
	converted, err := convert.Convert(val, arg.Type.cty())
	if err != nil {
		b.err(name, finding.WrongType, "%s must be %s, and this is %s. Write it like %s.",
			b.key(name), kindOf(arg.Type.cty()), kindOf(val.Type()), arg.meantBy(val))
		return cty.NilVal, false
	}
	return converted, true
}

// require reports an argument that is not set and must be.
func (b *block) require(arg *Argument) {
	if arg.Required != "" {
		b.missing(arg.Name, arg.Required)
	}
}

// meantBy writes a value of the wrong type as one that the argument takes, if it
// is plain what is meant.
func (a *Argument) meantBy(val cty.Value) string {
	switch ty := val.Type(); {
	case ty == cty.String && a.Type == Bool:
		switch strings.ToLower(val.AsString()) {
		case "yes", "on", "1":
			return "true"
		case "no", "off", "0":
			return "false"
		}
	case ty == cty.String && a.Type.cty() == cty.Number:
		if percent, ok := strings.CutSuffix(strings.TrimSpace(val.AsString()), "%"); ok && len(percent) < 20 {
			return hundredth(strings.TrimSpace(percent))
		}
	case ty == cty.String && a.Type.cty() == cty.DynamicPseudoType:
		items := strings.FieldsFunc(shortened(val.AsString()), func(r rune) bool { return r == ',' || r == ' ' })
		for i, item := range items {
			items[i] = strconv.Quote(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case a.Type == Ports && ty.IsTupleType() && ty.Length() == 2:
		first, last := val.Index(cty.Zero), val.Index(cty.NumberIntVal(1))
		if first.Type() == cty.Number && last.Type() == cty.Number {
			return fmt.Sprintf(`"%s-%s"`, first.AsBigFloat().Text('f', 0), last.AsBigFloat().Text('f', 0))
		}
	}
	return a.Example
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
func (b *block) text(name string) (string, bool) {
	val, ok := b.value(name)
	if !ok {
		return "", false
	}
	return val.AsString(), b.fits(b.key(name), val.AsString(), b.ranges[b.key(name)])
}

// fits reports whether a config can have text as it is.
func (b *block) fits(what, text string, at hcl.Range) bool {
	if len(text) > maxText {
		b.errAt(at, finding.TextTooLong, "%s has %s bytes, more than the %s that any setting needs.", what, sizing.Count(len(text)), sizing.Count(maxText))
		return false
	}
	if character := controlCharacter(text); character != "" {
		if path, ok := unixPath(strings.Trim(textAt(b.l.spec.Files[at.Filename], &at), `"`)); ok {
			b.errAt(at, finding.ControlCharacter, "%s contains %s, because a backslash starts an escape sequence. Write %q.", what, character, path)
			return false
		}
		b.errAt(at, finding.ControlCharacter, "%s contains %s. Write it without control characters and line breaks.", what, character)
		return false
	}
	return true
}

// controlCharacter names the first control character or line separator of
// text; "" if there is none.
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

// otherwise is an argument's default; nil's is the zero value.
func otherwise[T any](b *block, name string) T {
	value, _ := b.def.argument(name).Default.(T)
	return value
}

func (b *block) boolean(name string) bool {
	return b.booleanOr(name, otherwise[bool](b, name))
}

func (b *block) booleanOr(name string, otherwise bool) bool {
	val, ok := b.value(name)
	if !ok {
		return otherwise
	}
	return val.True()
}

// choice reads one of a few words.
func choice[T ~string](b *block, name string) T {
	if text, ok := b.text(name); ok {
		words := b.def.argument(name).Words
		if slices.Contains(words, text) {
			return T(text)
		}
		b.err(name, finding.InvalidChoice, "%s is %q, but it must be %s.%s", b.key(name), text, quotedList(words), DidYouMean(text, words))
	}
	return T(otherwise[string](b, name))
}

// quotedList writes words as "a", "b" or "c".
func quotedList(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	return List(quoted, "or")
}
