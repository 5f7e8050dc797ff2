package generators

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
)

const edgeHost = `host "edge1" {
  addresses = ["203.0.113.10"]
}
`

// siteText is a site on edge1 that needs one port more than its sessions.
func siteText(name string, port, sessions int, more string) string {
	return fmt.Sprintf("site %q {\n  host = \"edge1\"\n  server = \"proftpd\"\n  port = %d\n%s  concurrency {\n    sessions = %d\n  }\n}\n", name, port, more, sessions)
}

// loadText loads spec files given as name, text, name, text ...
func loadText(nameAndText ...string) (*Project, hcl.Diagnostics) {
	fsys, names := fstest.MapFS{}, []string{}
	for i := 0; i < len(nameAndText); i += 2 {
		fsys[nameAndText[i]] = &fstest.MapFile{Data: []byte(nameAndText[i+1])}
		if strings.HasSuffix(nameAndText[i], ".pasv.hcl") {
			names = append(names, nameAndText[i])
		}
	}
	return Load(fsys, names, Options{})
}

// places writes diagnostics as "file:line id".
func places(diags hcl.Diagnostics) (all []string) {
	for _, d := range diags {
		at := "nowhere"
		if d.Subject != nil {
			at = fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line)
		}
		all = append(all, at+" "+idOf(d))
	}
	return all
}

// idOf is the id of a diagnostic, or the summary of one that a test has made up.
func idOf(d *hcl.Diagnostic) string {
	if r := finding.Of(d); r != nil {
		return r.ID
	}
	return d.Summary
}

// A mistake in a user's template is shown with the template's own line.
func TestTemplateIsASource(t *testing.T) {
	p, diags := loadText("x.pasv.hcl", edgeHost+siteText("a", 21, 9, "")+"target \"template\" {\n  source = \"t.tmpl\"\n  output = \"t\"\n}\n",
		"t.tmpl", "{{ .Spec }}\n{{ .Sitess }}\n")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	_, diags = p.Files()
	if len(diags) != 1 || diags[0].Subject == nil || diags[0].Subject.Filename != "t.tmpl" || diags[0].Subject.Start.Line != 2 {
		t.Fatalf("%v", diags)
	}
	if source := p.Spec.Files["t.tmpl"]; source == nil || !bytes.Contains(source.Bytes, []byte("Sitess")) {
		t.Errorf("the template is not among the sources")
	}
}

// The mistakes of the text, of sizing and placing, of the lock and of target
// settings come in one run, in the order of the files.
func TestAllMistakesInOneRun(t *testing.T) {
	p, diags := loadText(
		"b.pasv.hcl", edgeHost+siteText("bad name", 21, 9, ""),
		"a.pasv.hcl", siteText("small", 2121, 99, "  data_ports = \"20000-20009\"\n")+
			"target \"aws\" {\n  formt = \"terraform\"\n}\ntarget \"nftabels\" {}\n",
		plan.LockFile, "site {\n}\n",
	)
	want := []string{
		"a.pasv.hcl:5 range-too-small",
		"a.pasv.hcl:11 unsupported-argument",
		"a.pasv.hcl:13 unknown-target",
		"b.pasv.hcl:4 invalid-name",
		plan.LockFile + ":1 lock-damaged",
	}
	if got := places(diags); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, d := range diags {
		if d.Subject != nil && p.Spec.Files[d.Subject.Filename] == nil {
			t.Errorf("the source of %s is not there", d.Subject)
		}
		if finding.Of(d) == finding.UnsupportedArgument && !strings.Contains(d.Detail, `"format"`) {
			t.Errorf("no suggestion: %s", d.Detail)
		}
	}
}

