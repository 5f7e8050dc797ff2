package diagnostics

import (
	"bytes"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
)

const (
	maxLine   = 400 // bytes of a source line that people are shown whole
	maxBefore = 100 // bytes before the subject that are left of a longer one
	cut       = "…"
)

// excerpt returns the source with the subject's first line cut to what a
// person can read, and the subject in it. A subject of several lines ends with
// its first: a spec may have a list of thousands of lines, or all of it on one.
func excerpt(file *hcl.File, subject hcl.Range) (*hcl.File, hcl.Range) {
	text := file.Bytes
	if subject.Start.Byte > len(text) || subject.End.Byte < subject.Start.Byte {
		return file, subject
	}
	first := bytes.LastIndexByte(text[:subject.Start.Byte], '\n') + 1
	last := len(text)
	if end := bytes.IndexByte(text[subject.Start.Byte:], '\n'); end >= 0 {
		last = subject.Start.Byte + end
	}
	subject.End.Byte = min(subject.End.Byte, last)
	if last-first <= maxLine {
		return file, subject
	}

	from := max(first, subject.Start.Byte-maxBefore)
	to := min(last, from+maxLine)
	for from < subject.Start.Byte && !utf8.RuneStart(text[from]) {
		from++
	}
	for to < last && !utf8.RuneStart(text[to]) {
		to--
	}
	subject.End.Byte = min(subject.End.Byte, to)

	line := bytes.Clone(text[:first])
	moved := first - from
	if from > first {
		line = append(line, cut...)
		moved += len(cut)
	}
	line = append(line, text[from:to]...)
	if to < last {
		line = append(line, cut...)
	}
	shown := *file
	shown.Bytes = append(line, '\n')
	shown.Nav = inside(hcled.ContextString(file, subject.Start.Byte))
	subject.Start.Byte += moved
	subject.End.Byte += moved
	return &shown, subject
}

// inside is the block that the subject of a cut source stands in.
type inside string

// ContextString is what the text writer of HCL asks of a file.
func (s inside) ContextString(int) string { return string(s) }
