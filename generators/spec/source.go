package spec

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// source is one parsed file.
type source struct {
	name string
	body *hclsyntax.Body
}

// parse reads and parses the files. A file that breaks a limit is left out
// and never reaches the parser.
func (l *loader) parse(names []string) {
	for _, name := range names {
		src, err := ReadBounded(l.fsys, name, maxFile)
		if err != nil {
			l.err(nil, finding.SpecUnreadable, fmt.Sprintf("%s: %s.", name, err))
			continue
		}
		if body := l.parseFile(name, src); body != nil {
			l.bodies = append(l.bodies, &source{name, body})
		}
	}
}

// Parse parses a file if it keeps the limits of nesting, so that the parser
// ends on hostile input too; else there is no file.
func Parse(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	file, diags := parse(name, src)
	return file, syntaxErrors(src, diags)
}

// parse reports all that the parser does.
func parse(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	if diags := checkLimits(name, src); diags.HasErrors() {
		return nil, diags
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	return file, diags
}

// parseFile returns nil if the source breaks a limit.
func (l *loader) parseFile(name string, src []byte) *hclsyntax.Body {
	l.spec.Files[name] = &hcl.File{Bytes: src}
	file, diags := parse(name, src)
	l.add(syntaxErrors(src, diags)...)
	if file == nil {
		return nil
	}
	l.spec.Files[name] = file
	body := file.Body.(*hclsyntax.Body)
	l.markBroken(body, diags)
	return body
}

// markBroken remembers the blocks that a syntax error lies in. What they seem
// to lack may only have been skipped by the parser, so nothing else is
// reported about them, nor names that only they may declare.
func (l *loader) markBroken(body *hclsyntax.Body, diags hcl.Diagnostics) {
	for _, diag := range diags {
		if diag.Severity != hcl.DiagError || diag.Subject == nil {
			continue
		}
		l.broken[*diag.Subject] = true
		l.brokenLines[lineOf(diag.Subject)] = true
		for _, at := range []hcl.Pos{diag.Subject.Start, diag.Subject.End} {
			if b := blockBefore(body, at); b != nil && at.Byte <= b.Range().End.Byte {
				l.broken[b.DefRange()] = true
			}
		}
	}
}

// markUnread remembers the names of blocks that were not read because their
// type is misspelt, or they have none or several: they may be what others name.
func (l *loader) markUnread(body *hclsyntax.Body, diags hcl.Diagnostics) {
	for _, diag := range diags {
		if diag.Subject == nil || diag.Summary != "Unsupported block type" && !aboutLabel.MatchString(diag.Summary) {
			continue
		}
		b := blockBefore(body, diag.Subject.Start)
		if b == nil {
			continue
		}
		labels := append(b.Labels[:len(b.Labels):len(b.Labels)], "")                                     // "" may be any
		if meant := Language.find(labels[0]); meant != nil && diag.Summary == "Unsupported block type" { // as in Terraform
			labels = labels[1:]
			diag.Detail = fmt.Sprintf("A block starts with its type. Write %s %q {.", meant.Type, cmp.Or(labels[0], meant.LabelExample))
		}
		l.unread[labels[0]] = true
	}
}

// blockBefore is the last block of a body that starts before a place; nil if
// there is none.
func blockBefore(body *hclsyntax.Body, at hcl.Pos) *hclsyntax.Block {
	i := sort.Search(len(body.Blocks), func(i int) bool { return body.Blocks[i].TypeRange.Start.Byte > at.Byte })
	if i == 0 {
		return nil
	}
	return body.Blocks[i-1]
}

type line struct {
	file string
	n    int
}

func lineOf(at *hcl.Range) line { return line{at.Filename, at.Start.Line} }

// ErrTooLong is why ReadBounded does not read a file that has more than max bytes.
var ErrTooLong = fmt.Errorf("the file is longer than %d MiB; split it into several files of one folder", maxFile>>20)

// ReadBounded reads a regular file of at most max bytes.
func ReadBounded(fsys fs.FS, name string, max int) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, reason(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file")
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, reason(err)
	}
	defer file.Close()
	src, err := io.ReadAll(io.LimitReader(file, int64(max)+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(src) > max {
		return nil, ErrTooLong
	}
	return src, nil
}

// reason strips the operation and the path that fs errors repeat.
func reason(err error) error {
	if pathErr, ok := err.(*fs.PathError); ok {
		return pathErr.Err
	}
	return err
}
