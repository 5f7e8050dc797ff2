package spec

import (
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// maxSource bounds the template file that a target names.
const maxSource = 1 << 20

var sourceSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "source"}}}

// reserves reports whether the spec's targets reserve data ports against being
// given out as ephemeral ones: one of them does, and it is among the default.
func (l *loader) reserves() bool {
	return len(l.targets) == 0 || slices.Contains(l.targets, "sysctl")
}

func (l *loader) decodeTarget(raw *rawBlock) {
	b := l.block("target", raw)
	l.targets = append(l.targets, raw.Label)
	if !slices.Contains(l.o.Targets, raw.Label) {
		b.errAt(raw.LabelRange, finding.UnknownTarget, "there is no target %q.%s The known ones are %s.", raw.Label, l.suggest(raw.Label, l.o.Targets), quotedList(l.o.Targets))
		return
	}
	// What else the body holds is the target's to decode and to report.
	content, _, _ := raw.Body.PartialContent(sourceSchema)
	t := &Target{Kind: raw.Label, Body: raw.Body, Eval: l.ctx, DeclRange: raw.DefRange}
	if content != nil {
		if name, ok := b.text("source", content.Attributes["source"], `"motd.tmpl"`); ok {
			t.Source = l.readSource(b, raw.DefRange.Filename, name)
		}
	}
	attrs, _ := raw.Body.JustAttributes()
	for _, name := range namesOf(attrs) {
		if name != "source" {
			l.checkSetting(b, name, attrs[name])
		}
	}
	if !*b.failed {
		l.spec.Targets = append(l.spec.Targets, t)
	}
}

// checkSetting refuses control characters in a target's own strings. Whatever
// else is wrong with them the target reports.
func (l *loader) checkSetting(b *block, name string, attr *hcl.Attribute) {
	val, diags := attr.Expr.Value(l.ctx)
	if diags.HasErrors() || !val.IsWhollyKnown() || val.IsNull() || val.Type() != cty.String {
		return
	}
	val, _ = val.Unmark()
	b.fits(name, name, val.AsString(), attr.Expr.Range())
}

// readSource reads a file beside the one that names it.
func (l *loader) readSource(b *block, from, name string) []byte {
	file := path.Join(path.Dir(from), name)
	if path.IsAbs(name) || !fs.ValidPath(file) || file == "." {
		b.err("source", finding.SourceUnreadable, "source is %q, but only files in the spec's own folder are read. Put the file there and write its path from there.", name)
		return nil
	}
	text, err := readBounded(l.fsys, file, maxSource)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.err("source", finding.SourceUnreadable, "there is no file %q. Write its path from the folder of the spec.", file)
	case err == errTooLong:
		b.err("source", finding.FileTooLong, "%q is longer than %d KiB.", file, maxSource>>10)
	case err != nil:
		b.err("source", finding.SourceUnreadable, "%q: %s.", file, err)
	default:
		if diag := checkText(file, text); diag != nil {
			b.err("source", finding.NotText, "%s", diag.Detail)
			return nil
		}
		l.spec.Files[file] = &hcl.File{Bytes: text}
		return text
	}
	return nil
}
