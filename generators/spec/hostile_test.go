package spec

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// patience is far above what any load below takes, and far below what one
// without its bound would.
const patience = time.Minute

// loadText loads one file and fails the test where that takes too long.
func loadText(t *testing.T, src string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	type result struct {
		spec  *Spec
		diags hcl.Diagnostics
	}
	done := make(chan result, 1)
	go func() {
		s, diags := Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(src)}}, []string{"x.pasv.hcl"}, known())
		done <- result{s, diags}
	}()
	select {
	case r := <-done:
		return r.spec, r.diags
	case <-time.After(patience):
		t.Fatal("the load has not ended")
	}
	return nil, nil
}

func wantError(t *testing.T, diags hcl.Diagnostics, rule *finding.Rule) {
	t.Helper()
	for _, d := range diags {
		if d.Severity == hcl.DiagError && finding.Of(d) == rule {
			return
		}
	}
	t.Errorf("no error %s among %v", rule.ID, diags)
}

// inLocals makes a spec whose only local has the expression as its value.
func inLocals(expr string) string { return "locals {\n  x = " + expr + "\n}\n" }

// TestDeep loads sources that nest or chain 10,000 and more levels deep, which
// would overflow the stack or take time that doubles with each level.
func TestDeep(t *testing.T) {
	const n = 20_000
	for name, src := range map[string]string{
		"brackets":    inLocals(strings.Repeat("[", n) + strings.Repeat("]", n)),
		"open":        inLocals(strings.Repeat("[", n)),
		"parentheses": inLocals(strings.Repeat("(", n) + "1" + strings.Repeat(")", n)),
		"objects":     inLocals(strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n)),
		"calls":       inLocals(strings.Repeat("upper(", n) + "1" + strings.Repeat(")", n)),
		"lines":       inLocals(strings.Repeat("[\n", n) + strings.Repeat("]\n", n)),
		"blocks":      strings.Repeat("b {\n", n) + strings.Repeat("}\n", n),
		"labels":      strings.Repeat("b \"x\" {\n", n),
		"templates":   inLocals(strings.Repeat(`"${`, n) + "1" + strings.Repeat(`}"`, n)),
		"heredocs":    inLocals(strings.Repeat("<<E\n${", n) + "1" + strings.Repeat("}\nE\n", n)),
		"if":          inLocals(`"` + strings.Repeat("%{if true}", n) + strings.Repeat("%{endif}", n) + `"`),
		"for":         inLocals(`"` + strings.Repeat("%{for x in y}", n) + strings.Repeat("%{endfor}", n) + `"`),
		"crossed":     inLocals(`"` + strings.Repeat("%{if true}%{endfor}", n) + `"`),
		"tilde":       inLocals(`"` + strings.Repeat("%{~if true~}", n) + `"`),
		"not":         inLocals(strings.Repeat("!", n) + "true"),
		"minus":       inLocals(strings.Repeat("-", n) + "1"),
		"plus":        inLocals("1" + strings.Repeat("+1", n)),
		"and":         inLocals("true" + strings.Repeat("&&true", n)),
		"conditions":  inLocals(strings.Repeat("true?1:", n) + "1"),
		"middles":     inLocals(strings.Repeat("true?", n) + "1" + strings.Repeat(":1", n)),
		"indexes":     inLocals("a" + strings.Repeat("[0]", n)),
		"a reference": "moved {\n  from = site" + strings.Repeat(".a", n) + "\n}\n",
		"an index":    "moved {\n  from = " + strings.Repeat("site[", n) + strings.Repeat("]", n) + "\n}\n",
		"attributes":  inLocals("a" + strings.Repeat(".a", n)),
		"splats":      inLocals("a" + strings.Repeat("[*]", n)),
		"dot splats":  inLocals("a" + strings.Repeat(".*", n)),
		"newlines":    inLocals("[" + strings.Repeat("-\n", n) + "1]"),
		"commas":      inLocals("[" + strings.Repeat("!(", n) + "1,"),
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, src)
			wantError(t, diags, finding.SpecTooComplex)
			if _, diags := Format("x.pasv.hcl", []byte(src)); !diags.HasErrors() {
				t.Error("Format takes it")
			}
		})
	}
}

