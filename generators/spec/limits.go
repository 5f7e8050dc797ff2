package spec

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// Limits of a source. hclsyntax parses and evaluates recursively, and a Go
// stack that overflows cannot be recovered from, so what nests is bounded
// before it is parsed. What expressions compute is
// not bounded here: whoever calls Load bounds its time, and nothing its memory.
const (
	maxFile      = 1 << 20 // bytes
	maxNesting   = 64      // brackets, blocks, templates and conditions in each other
	maxOperators = 1000    // in one expression: each nests the tree by one
	maxNumber    = 100     // characters of a number
	maxExponent  = 300     // of a number, decimal
)

// checkLimits reports why src may not be given to the parser.
func checkLimits(name string, src []byte) hcl.Diagnostics {
	if diag := checkText(name, src); diag != nil {
		return hcl.Diagnostics{diag}
	}
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	return checkNesting(tokens)
}

// checkText finds the first NUL or byte that is not UTF-8.
func checkText(name string, src []byte) *hcl.Diagnostic {
	at := bytes.IndexByte(src, 0)
	what, remedy := "a NUL byte", "Remove it, or save the file as plain UTF-8 text."
	if bad := firstInvalid(src); bad >= 0 && (at < 0 || bad < at) {
		at, what, remedy = bad, fmt.Sprintf("the byte 0x%02x, which is not UTF-8", src[bad]), "Save the file as UTF-8."
	}
	if at < 0 {
		return nil
	}
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) {
		at, what, remedy = 0, "the start of a text in UTF-16", "Save the file as UTF-8."
	}
	line := 1 + bytes.Count(src[:at], []byte{'\n'})
	column := 1 + utf8.RuneCount(src[bytes.LastIndexByte(src[:at], '\n')+1:at])
	start := hcl.Pos{Line: line, Column: column, Byte: at}
	end := hcl.Pos{Line: line, Column: column + 1, Byte: at + 1}
	return finding.NotText.Error(&hcl.Range{Filename: name, Start: start, End: end}, "Byte %d of %s is %s. %s", at, name, what, remedy)
}

func firstInvalid(src []byte) int {
	if utf8.Valid(src) {
		return -1
	}
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
