package templates

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"
)

var awkward = []string{
	"", "plain", "it's", `"quoted"`, `back\slash`, "${var.x}", "%{ if true }", "$${", "%%{", "$", "#no comment",
	"line\nbreak", "tab\t", "\x00\x01\x7f", "\u0085\u2028", "é ü 😀", "yes", "012", "null", "1e3", "2001:db8::1", "- x", "a: b", "`id`", "$(id)",
	"<!--&-->", "\ufeff", " lead", "trail ", "%{env:HOME}",
}

// FuzzEscapers reads every escaped text back with the format's own parser.
func FuzzEscapers(f *testing.F) {
	for _, s := range awkward {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		expr, diags := hclsyntax.ParseExpression([]byte(hclString(s)), "x.tf", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(s, diags)
		}
		value, diags := expr.Value(nil)
		if diags.HasErrors() || value.AsString() != norm.NFC.String(s) {
			t.Errorf("HCL: %q came back as %#v, %v", s, value, diags)
		}

		var fromYAML any
		if err := yaml.Unmarshal([]byte("key: "+yamlString(s)), &fromYAML); err != nil {
			t.Fatal(s, err)
		}
		if got := fromYAML.(map[string]any)["key"]; got != s {
			t.Errorf("YAML: %q came back as %#v", s, got)
		}

		text, err := jsonValue(s)
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON string
		if err := json.Unmarshal([]byte(text), &fromJSON); err != nil || fromJSON != s {
			t.Errorf("JSON: %q came back as %q, %v", s, fromJSON, err)
		}

		element, err := xmlText(s)
		if err != nil {
			t.Fatal(err)
		}
		var fromXML string
		if err := xml.Unmarshal([]byte("<a>"+element+"</a>"), &fromXML); err != nil || fromXML != Comment(s) {
			t.Errorf("XML: %q came back as %q, %v", s, fromXML, err)
		}

		if comment := Comment(s); strings.ContainsAny(comment, "\n\r\x00\u0085\u2028\u2029\v\f") || !utf8.ValidString(comment) {
			t.Errorf("comment of %q: %q", s, comment)
		}
		if text, err := powershellString(s); err == nil {
			inner := strings.ReplaceAll(text[1:len(text)-1], "''", "")
			if strings.ContainsAny(inner, "'\n\r\x00\u2018\u2019\u201a\u201b") || strings.ReplaceAll(text[1:len(text)-1], "''", "'") != s {
				t.Errorf("PowerShell: %q became %s", s, text)
			}
		}
		for _, format := range []string{"vsftpd", "proftpd", "word"} {
			if Holds(format, s) == nil && strings.ContainsAny(s, "\n\r\x00") {
				t.Errorf("%s takes %q", format, s)
			}
		}
	})
}

func TestFormatsThatCannotHoldEverything(t *testing.T) {
	cases := []struct {
		format, value string
		holds         bool
	}{
		{"vsftpd", "/etc/ssl/my cert=1.pem", true}, {"vsftpd", " /x", false}, {"vsftpd", "/x ", false}, {"vsftpd", "", false},
		{"vsftpd", "/x\ny=1", false}, {"vsftpd", "/x\ry", false},
		{"proftpd", `/etc/my "cert" #1\.pem`, true}, {"proftpd", "/x%{env:HOME}", false}, {"proftpd", "/x\ny", false},
		{"word", "203.0.113.10,21", true}, {"word", "a b", false}, {"word", "#a", false}, {"word", "", false},
	}
	for _, c := range cases {
		if err := Holds(c.format, c.value); (err == nil) != c.holds {
			t.Errorf("%s and %q: %v", c.format, c.value, err)
		}
	}
	for _, bad := range []string{"a\nb", "a\x00", "it\u2019s", "\u00e9"} {
		if got, err := powershellString(bad); err == nil {
			t.Errorf("PowerShell takes %s", got)
		}
	}
	if got, _ := powershellString("it's `n $(x)"); got != "'it''s `n $(x)'" {
		t.Errorf("PowerShell quotes as %s", got)
	}
	if got, _ := proftpdString(`a "b" \c`); got != `"a \"b\" \\c"` {
		t.Errorf("proftpd quotes as %s", got)
	}
}