// TestLong loads sources that are long and harmless: they must pass.
func TestLong(t *testing.T) {
	for name, src := range map[string]string{
		"list":    inLocals("[" + strings.Repeat("-1, !true, 1+1,\n", 10_000) + "]"),
		"object":  inLocals("{\n" + strings.Repeat("  a = [0][0]\n", 1) + "}"),
		"locals":  "locals {\n" + numbered(10_000, "  l%d = 1 + 1\n") + "}\n",
		"chain":   "locals {\n  l0 = 1\n" + numbered(5_000, "  l%[2]d = local.l%[1]d + 1\n") + "}\n",
		"if":      inLocals(`"` + strings.Repeat("%{if true}x%{endif}", 1_000) + `"`),
		"comment": strings.Repeat("# a comment\n", 80_000),
		"text":    inLocals(`"` + strings.Repeat("[{(", 100_000) + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, src)
			if len(diags) != 1 || finding.Of(diags[0]) != finding.NoSite {
				t.Errorf("refused: %v", diags)
			}
		})
	}
}

func numbered(n int, format string) string {
	var out strings.Builder
	for i := range n {
		if strings.Contains(format, "%[2]d") {
			fmt.Fprintf(&out, format, i, i+1)
		} else {
			fmt.Fprintf(&out, format, i)
		}
	}
	return out.String()
}

// TestBombs loads sources that are short and would make very many blocks, or
// very long numbers, or overflow the stack.
func TestBombs(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		rule *finding.Rule
	}{
		"number":     {inLocals("1e999999999"), finding.SpecTooComplex},
		"digits":     {inLocals(strings.Repeat("9", 10_000)), finding.SpecTooComplex},
		"range":      {inLocals(`range(1000000000)`), finding.InvalidExpression},
		"json depth": {inLocals(`jsondecode("` + strings.Repeat("[", 100_000) + `")`), finding.InvalidExpression},
		"dynamic":    {"locals {\n  a = range(1000)\n}\ndynamic \"site\" {\n  for_each = local.a\n  labels = [\"x\"]\n  content {\n    dynamic \"tls\" {\n      for_each = local.a\n      content {}\n    }\n  }\n}\n", finding.SpecTooComplex},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, c.src)
			wantError(t, diags, c.rule)
		})
	}
}

// A function that panics is a mistake in the spec like any other.
func TestPanicInFunction(t *testing.T) {
	_, diags := loadText(t, inLocals(`indent(-1, "a\nb")`))
	wantError(t, diags, finding.InvalidExpression)
	for _, d := range diags {
		if strings.Contains(d.Detail, "goroutine") || !strings.Contains(d.Detail, "negative Repeat count") && d.Summary == "Error in function call" {
			t.Errorf("got %s", d.Detail)
		}
	}
}

// TestNotText points at the byte that is no text.
func TestNotText(t *testing.T) {
	for name, c := range map[string]struct {
		src          string
		line, column int
		detail       string
	}{
		"NUL":           {"host \"a\" {\n  interface = \"ä\x00\"\n}\n", 2, 17, "a NUL byte"},
		"Latin-1":       {"host \"a\" {\n  interface = \"\xe4\"\n}\n", 2, 16, "0xe4"},
		"cut":           {"# \xc3", 1, 3, "0xc3"},
		"surrogate":     {"# \xed\xa0\x80", 1, 3, "0xed"},
		"all":           {string([]byte{0xff, 0xfe, 'h', 0}), 1, 1, "UTF-16"},
		"NUL first":     {"\x00\xff", 1, 1, "a NUL byte"},
		"invalid first": {"\xff\x00", 1, 1, "0xff"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, c.src)
			if len(diags) != 1 || finding.Of(diags[0]) != finding.NotText {
				t.Fatalf("got %v", diags)
			}
			d := diags[0]
			if d.Subject.Start.Line != c.line || d.Subject.Start.Column != c.column || !strings.Contains(d.Detail, c.detail) {
				t.Errorf("got %s", d)
			}
		})
	}
}

