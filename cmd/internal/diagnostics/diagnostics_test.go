package diagnostics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/pasvctl/pasvctl/generators/finding"
)

const text = "site \"a\" {\n  port = 70000\n}\n"

func report(t *testing.T) Report {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "a b.pasv.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Report{
		Dir:     "specs",
		Files:   map[string]*hcl.File{"a b.pasv.hcl": f, "a a.lock.hcl": {}},
		Command: "validate",
		Findings: append(finding.From(hcl.Diagnostics{
			finding.NoEffect.Warning(nil, "Nobody, nowhere: odd"),
			finding.PortOutOfRange.Error(&hcl.Range{Filename: "a b.pasv.hcl",
				Start: hcl.Pos{Line: 2, Column: 10, Byte: 20}, End: hcl.Pos{Line: 2, Column: 15, Byte: 25}},
				"70000 is more than 65535,\n100%% of the time."),
		}), finding.Finding{
			Severity: finding.Note, Rule: finding.ConntrackFull, Site: "a", Detail: "nearly full",
			Evidence: "/proc: 7", Remedy: "sysctl", Figures: map[string]any{"entries_max": 7},
		}),
	}
}

func odd(detail string, at *hcl.Range) []finding.Finding {
	return finding.From(hcl.Diagnostics{finding.NoEffect.Error(at, "%s", detail)})
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
	want := "Error: Port out of range [port-out-of-range]\n\n  on specs/a b.pasv.hcl line 2, in site \"a\":\n   2:   port = 70000\n"
	if !strings.Contains(got, want) {
		t.Errorf("%s\nlacks\n%s", got, want)
	}
	if want := "note [conntrack-full] site \"a\": nearly full\n  evidence: /proc: 7\n  remedy:   sysctl\n"; !strings.HasSuffix(got, want) {
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
			Findings: odd("Really odd.", &hcl.Range{Filename: name, Start: hcl.Pos{Line: 2, Column: 1, Byte: start},
				End: hcl.Pos{Line: 2, Column: 2, Byte: start + len(c.subject)}}),
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
		Files:    map[string]*hcl.File{name: {Bytes: []byte("port = 0\n"), Nav: inside("site \"" + strings.Repeat("ä", 50_000) + "\"")}},
		Findings: odd("Really odd.", &hcl.Range{Filename: name, Start: hcl.Pos{Line: 1, Column: 1}, End: hcl.Pos{Line: 1, Column: 5, Byte: 4}}),
	}
	if got := render(t, "text", r); len(got) > 300 || !utf8.ValidString(got) || !strings.Contains(got, "line 1, in site \"ää") || !strings.Contains(got, "ä…:") {
		t.Errorf("%d bytes:\n%.900q", len(got), got)
	}
}

