package spec

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// syntaxErrors words what the parser reports for people who do not know its
// terms. It keeps one error of each line, because the parser stumbles over
// what follows a mistake, and none after a string or comment that is left open, which
// takes the next lines for its text, or after a block whose brace is on the next line.
// If there are errors, at least one is kept.
func syntaxErrors(src []byte, diags hcl.Diagnostics) hcl.Diagnostics {
	diags = slices.Clone(diags)
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		return cmp.Compare(a.Subject.Start.Line, b.Subject.Start.Line)
	})
	// A block may be open because of another error.
	others := slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary != unclosed })
	var kept hcl.Diagnostics
	last := 0
	for _, d := range diags {
		if d.Subject.Start.Line == last || d.Summary == unclosed && others {
			continue
		}
		last = d.Subject.Start.Line
		kept = append(kept, reworded(src, d))
		if d.Summary == openString || opensComment(src, d.Subject.Start.Byte) || d.Summary == badBlock && braceFollows(src, d.Subject.Start.Byte) {
			break
		}
	}
	return finding.Adopt(finding.InvalidSyntax, kept)
}

// Summaries of the parser.
const (
	unclosed    = "Unclosed configuration block"
	openString  = "Invalid multi-line string"
	badBlock    = "Invalid block definition"
	badEscape   = "Invalid escape sequence"
	noArgument  = "Argument or block definition required"
	badOneLiner = "Invalid single-argument block definition"
)

var (
	foreignQuotes = regexp.MustCompile("['`‘’‚“”„«»]([^'`‘’‚“”„«»\"]*)['`‘’‚“”„«»]")
	labelled      = regexp.MustCompile(`^\s*([A-Za-z][\w-]*)\s*=\s*("[^"]*")\s*\{`)
	colon         = regexp.MustCompile(`^\s*"?([A-Za-z][\w-]*)"?\s*(?::=|=>|==|:|=)\s*(\S.*?)\s*,?\s*$`)
	noEqualSign   = regexp.MustCompile(`^\s*([A-Za-z][\w-]*)\s+([\d"\[].*?)\s*$`)
	oneLiner      = regexp.MustCompile(`^\s*([A-Za-z][^{}]*\{)([^{}]*)\}\s*$`)
	openOneLiner  = regexp.MustCompile(`^\s*([A-Za-z][^{}]*\{)\s*([^{}]+?)\s*$`)
	headerLine    = regexp.MustCompile(`^\s*([A-Za-z][\w-]*)\W+("[^"]*").*\{\s*$`)
	otherBase     = regexp.MustCompile(`=\s*(0[xXoObB][0-9A-Fa-f]+)\s*$`)
	thousands     = regexp.MustCompile(`=\s*(\d{1,3}(?:[,_]\d{3})+)\s*$`)
	interpolation = regexp.MustCompile(`=\s*\$\{(.*)\}\s*$`)
	percentSign   = regexp.MustCompile(`(\d[\d.]*)\s*%\s*$`)
	comment       = regexp.MustCompile(`\s+(#|//)[^"]*$`)
	openComment   = regexp.MustCompile(`^([^"#]|"[^"]*")*/\*`)
	setBefore     = regexp.MustCompile(`The argument "(.*)" was already set at (.*):(\d+),`)
)

// ofSummary is what to say of a summary whatever the line is.
var ofSummary = map[string]string{
	"Unexpected comma after argument": "A line break ends an argument. Remove the comma.",
	unclosed:                          "The block that starts here has no closing brace, or one inside it has none. Add a } at its end.",
	"Unterminated tuple constructor expression":  "The list that starts here has no end. Add a ].",
	"Unterminated object constructor expression": "The map that starts here has no end. Add a }.",
	"Unbalanced parentheses":                     "The parenthesis that opens here is not closed. Add a ).",
	"Unterminated function call":                 "The parenthesis that opens here is not closed. Add a ).",
	noArgument:                                   "A line sets an argument, NAME = VALUE, or starts a block, NAME {.",
	badBlock:                                     "A line sets an argument, NAME = VALUE, or starts a block, NAME {.",
	badOneLiner:                                  "A block of more than one argument has a line for each, and its braces at the end of the first line and on the last.",
	"Missing newline after argument":             "The value of an argument ends before this. Write one argument on a line, and text in double quotes.",
	"Invalid expression":                         "A value is missing here, or it is text without double quotes.",
	"Missing item separator":                     "A list has commas between its items and a ] at its end. One of them is missing before this.",
}