// TestSize loads a file that is too long, beside one that is not.
func TestSize(t *testing.T) {
	long := strings.Repeat("#"+strings.Repeat("x", 48)+"\n", maxFile/50+1)
	fsys := fstest.MapFS{"a.pasv.hcl": {Data: []byte(long)}, "b.pasv.hcl": {Data: []byte(long[:maxFile])}}
	if _, diags := Load(fsys, []string{"b.pasv.hcl"}, known()); len(diags) != 1 || finding.Of(diags[0]) != finding.NoSite {
		t.Errorf("1 MiB: %v", diags)
	}
	if _, diags := Load(fsys, []string{"a.pasv.hcl", "b.pasv.hcl"}, known()); len(diags) != 1 || diags[0].Detail != "a.pasv.hcl: the file is longer than 1 MiB; split it into several files of one folder." {
		t.Errorf("more: %v", diags)
	}
}

// TestVariableBombs gives variables values that are too long or too deep.
func TestVariableBombs(t *testing.T) {
	src := "variable \"x\" {\n  type = list(any)\n}\n"
	o := known()
	load := func() hcl.Diagnostics {
		_, diags := Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(src)}}, []string{"x.pasv.hcl"}, o)
		return diags
	}
	o.Vars = map[string]string{"x": "[" + strings.Repeat(" ", maxFile) + "]"}
	wantError(t, load(), finding.NotText)
	o.Vars = map[string]string{"x": strings.Repeat("[", 10_000)}
	wantError(t, load(), finding.SpecTooComplex)
	o.Vars = map[string]string{"x": "[\xff]"}
	wantError(t, load(), finding.NotText)
	o.Vars, o.VarFiles = nil, []VarFile{{"x.vars", make([]byte, maxFile+1)}}
	wantError(t, load(), finding.FileTooLong)
}

// TestFiles loads what is no file.
func TestFiles(t *testing.T) {
	fsys := fstest.MapFS{
		"folder.pasv.hcl": {Mode: fs.ModeDir},
		"pipe.pasv.hcl":   {Mode: fs.ModeNamedPipe},
	}
	for name, detail := range map[string]string{
		"missing.pasv.hcl": "does not exist", "folder.pasv.hcl": "not a regular file",
		"pipe.pasv.hcl": "not a regular file", "../x.pasv.hcl": "does not exist",
	} {
		s, diags := Load(fsys, []string{name}, known())
		if s == nil || len(diags) != 1 || !strings.Contains(diags[0].Detail, detail) || !strings.Contains(diags[0].Detail, name) {
			t.Errorf("%s: %v", name, diags)
		}
	}
	if s, diags := Load(fsys, nil, known()); s == nil || len(diags) != 1 {
		t.Errorf("no files: %v", diags)
	}
}

// TestManyMistakes loads thousands of the shortest mistakes in one file: what
// is said of one must not take longer if there are more.
func TestManyMistakes(t *testing.T) {
	for _, each := range []string{"a{}\n", "a=b\n", "site{}\n", "site \"a\" \"b\" {}\n", "a='b'\n", "x y\n", "a=1%\n"} {
		if _, diags := loadText(t, strings.Repeat(each, maxFile/8/len(each))); !diags.HasErrors() {
			t.Errorf("%q is valid", each)
		}
	}
}

// Chains and circles of renames take no time that grows with their square.
func TestManyRenames(t *testing.T) {
	const n = 10_000
	for name, to := range map[string]func(i int) int{
		"a chain":     func(i int) int { return i + 1 },
		"a circle":    func(i int) int { return (i + 1) % n },
		"two circles": func(i int) int { return i ^ 1 },
	} {
		var text strings.Builder
		for i := range n {
			text.WriteString(MovedBlock(fmt.Sprintf("s%d", n-1-i), fmt.Sprintf("s%d", to(n-1-i))))
		}
		fmt.Fprintf(&text, "host \"h\" {\n  addresses = [\"192.0.2.1\"]\n}\nsite \"s%d\" {\n  host = \"h\"\n  server = \"vsftpd\"\n  port = 21\n  concurrency { sessions = 9 }\n}\n", n)
		s, diags := loadText(t, text.String())
		if name == "a chain" {
			names := Renames(s.Moved)
			if diags.HasErrors() || names["s0"] != fmt.Sprintf("s%d", n) || len(names) != n {
				t.Errorf("%s: %d names, %v", name, len(names), diags)
			}
			continue
		}
		wantError(t, diags, finding.InvalidRename)
		if len(s.Moved) > 0 {
			t.Errorf("%s: %d blocks are left", name, len(s.Moved))
		}
	}
}