func TestLockBesideTheSpec(t *testing.T) {
	text := edgeHost + siteText("b", 21, 9, "")
	first, diags := loadText("x.pasv.hcl", text)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	grown, diags := loadText("x.pasv.hcl", text+siteText("a", 22, 9, ""), plan.LockFile, string(first.Lock.Bytes()))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if a, b := grown.Plan.Sites[0].DataPorts, grown.Plan.Sites[1].DataPorts; a.String() != "61010-61019" || b.String() != "61000-61009" || len(grown.Moves) != 1 || grown.Moves[0].Kind() != plan.NewSite {
		t.Errorf("a has %s, b %s, moves %v", a, b, grown.Moves)
	}
	resized, diags := loadText("x.pasv.hcl", edgeHost+siteText("b", 21, 12, ""), plan.LockFile, string(first.Lock.Bytes()))
	if diags.HasErrors() || len(resized.Moves) != 1 || resized.Moves[0].Site != "b" {
		t.Errorf("%v %v", diags, resized.Moves)
	}
	// A lock that cannot be read must not be taken for none.
	fsys := fstest.MapFS{"x.pasv.hcl": {Data: []byte(text)}, plan.LockFile + "/file": {}}
	if p, diags := Load(fsys, []string{"x.pasv.hcl"}, Options{}); !diags.HasErrors() || p.Lock != nil {
		t.Errorf("a folder for a lock: %v", diags)
	}
	long := strings.Repeat("#", plan.MaxLockBytes+1)
	if _, diags := loadText("x.pasv.hcl", text, plan.LockFile, long); !diags.HasErrors() {
		t.Error("a lock of endless length was read")
	}
}

func TestPartialSpecKeepsTheLockOfTheRest(t *testing.T) {
	lock := "site \"elsewhere\" {\n  host = \"other\"\n  data_ports = \"61000-61009\"\n  ports = 10\n}\n"
	fsys := fstest.MapFS{"x.pasv.hcl": {Data: []byte(edgeHost + siteText("z", 21, 9, ""))}, plan.LockFile: {Data: []byte(lock)}}
	for partial, want := range map[bool]int{false: 1, true: 2} {
		p, diags := Load(fsys, []string{"x.pasv.hcl"}, Options{Partial: partial})
		if diags.HasErrors() || len(p.Lock.Sites) != want {
			t.Errorf("partial %t: %v %v", partial, diags, p.Lock)
			continue
		}
		if read, diags := plan.ParseLock(p.Lock.Bytes(), plan.LockFile); diags.HasErrors() || !bytes.Equal(read.Bytes(), p.Lock.Bytes()) {
			t.Errorf("partial %t: not in order: %s", partial, p.Lock.Bytes())
		}
	}
}

// fixed is a target that makes the files it is told to.
type fixed struct {
	paths []string
	diags hcl.Diagnostics
}

func (f fixed) Files(*plan.Plan) (files []File, diags hcl.Diagnostics) {
	for _, path := range f.paths {
		files = append(files, File{Path: path})
	}
	return files, f.diags
}

func blockAt(line int) *hcl.Range {
	return &hcl.Range{Filename: "x.pasv.hcl", Start: hcl.Pos{Line: line, Column: 1, Byte: line}}
}