// reworded says in terms of a spec what is wrong with the syntax of a line, and
// what to write instead.
func reworded(src []byte, d *hcl.Diagnostic) *hcl.Diagnostic {
	if finding.Of(d) != nil {
		return d
	}
	if m := setBefore.FindStringSubmatch(d.Detail); m != nil {
		return finding.DuplicateArgument.Error(d.Subject, "%s is set at %s:%s already. Remove one of them.", m[1], m[2], m[3])
	}
	if opensComment(src, d.Subject.Start.Byte) {
		return finding.InvalidSyntax.Error(d.Subject, "The comment that starts here has no end. Add a */.")
	}
	line := lineAt(src, d.Subject.Start.Byte)
	code := comment.ReplaceAllString(line, "")
	detail := mistakenValue(code)
	if detail == "" {
		switch d.Summary {
		case "Invalid character":
			detail = mistakenCharacter(code)
		case badEscape:
			detail = "A backslash starts an escape sequence. " + backslashRemedy(quotedAround(line, d.Subject.Start))
		case openString:
			if i := strings.LastIndexByte(code, '"'); i >= 0 {
				detail = fmt.Sprintf("The text has no closing quote on its line. Write %s\".", code[i:])
			}
		case noArgument, badBlock, "Invalid argument name":
			detail = mistakenItem(code, d.Summary == badBlock, braceFollows(src, d.Subject.Start.Byte))
		case badOneLiner, "Argument definition required":
			detail = mistakenBlock(code)
		case "Missing newline after argument", "Invalid expression", "Invalid number literal", "Missing item separator", "Missing attribute separator":
			if word := bareText(line, d.Subject); word != "" {
				detail = fmt.Sprintf("Text is in double quotes. Write %q.", word)
			} else if before, last := strings.CutSuffix(code, "}"); last && strings.Contains(before, "=") && !strings.Contains(before, "{") {
				detail = fmt.Sprintf("The brace that ends a block is on a line of its own. Write\n\n%s\n}", strings.TrimSpace(before))
			}
		}
	}
	if detail = cmp.Or(detail, ofSummary[d.Summary]); detail == "" {
		return d
	}
	return finding.InvalidSyntax.Error(d.Subject, "%s", detail)
}

// opensComment reports whether the line of a byte starts a comment that has no
// end.
func opensComment(src []byte, at int) bool {
	code := comment.ReplaceAllString(lineAt(src, at), "")
	start := bytes.LastIndexByte(src[:min(at, len(src))], '\n') + 1
	return openComment.MatchString(code) && !bytes.Contains(src[start+strings.LastIndex(code, "/*"):], []byte("*/"))
}

// mistakenValue is about values that are written as elsewhere.
func mistakenValue(code string) string {
	if m := percentSign.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("A share is written as a number from 0 to 1. Write %s.", hundredth(m[1]))
	}
	if m := labelled.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("A %s is a block, which has no equals sign. Write %s %s {.", m[1], m[1], m[2])
	}
	if m := otherBase.FindStringSubmatch(code); m != nil {
		if n, err := strconv.ParseUint(m[1], 0, 64); err == nil {
			return fmt.Sprintf("A number is decimal. Write %d.", n)
		}
	}
	if m := thousands.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("A number is written without separators. Write %s.", strings.NewReplacer(",", "", "_", "").Replace(m[1]))
	}
	return ""
}

// mistakenCharacter is about characters that HCL does not have.
func mistakenCharacter(code string) string {
	if m := interpolation.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("${ } is for references within quotes. Write %s.", strings.TrimSpace(m[1]))
	}
	if all := foreignQuotes.FindAllStringSubmatch(code, 5); all != nil {
		var texts []string
		for _, m := range all {
			texts = append(texts, strconv.Quote(m[1]))
		}
		return fmt.Sprintf("Text is in straight double quotes. Write %s.", strings.Join(texts, ", "))
	}
	if strings.HasSuffix(code, ";") {
		return "A line break ends an argument. Remove the semicolon."
	}
	return ""
}

// mistakenItem is about a line that is neither an argument nor the start of a
// block. header: it was taken for a block's. brace: the next line starts with one.
func mistakenItem(code string, header, brace bool) string {
	if strings.TrimSpace(code) == "}" {
		return "This brace closes no block. Remove it, or the one that closes too early above."
	}
	if m := headerLine.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("A block starts with its kind, its name and a brace. Write %s %s {.", m[1], m[2])
	}
	if m := colon.FindStringSubmatch(code); m != nil && !header {
		return fmt.Sprintf("An argument is set with an equals sign. Write %s = %s.", m[1], m[2])
	}
	m := noEqualSign.FindStringSubmatch(code)
	switch {
	case m == nil:
		return ""
	case brace:
		return fmt.Sprintf("A block's brace is on the line of its name. Write %s {.", strings.TrimSpace(code))
	}
	return fmt.Sprintf("An argument is set with an equals sign. Write %s = %s.", m[1], m[2])
}

