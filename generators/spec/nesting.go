package spec

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// bracket is one level of nesting while the tokens are scanned.
type bracket struct {
	lines     bool     // a line break ends an expression here: in blocks and objects
	operators int      // in the expression that is open at this level
	control   []string // template directives not yet ended: "if", "for"
}

// nesting scans tokens for depth without recursion.
type nesting struct {
	open  []bracket
	depth int // brackets and template directives
}

// checkNesting returns a diagnostic for the first place that nests too deep,
// chains too many operators or writes too large a number.
func checkNesting(tokens hclsyntax.Tokens) hcl.Diagnostics {
	scan := nesting{open: []bracket{{lines: true}}}
	for i := range tokens {
		var next *hclsyntax.Token
		if i+1 < len(tokens) {
			next = &tokens[i+1]
		}
		if detail := scan.token(&tokens[i], next); detail != "" {
			return hcl.Diagnostics{finding.SpecTooComplex.Error(tokens[i].Range.Ptr(), "%s", detail)}
		}
	}
	return nil
}

func (s *nesting) token(tok, next *hclsyntax.Token) (detail string) {
	top := &s.open[len(s.open)-1]
	switch tok.Type {
	case hclsyntax.TokenOBrace:
		s.push()
		s.open[len(s.open)-1].lines = true
	case hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp:
		s.push()
	case hclsyntax.TokenOBrack:
		// A chain of indexes, [0][0][0], nests the tree like operators do.
		top.operators++
		s.push()
	case hclsyntax.TokenTemplateControl:
		s.directive(top, next)
		s.push()
	case hclsyntax.TokenCBrace, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		s.pop()
	case hclsyntax.TokenComma:
		top.operators = 0
	case hclsyntax.TokenNewline, hclsyntax.TokenComment: // a comment takes its line break along
		if top.lines && bytes.HasSuffix(tok.Bytes, []byte{'\n'}) {
			top.operators = 0
		}
	case hclsyntax.TokenNumberLit:
		if !numberFits(string(tok.Bytes)) {
			return fmt.Sprintf("This number is beyond what a spec can mean: write at most %d characters and an exponent of at most %d.", maxNumber, maxExponent)
		}
	case hclsyntax.TokenIdent, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenEqual:
	default:
		top.operators++
	}
	if s.depth > maxNesting {
		return fmt.Sprintf("Brackets, blocks or templates nest deeper than %d levels here. Move the inner parts into locals.", maxNesting)
	}
	if top := &s.open[len(s.open)-1]; top.operators > maxOperators {
		return fmt.Sprintf("One expression chains more than %d operators here. Split it, or use sum(), join() or concat() over a list.", maxOperators)
	}
	return ""
}

func (s *nesting) push() {
	s.open = append(s.open, bracket{})
	s.depth++
}

// pop closes the innermost bracket, whatever its kind: the parser reports the
// wrong ones.
func (s *nesting) pop() {
	if len(s.open) == 1 {
		return
	}
	s.depth -= 1 + len(s.open[len(s.open)-1].control)
	s.open = s.open[:len(s.open)-1]
}

// directive follows %{if}, %{for} and their ends, which nest without brackets
// around them. An end that does not fit ends nothing.
func (s *nesting) directive(top *bracket, next *hclsyntax.Token) {
	if next == nil {
		return
	}
	word := string(next.Bytes)
	switch word {
	case "if", "for":
		top.control = append(top.control, word)
		s.depth++
	case "endif", "endfor":
		if n := len(top.control); n > 0 && strings.TrimPrefix(word, "end") == top.control[n-1] {
			top.control = top.control[:n-1]
			s.depth--
		}
	}
}

// numberFits bounds a number's text, because a large exponent becomes as many
// digits when the number is written out.
func numberFits(text string) bool {
	if len(text) > maxNumber {
		return false
	}
	at := strings.IndexAny(text, "eE")
	if at < 0 {
		return true
	}
	exponent, err := strconv.Atoi(text[at+1:])
	return err == nil && -maxExponent <= exponent && exponent <= maxExponent
}