func TestOutputPaths(t *testing.T) {
	for name, c := range map[string]struct {
		first, second []string
		want          string
	}{
		"different":            {[]string{"b", "a/c"}, []string{"a/b"}, ""},
		"the same":             {[]string{"a/b"}, []string{"a/b"}, "x.pasv.hcl:2 file-conflict"},
		"the same twice":       {[]string{"a/b", "a/b"}, nil, "x.pasv.hcl:1 file-conflict"},
		"a folder of the file": {[]string{"a"}, []string{"a/b"}, "x.pasv.hcl:2 file-conflict"},
		"a file of the folder": {[]string{"a/b/c"}, []string{"a"}, "x.pasv.hcl:1 file-conflict"},
		"up":                   {nil, []string{"a/../../b"}, "x.pasv.hcl:2 invalid-setting"},
		"absolute":             {nil, []string{"/etc/passwd"}, "x.pasv.hcl:2 invalid-setting"},
		"nothing":              {nil, []string{""}, "x.pasv.hcl:2 invalid-setting"},
		"the folder itself":    {nil, []string{"."}, "x.pasv.hcl:2 invalid-setting"},
		"not clean":            {nil, []string{"a//b"}, "x.pasv.hcl:2 invalid-setting"},
		"backslash":            {nil, []string{`..\b`}, "x.pasv.hcl:2 invalid-setting"},
		"NUL":                  {nil, []string{"a\x00"}, "x.pasv.hcl:2 invalid-setting"},
	} {
		p := &Project{targets: []target{
			{Target: fixed{paths: c.first}, kind: "one", decl: blockAt(1)},
			{Target: fixed{paths: c.second}, kind: "two", decl: blockAt(2)},
		}}
		files, diags := p.Files()
		if got := strings.Join(places(diags), "\n"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if (files == nil) != diags.HasErrors() {
			t.Errorf("%s: %d files with %v", name, len(files), diags)
		}
		for i := 1; i < len(files); i++ {
			if files[i-1].Path >= files[i].Path {
				t.Errorf("%s: %v is not sorted", name, files)
			}
		}
	}
}

func TestTargetsAskedFor(t *testing.T) {
	p, diags := loadText("x.pasv.hcl", edgeHost+siteText("a", 21, 9, "")+"target \"nftables\" {}\ntarget \"aws\" {\n  format = \"cli\"\n}\n")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	paths := func(only ...string) string {
		files, diags := p.Files(only...)
		if diags.HasErrors() {
			return idOf(diags[0]) + ": " + diags[0].Detail
		}
		var all []string
		for _, f := range files {
			all = append(all, f.Path)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct {
		only []string
		want string
	}{
		{nil, "aws/edge1.ip-permissions.json edge1/nftables.nft"},
		{[]string{"aws"}, "aws/edge1.ip-permissions.json"},
		{[]string{"aws", "aws"}, "aws/edge1.ip-permissions.json"},
		{[]string{"sysctl"}, "edge1/60-pasvctl.conf"}, // as an empty block would
	} {
		if got := paths(c.only...); got != c.want {
			t.Errorf("%v: %s, want %s", c.only, got, c.want)
		}
	}
	if got := paths("nftable"); !strings.HasPrefix(got, `unknown-target: There is no target "nftable". Did you mean "nftables"?`) {
		t.Errorf("%s", got)
	}
}

func TestOfferedTargetDoesNoHarm(t *testing.T) {
	full := hcl.Diagnostics{
		{Severity: hcl.DiagWarning, Summary: "Odd"},
		{Severity: hcl.DiagError, Summary: "Too many rules", Detail: "There are 61."},
	}
	p := &Project{targets: []target{
		{Target: fixed{paths: []string{"cloud"}, diags: full}, kind: "cloud", offered: true},
		{Target: fixed{paths: []string{"rules"}}, kind: "rules"},
	}}
	files, diags := p.Files()
	if len(files) != 1 || files[0].Path != "rules" {
		t.Errorf("files %v", files)
	}
	if len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || idOf(diags[0]) != "target-left-out" || !strings.HasPrefix(diags[0].Detail, "Target cloud does not take the plan: There are 61.") {
		t.Errorf("%v", diags)
	}
	if files, diags := p.Files("cloud"); !diags.HasErrors() || files != nil {
		t.Errorf("asked for, and still left out: %v", diags)
	}
}

// A target's diagnostics without a place point at its block.
func TestDiagnosticsPointSomewhere(t *testing.T) {
	p := &Project{targets: []target{{
		Target: fixed{diags: hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "w"}, {Severity: hcl.DiagWarning, Summary: "v", Subject: blockAt(3)}}},
		kind:   "one", decl: blockAt(7),
	}}}
	_, diags := p.Files()
	if got := strings.Join(places(diags), ", "); got != "x.pasv.hcl:3 v, x.pasv.hcl:7 w" {
		t.Errorf("%s", got)
	}
}

func TestInOrder(t *testing.T) {
	a := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "a", Detail: "x", Subject: blockAt(2)}
	twin := *a
	b := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "b", Subject: blockAt(2)}
	early := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "z", Subject: blockAt(1)}
	nowhere := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "n"}
	otherDetail := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "a", Detail: "w", Subject: blockAt(2)}
	got := finding.InOrder(hcl.Diagnostics{b, a, early, &twin, otherDetail, nowhere})
	if strings.Join(places(got), ", ") != "nowhere n, x.pasv.hcl:1 z, x.pasv.hcl:2 a, x.pasv.hcl:2 a, x.pasv.hcl:2 b" || got[2].Detail != "w" {
		t.Errorf("%v", places(got))
	}
}