// mistakenBlock is about a block that has several arguments on one line.
func mistakenBlock(code string) string {
	if m := oneLiner.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("A block of more than one argument has a line for each. Write\n\n%s\n%s}", m[1], ownLines(m[2]))
	}
	if m := openOneLiner.FindStringSubmatch(code); m != nil {
		return fmt.Sprintf("A block of several lines has nothing after its brace. Write\n\n%s\n  %s", m[1], m[2])
	}
	return ofSummary[badOneLiner]
}

// lineAt is the line that a byte of src belongs to, without its line break, as
// far as a person reads it.
func lineAt(src []byte, at int) string {
	at = min(at, len(src))
	line, _, _ := bytes.Cut(src[bytes.LastIndexByte(src[:at], '\n')+1:], []byte{'\n'})
	return strings.TrimSuffix(string(line[:min(len(line), maxText)]), "\r")
}

// braceFollows reports whether the line after that of a byte starts with a
// brace, which belongs to the block that the line before it names.
func braceFollows(src []byte, at int) bool {
	_, rest, _ := bytes.Cut(src[min(at, len(src)):], []byte{'\n'})
	return strings.HasPrefix(strings.TrimSpace(lineAt(rest, 0)), "{")
}

// quotedAround is the text between the quotes around a place of a line.
func quotedAround(line string, at hcl.Pos) string {
	runes := []rune(line)
	before := string(runes[:min(at.Column-1, len(runes))])
	from := strings.LastIndexByte(before, '"') + 1
	text, _, _ := strings.Cut(line[from:], `"`)
	return text
}

var (
	drive       = regexp.MustCompile(`^[A-Za-z]:[\\/]*`)
	backslashes = regexp.MustCompile(`\\+`)
)

// unixPath writes a path of Windows as one of a host that runs an FTP server:
// from the root on, with slashes.
func unixPath(text string) (path string, ok bool) {
	if !drive.MatchString(text) {
		return "", false
	}
	return backslashes.ReplaceAllString(drive.ReplaceAllString(text, "/"), "/"), true
}

// backslashRemedy is what to write for a text with backslashes.
func backslashRemedy(text string) string {
	if path, ok := unixPath(text); ok {
		return fmt.Sprintf("Paths are those of a Unix host, with slashes: write %q.", path)
	}
	return fmt.Sprintf(`Write two for each that is meant: "%s".`, backslashes.ReplaceAllString(text, `\\`))
}

var nextArgument = regexp.MustCompile(`^ +[\w-]+ *=[^=]`)

// ownLines puts each of the arguments of a block on a line of its own.
func ownLines(arguments string) string {
	var text strings.Builder
	depth, quoted, start := 0, false, 0
	write := func(end int) {
		if argument := strings.TrimSpace(arguments[start:end]); argument != "" {
			text.WriteString("  " + argument + "\n")
		}
		start = end + 1
	}
	for i, r := range arguments {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '[' || r == '(':
			depth++
		case r == ']' || r == ')':
			depth--
		case depth == 0 && (r == ',' || r == ';' || r == ' ' && nextArgument.MatchString(arguments[i:])):
			write(i)
		}
	}
	write(len(arguments))
	return text.String()
}

var word = regexp.MustCompile(`[\w.:/@+-]+`)

// bareText is the word at a range of a line if it can only be meant as text:
// an address, a network, a duration, a range of ports, a path or a host's name.
func bareText(line string, at *hcl.Range) string {
	column := len(string([]rune(line)[:min(at.Start.Column-1, len([]rune(line)))]))
	for _, place := range word.FindAllStringIndex(line, -1) {
		if column < place[0] || column > place[1] {
			continue
		}
		if text := line[place[0]:place[1]]; isText(text) {
			return text
		}
	}
	return ""
}

var textual = regexp.MustCompile(`^(/[\w.@+/-]*|\d+[:-]\d+|[A-Za-z][\w-]*(\.[A-Za-z][\w-]*)+)$`)

func isText(word string) bool {
	if _, err := strconv.ParseFloat(word, 64); err == nil {
		return false
	}
	_, notAddress := netip.ParseAddr(word)
	_, notNetwork := netip.ParsePrefix(word)
	_, notTime := time.ParseDuration(word)
	return notAddress == nil || notNetwork == nil || notTime == nil || textual.MatchString(word)
}

// hundredth writes a number of percent as a share.
func hundredth(percent string) string {
	x, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return "0.01 for 1 percent"
	}
	return strconv.FormatFloat(round(x/100), 'f', -1, 64)
}

// round takes away what a division by 100 leaves of binary fractions.
func round(x float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 12, 64), 64)
	return r
}
