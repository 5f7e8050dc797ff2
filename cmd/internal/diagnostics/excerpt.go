package diagnostics

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
)

const (
	maxLine   = 400 // bytes of a source line that people are shown whole
	maxBefore = 100 // bytes before the subject that are left of a longer one
	maxBlock  = 100 // bytes of the type and labels of the block around it
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
	shown := *file
	shown.Nav = inside(shortened(hcled.ContextString(file, subject.Start.Byte)))
	if last-first <= maxLine {
		return &shown, subject
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
	shown.Bytes = append(line, '\n')
	subject.Start.Byte += moved
	subject.End.Byte += moved
	return &shown, subject
}

// shortened is the heading of a block, which may have a label of any length.
func shortened(heading string) string {
	if len(heading) <= maxBlock {
		return heading
	}
	return strings.ToValidUTF8(heading[:maxBlock], "") + cut
}

// inside is the block around the subject of a shown source.
type inside string

// ContextString is what the text writer of HCL asks of a file.
func (s inside) ContextString(int) string { return string(s) }
