package templates

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// escapers has one function per format. Each takes a value as it is and
// returns it as the format writes it, quotes included where the format has
// them; a format that cannot hold the value makes it an error, which stops the
// rendering before anything is written.
func escapers() template.FuncMap {
	return template.FuncMap{
		"comment": Comment,
		"hcl":     hclString,
		"yaml":    yamlString,
		"json":    jsonValue,
		"shell":   shellWord,
		"vsftpd":  vsftpdValue,
		"proftpd": proftpdString,
		"word":    configWord,
		"xml":     xmlText,

		"powershell": powershellString,
	}
}

// Holds explains why a format that has no escapes for everything, named as its
// escaper, cannot hold a text; nil if it can.
func Holds(format, s string) error {
	var err error
	switch format {
	case "json":
		_, err = jsonValue(s)
	case "vsftpd":
		_, err = vsftpdValue(s)
	case "proftpd":
		_, err = proftpdString(s)
	case "word":
		_, err = configWord(s)
	default:
		panic("no such format: " + format)
	}
	return err
}

// Comment makes a text safe for a one-line comment of any format: what
// cannot be printed, line breaks above all, becomes a question mark.
func Comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// hclString writes a quoted HCL string, in which neither ${ nor %{ starts a
// template. HCL itself brings every string to Unicode normal form C.
func hclString(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

// yamlString writes a double-quoted YAML scalar in ASCII, which no reader of
// YAML 1.1 or 1.2 takes for a number, a boolean, a date or null. Go's escapes
// are a subset of YAML's (YAML 1.2.2, 5.7).
func yamlString(s string) string {
	return strconv.QuoteToASCII(strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// jsonValue writes any value as JSON, on one line and without HTML's escapes.
func jsonValue(v any) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// xmlText writes the text of an element or attribute of XML 1.0, whose characters
// are not all: a question mark is in the place of others.
func xmlText(s string) (string, error) {
	var out bytes.Buffer
	err := xml.EscapeText(&out, []byte(Comment(s)))
	return out.String(), err
}

// shellWord writes one word for a POSIX shell (XCU 2.2.2: nothing is special
// between single quotes but the single quote). No shell can hold a NUL.
func shellWord(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("a shell word cannot hold a NUL byte: %q", s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

// powershellString writes a single-quoted string of PowerShell, in which only the
// quote itself is special, doubled (about_Quoting_Rules). Windows PowerShell 5.1 reads
// a file without a byte order mark in the system's code page, and takes typographic
// quotes for quotes: only printable ASCII is safe.
func powershellString(s string) (string, error) {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return "", fmt.Errorf("a PowerShell string here is printable ASCII: %q", s)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
}

// vsftpdValue passes a value of vsftpd.conf, which knows no quotes and no
// escapes: the value is what stands between the equals sign and the line's
// end, less the white space at the end.
func vsftpdValue(v any) (string, error) {
	s := fmt.Sprint(v)
	if err := oneLine(s); err != nil {
		return "", fmt.Errorf("vsftpd.conf cannot hold %q: %w", s, err)
	}
	if s == "" || strings.TrimSpace(s) != s {
		return "", fmt.Errorf("vsftpd.conf cannot hold %q: a value there is not empty and neither starts nor ends with white space", s)
	}
	return s, nil
}

// proftpdString writes a quoted parameter of proftpd.conf. The server replaces
// %{env:NAME} and %{file:PATH} wherever they stand and has no escape for them.
func proftpdString(s string) (string, error) {
	if err := oneLine(s); err != nil {
		return "", fmt.Errorf("proftpd.conf cannot hold %q: %w", s, err)
	}
	if strings.Contains(s, "%{") {
		return "", fmt.Errorf("proftpd.conf cannot hold %q: the server replaces %%{ by a variable", s)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}

// configWord passes a value of a file that takes no white space and has no
// quotes: Pure-FTPd's wrapper splits its command line at blanks.
func configWord(v any) (string, error) {
	s := fmt.Sprint(v)
	if err := oneLine(s); err != nil {
		return "", fmt.Errorf("the file cannot hold %q: %w", s, err)
	}
	if s == "" || strings.ContainsFunc(s, unicode.IsSpace) || strings.HasPrefix(s, "#") {
		return "", fmt.Errorf("the file cannot hold %q: a value there is one word and does not start with #", s)
	}
	return s, nil
}

func oneLine(s string) error {
	for _, r := range s {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("it has a line break, a control character or invalid UTF-8")
		}
	}
	return nil
}
