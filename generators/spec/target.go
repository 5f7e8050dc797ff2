package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// maxSource bounds the template file that a target names.
const maxSource = 1 << 20

// targetBlock is open: the kind of target says what its block takes.
var targetBlock = &Block{
	Type: "target", Label: "kind", LabelExample: "nftables",
	Doc: "Renders one kind of files. Without any target block the default targets are rendered; the first one turns them off, unless the pasvctl block has default_targets = true.",
}

// TargetKind is what a spec must know of a kind of target.
type TargetKind struct {
	Name string // the label of its block
	// Default: rendered if the spec has no target block.
	Default bool
	// Reserves: it keeps the kernel from giving out data ports as ephemeral ones.
	Reserves bool
	// HostFiles are the files without an extension that it writes to a host's
	// folder, where no site's folder may have that name.
	HostFiles []string
	// Settings are what its block takes: arguments of type Bool, Whole, Number,
	// Duration, Word, Text, Texts, TextLists and Source.
	Settings []Argument
}

// Block is the target's block.
func (k TargetKind) Block() *Block {
	return &Block{Type: fmt.Sprintf("target %q", k.Name), Arguments: k.Settings}
}

func (l *loader) kinds() []string {
	names := make([]string, len(l.o.Targets))
	for i, kind := range l.o.Targets {
		names[i] = kind.Name
	}
	return names
}

// reserving returns the target that reserves data ports against being given
// out as ephemeral ones, and whether the spec asks for it; nil if there is none.
func (l *loader) reserving() (kind *TargetKind, asked bool) {
	for i := range l.o.Targets {
		if k := &l.o.Targets[i]; k.Reserves {
			byDefault := len(l.targets) == 0 || l.spec.DefaultTargets
			return k, k.Default && byDefault || slices.Contains(l.targets, k.Name)
		}
	}
	return nil, false
}

func (l *loader) decodeTarget(raw *hcl.Block) {
	b := l.block(raw)
	name := raw.Labels[0]
	l.targets = append(l.targets, name)
	kinds := l.kinds()
	at := slices.Index(kinds, name)
	if at < 0 {
		b.errAt(raw.LabelRanges[0], finding.UnknownTarget, "there is no target %q.%s The known ones are %s.", name, l.suggest(name, kinds), quotedList(kinds))
		return
	}
	t := &Target{Kind: name, Body: raw.Body, Eval: l.ctx, Ranges: b.ranges, DeclRange: raw.DefRange}
	b.decode(raw.Body, l.o.Targets[at].Block())
	for _, setting := range b.def.Arguments {
		if source := b.check(setting); source != "" {
			t.Source = l.readSource(b, raw.DefRange.Filename, source)
		}
	}
	if !*b.failed {
		l.spec.Targets = append(l.spec.Targets, t)
	}
}

// check reports what is wrong with a setting, which the target decodes itself.
// It returns the name of the file that a Source names.
func (b *block) check(setting Argument) (source string) {
	switch setting.Type {
	case Bool:
		b.boolean(setting.Name)
	case Whole:
		b.integer(setting.Name)
	case Number:
		b.figure(setting.Name)
	case Duration:
		b.duration(setting.Name)
	case Word:
		choice[string](b, setting.Name)
	case Texts, TextLists:
		b.texts(setting.Name)
	case Source:
		source, _ = b.text(setting.Name)
	default:
		b.text(setting.Name)
	}
	return source
}

// texts looks at each string in a map.
func (b *block) texts(name string) {
	val, ok := b.value(name)
	if !ok {
		return
	}
	at := b.ranges[b.key(name)]
	cty.Walk(val, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsNull() {
			b.errAt(at, finding.WrongType, "%s has a null. Remove it, or write a string there.", b.key(name))
			return false, nil
		}
		if v.Type() == cty.String {
			b.fits(b.key(name), v.AsString(), at)
		}
		return true, nil
	})
}

// readSource reads the file that a target's source names.
func (l *loader) readSource(b *block, from, name string) []byte {
	file, ok := b.beside("source", from, name, finding.SourceUnreadable)
	if !ok {
		return nil
	}
	text, ok := b.readBeside("source", file, maxSource, finding.SourceUnreadable)
	if !ok {
		return nil
	}
	if diag := checkText(file, text); diag != nil {
		b.err("source", finding.NotText, "%s", diag.Detail)
		return nil
	}
	l.spec.Files[file] = &hcl.File{Bytes: text}
	return text
}

// beside is the path of a file that an argument names from the folder of the
// spec; from is the file with the argument.
func (b *block) beside(arg, from, name string, rule *finding.Rule) (file string, ok bool) {
	file = path.Join(path.Dir(from), name)
	if path.IsAbs(name) || !fs.ValidPath(file) || file == "." {
		b.err(arg, rule, "%s is %q, but only files in the spec's own folder are read. Put the file there and write its path from there.", arg, name)
		return "", false
	}
	return file, true
}

// readBeside reads a file of at most max bytes that an argument names.
func (b *block) readBeside(arg, file string, max int, rule *finding.Rule) ([]byte, bool) {
	text, err := ReadBounded(b.l.fsys, file, max)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.err(arg, rule, "there is no file %q. Write its path from the folder of the spec.", file)
	case err == ErrTooLong:
		b.err(arg, finding.FileTooLong, "%q is longer than %d KiB.", file, max>>10)
	case err != nil:
		b.err(arg, rule, "%q: %s.", file, err)
	}
	return text, err == nil
}