func TestTextIsHarmless(t *testing.T) {
	const bad = "evil\x1b[2J.pasv.hcl"
	source := "a = \"\x1b]0;x\a\u009b31m\"\n"
	r := Report{
		Files:    map[string]*hcl.File{bad: {Bytes: []byte(source)}},
		Findings: odd("Really \x9b odd.", &hcl.Range{Filename: bad, Start: hcl.Pos{Line: 1, Column: 1}, End: hcl.Pos{Line: 1, Column: 2, Byte: 1}}),
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
	if !strings.Contains(got, "Port out of range") || strings.Contains(got, "odd") || !strings.HasSuffix(got, "… and 2 more\n\n") {
		t.Errorf("the error is to be shown first and the rest counted:\n%s", got)
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Version                 int
		Command                 string
		Errors, Warnings, Notes int
		Findings                []struct {
			ID, Severity, Site, Summary, Detail, Evidence, Remedy string
			Figures                                               map[string]int
			Range                                                 *struct {
				File       string
				Start, End struct{ Line, Column, Byte int }
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, "json", report(t))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 1 || got.Command != "validate" || got.Errors != 1 || got.Warnings != 1 || got.Notes != 1 || len(got.Findings) != 3 {
		t.Fatalf("%+v", got)
	}
	f := got.Findings[1]
	if f.ID != "port-out-of-range" || f.Severity != "error" || f.Range == nil || f.Range.File != "specs/a b.pasv.hcl" || f.Range.Start.Line != 2 || f.Range.End.Byte != 25 {
		t.Errorf("%+v", f)
	}
	if got.Findings[0].Range != nil {
		t.Error("a place was made up")
	}
	if f := got.Findings[2]; f.ID != "conntrack-full" || f.Site != "a" || f.Evidence != "/proc: 7" || f.Remedy != "sysctl" || f.Figures["entries_max"] != 7 {
		t.Errorf("%+v", f)
	}
	if empty := render(t, "json", Report{}); !strings.Contains(empty, `"findings": []`) {
		t.Errorf("nothing found: %s", empty)
	}
}

func TestSARIF(t *testing.T) {
	var got struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID   string
						Help struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
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
	r := report(t)
	r.Findings = append(r.Findings, r.Findings[1])
	if err := json.Unmarshal([]byte(render(t, "sarif", r)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.1.0" || len(got.Runs) != 1 || got.Runs[0].Tool.Driver.Name != "pasvctl" || len(got.Runs[0].Results) != 4 {
		t.Fatalf("%+v", got)
	}
	results, rules := got.Runs[0].Results, got.Runs[0].Tool.Driver.Rules
	place := results[1].Locations[0].PhysicalLocation
	if place.ArtifactLocation.URI != "specs/a%20b.pasv.hcl" || fmt.Sprint(place.Region) != "{2 10 2 15}" {
		t.Errorf("%+v", place)
	}
	if results[0].Level != "warning" || results[2].Level != "note" || !strings.Contains(results[2].Message.Text, "remedy: sysctl") {
		t.Errorf("%+v", results)
	}
	if len(rules) != 3 || rules[1].Help.Text == "" {
		t.Errorf("%+v", rules)
	}
	for _, result := range results {
		if rules[result.RuleIndex].ID != result.RuleID {
			t.Errorf("%+v is of rule %s", result, rules[result.RuleIndex].ID)
		}
	}
}

func TestGitHub(t *testing.T) {
	want := "::warning title=Argument without effect [no-effect]::Argument without effect: Nobody, nowhere: odd\n" +
		"::error file=specs/a b.pasv.hcl,line=2,endLine=2,col=10,endColumn=15,title=Port out of range [port-out-of-range]::" +
		"Port out of range: 70000 is more than 65535,%0A100%25 of the time.\n" +
		"::notice title=Connection tracking table too small [conntrack-full]::" +
		"Connection tracking table too small: site \"a\": nearly full (/proc: 7); remedy: sysctl\n"
	if got := render(t, "github", report(t)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestGitLab(t *testing.T) {
	var got []struct {
		Check                 string `json:"check_name"`
		Severity, Fingerprint string
		Location              struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	r := report(t)
	r.Findings = append(r.Findings, r.Findings[1])
	if err := json.Unmarshal([]byte(render(t, "gitlab", r)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[1].Check != "port-out-of-range" || got[1].Severity != "major" || got[1].Location.Path != "specs/a b.pasv.hcl" || got[1].Location.Lines.Begin != 2 {
		t.Fatalf("%+v", got)
	}
	if got[0].Location.Path != "specs/a b.pasv.hcl" || got[0].Location.Lines.Begin != 1 {
		t.Errorf("GitLab leaves out what has no place: %+v", got[0])
	}
	if got[1].Fingerprint == got[3].Fingerprint {
		t.Error("equal findings are one to GitLab")
	}
	before := got[1].Fingerprint
	*r.Findings[1].At = hcl.Range{Filename: "a b.pasv.hcl", Start: hcl.Pos{Line: 9}}
	if err := json.Unmarshal([]byte(render(t, "gitlab", r)), &got); err != nil || got[1].Fingerprint != before {
		t.Errorf("a finding whose line has moved is another to GitLab: %v", err)
	}
	if empty := render(t, "gitlab", Report{}); empty != "[]\n" {
		t.Errorf("nothing found: %q", empty)
	}
}

func TestJUnit(t *testing.T) {
	r := report(t)
	got := render(t, "junit", r)
	for _, want := range []string{
		`<testsuite name="pasvctl validate" tests="3" failures="1" skipped="0">`,
		`<testcase classname="specs/a b.pasv.hcl" name="port-out-of-range at line 2">`,
		`<failure message="Port out of range: 70000 is more than 65535,&#xA;100% of the time.">`,
		`<system-out>Argument without effect: Nobody, nowhere: odd</system-out>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
	r.WarningsFail = true
	if got := render(t, "junit", r); !strings.Contains(got, `tests="3" failures="2"`) {
		t.Errorf("a warning is to fail:\n%s", got)
	}
	r.Findings = nil
	if got := render(t, "junit", r); !strings.Contains(got, `tests="1" failures="0"`) {
		t.Errorf("a report without a case reads as broken:\n%s", got)
	}
}
