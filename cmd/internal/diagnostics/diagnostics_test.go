package diagnostics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

const text = "site \"a\" {\n  port = 70000\n}\n"

func report(t *testing.T) Report {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "a b.pasv.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Report{
		Dir:   "specs",
		Files: map[string]*hcl.File{"a b.pasv.hcl": f},
		Diagnostics: hcl.Diagnostics{
			{Severity: hcl.DiagWarning, Summary: "Nobody, nowhere: odd"},
			{
				Severity: hcl.DiagError,
				Summary:  "Port out of range",
				Detail:   "70000 is more than 65535,\n100% of the time.",
				Subject: &hcl.Range{Filename: "a b.pasv.hcl",
					Start: hcl.Pos{Line: 2, Column: 10, Byte: 20}, End: hcl.Pos{Line: 2, Column: 15, Byte: 25}},
			},
		},
	}
}

func render(t *testing.T, format string, r Report) string {
	t.Helper()
	var b strings.Builder
	if err := Formats[format](&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextShowsTheSourceLine(t *testing.T) {
	got := render(t, "text", report(t))
	want := "Error: Port out of range\n\n  on specs/a b.pasv.hcl line 2, in site \"a\":\n   2:   port = 70000\n"
	if !strings.Contains(got, want) {
		t.Errorf("%s\nlacks\n%s", got, want)
	}
	if strings.Contains(got, "\x1b") {
		t.Error("colour without asking")
	}
}

// TestLongLinesAreCut shows a subject at each end of a line, and in the middle
// of one, that no terminal holds, and one that goes on over many lines.
func TestLongLinesAreCut(t *testing.T) {
	const name = "long.pasv.hcl"
	long := strings.Repeat("ä", 30_000)
	for what, c := range map[string]struct{ before, subject, after, want string }{
		"start":      {"", "port", " = " + long, "   2: port\x1b[0m = ää"},
		"middle":     {long, "port", long, "ääport\x1b[0mää"},
		"end":        {long, "port", "", "ääport\x1b[0m\n"},
		"itself":     {"a = ", long, "", "   2: a = \x1b[1;4mää"},
		"many lines": {"a = ", "[\n" + strings.Repeat("0,\n", 9_000), "]", "   2: a = \x1b[1;4m[\x1b[0m\n\n"},
	} {
		start := len("# one\n" + c.before)
		r := Report{
			Colour: true,
			Files:  map[string]*hcl.File{name: {Bytes: []byte("# one\n" + c.before + c.subject + c.after + "\n# three\n"), Nav: inside("site \"a\"")}},
			Diagnostics: hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "Odd", Detail: "Really odd.",
				Subject: &hcl.Range{Filename: name, Start: hcl.Pos{Line: 2, Column: 1, Byte: start},
					End: hcl.Pos{Line: 2, Column: 2, Byte: start + len(c.subject)}},
			}},
		}
		got := strings.NewReplacer("\x1b[1;4mport", "port").Replace(render(t, "text", r))
		if len(got) > 700 || !utf8.ValidString(got) || !strings.Contains(got, c.want) || !strings.Contains(got, "line 2, in site \"a\":") ||
			strings.Contains(got, "three") {
			t.Errorf("%s: %d bytes lack %q:\n%.900q", what, len(got), c.want, got)
		}
	}
}

func TestLongLabelsAreCut(t *testing.T) {
	const name = "long.pasv.hcl"
	r := Report{
		Files: map[string]*hcl.File{name: {Bytes: []byte("port = 0\n"), Nav: inside("site \"" + strings.Repeat("ä", 50_000) + "\"")}},
		Diagnostics: hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Odd", Detail: "Really odd.",
			Subject: &hcl.Range{Filename: name, Start: hcl.Pos{Line: 1, Column: 1}, End: hcl.Pos{Line: 1, Column: 5, Byte: 4}},
		}},
	}
	if got := render(t, "text", r); len(got) > 300 || !utf8.ValidString(got) || !strings.Contains(got, "line 1, in site \"ää") || !strings.Contains(got, "ä…:") {
		t.Errorf("%d bytes:\n%.900q", len(got), got)
	}
}

func TestTextIsHarmless(t *testing.T) {
	const bad = "evil\x1b[2J.pasv.hcl"
	source := "a = \"\x1b]0;x\a\u009b31m\"\n"
	r := Report{
		Files: map[string]*hcl.File{bad: {Bytes: []byte(source)}},
		Diagnostics: hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Odd \x1b[1m", Detail: "Really \x9b odd.",
			Subject: &hcl.Range{Filename: bad, Start: hcl.Pos{Line: 1, Column: 1}, End: hcl.Pos{Line: 1, Column: 2, Byte: 1}},
		}},
	}
	got := render(t, "text", r)
	if strings.ContainsAny(got, "\x1b\a\u009b") || !strings.Contains(got, `1: a = "?]0;x???31m"`) || !strings.Contains(got, "on evil?[2J.pasv.hcl line 1") {
		t.Errorf("%q", got)
	}
	if string(r.Files[bad].Bytes) != source {
		t.Error("the report's own source was changed")
	}
}

func TestTextIsCapped(t *testing.T) {
	r := report(t)
	r.Limit = 1
	got := render(t, "text", r)
	if !strings.Contains(got, "Port out of range") || strings.Contains(got, "odd") || !strings.HasSuffix(got, "… and 1 more\n\n") {
		t.Errorf("the error is to be shown first and the rest counted:\n%s", got)
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Version          int
		Valid            bool
		Errors, Warnings int
		Diagnostics      []struct {
			Severity, Summary, Detail string
			Range                     *struct {
				File       string
				Start, End struct{ Line, Column, Byte int }
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, "json", report(t))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || got.Valid || got.Errors != 1 || got.Warnings != 1 || len(got.Diagnostics) != 2 {
		t.Fatalf("%+v", got)
	}
	d := got.Diagnostics[1]
	if d.Severity != "error" || d.Range == nil || d.Range.File != "specs/a b.pasv.hcl" || d.Range.Start.Line != 2 || d.Range.End.Byte != 25 {
		t.Errorf("%+v", d)
	}
	if got.Diagnostics[0].Range != nil {
		t.Error("a place was made up")
	}
	if empty := render(t, "json", Report{}); !strings.Contains(empty, `"diagnostics": []`) || !strings.Contains(empty, `"valid": true`) {
		t.Errorf("no diagnostics: %s", empty)
	}
}

func TestSARIF(t *testing.T) {
	var got struct {
		Version string
		Runs    []struct {
			Tool    struct{ Driver struct{ Name string } }
			Results []struct {
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, "sarif", report(t))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.1.0" || len(got.Runs) != 1 || got.Runs[0].Tool.Driver.Name != "pasvctl" || len(got.Runs[0].Results) != 2 {
		t.Fatalf("%+v", got)
	}
	place := got.Runs[0].Results[1].Locations[0].PhysicalLocation
	if place.ArtifactLocation.URI != "specs/a%20b.pasv.hcl" || fmt.Sprint(place.Region) != "{2 10 2 15}" {
		t.Errorf("%+v", place)
	}
	if level := got.Runs[0].Results[0].Level; level != "warning" {
		t.Errorf("level %q", level)
	}
}

func TestGitHub(t *testing.T) {
	want := "::warning title=Nobody%2C nowhere%3A odd::Nobody, nowhere: odd\n" +
		"::error file=specs/a b.pasv.hcl,line=2,endLine=2,col=10,endColumn=15,title=Port out of range::" +
		"Port out of range: 70000 is more than 65535,%0A100%25 of the time.\n"
	if got := render(t, "github", report(t)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
