package spec

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"
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

func wantError(t *testing.T, diags hcl.Diagnostics, summary string) {
	t.Helper()
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Summary == summary {
			return
		}
	}
	t.Errorf("no error %q among %v", summary, diags)
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
		"attributes":  inLocals("a" + strings.Repeat(".a", n)),
		"splats":      inLocals("a" + strings.Repeat("[*]", n)),
		"dot splats":  inLocals("a" + strings.Repeat(".*", n)),
		"newlines":    inLocals("[" + strings.Repeat("-\n", n) + "1]"),
		"commas":      inLocals("[" + strings.Repeat("!(", n) + "1,"),
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, src)
			wantError(t, diags, "Spec too complex")
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
		"comment": strings.Repeat("# a comment\n", 100_000),
		"text":    inLocals(`"` + strings.Repeat("[{(", 100_000) + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, src)
			if len(diags) != 1 || diags[0].Summary != "Spec without a site" {
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

// TestBombs loads sources that are short and would make very large values or
// compute for very long.
func TestBombs(t *testing.T) {
	list := "[" + strings.Repeat("1,", 1000) + "]"
	doubled := func(value, next string) string {
		return "locals {\n  l0 = " + value + "\n" + numbered(60, "  l%[2]d = "+next+"\n") + "}\n"
	}
	nested := func(before, after string) string {
		return inLocals(strings.Repeat(before, 40) + "1" + strings.Repeat(after, 40))
	}
	for name, c := range map[string]struct{ src, summary string }{
		"strings":         {doubled(`"x"`, `"${local.l%[1]d}${local.l%[1]d}"`), "Value too large"},
		"tuples":          {doubled(`["x"]`, `[local.l%[1]d, local.l%[1]d]`), "Value too large"},
		"objects":         {doubled(`["x"]`, `{ a = local.l%[1]d, b = local.l%[1]d }`), "Value too large"},
		"concat":          {doubled(`["x"]`, `concat(local.l%[1]d, local.l%[1]d)`), "Value too large"},
		"join":            {doubled(`"x"`, `join(local.l%[1]d, [local.l%[1]d, local.l%[1]d])`), "Value too large"},
		"squares":         {doubled(`1e300`, `local.l%[1]d * local.l%[1]d`), "Value too large"},
		"loops":           {"locals {\n  a = " + list + "\n  b = [for x in local.a : [for y in local.a : [for z in local.a : z]]]\n}\n", "Value too large"},
		"loop conditions": {"locals {\n  a = " + list + "\n  b = [for x in local.a : x if length([for y in local.a : y if length([for z in local.a : z]) > 0]) > 0]\n}\n", "Value too large"},
		"template loops":  {"locals {\n  a = " + list + "\n  b = \"%{for x in local.a}%{for y in local.a}%{for z in local.a}z%{endfor}%{endfor}%{endfor}\"\n}\n", "Value too large"},
		"equality":        {doubled(`["x"]`, `local.l%[1]d == local.l%[1]d ? [local.l%[1]d, local.l%[1]d] : []`), "Value too large"},
		"try":             {nested("try(", ")"), "Value too large"},
		"can":             {nested("can(", ")"), "Spec without a site"},
		"number":          {inLocals("1e999999999"), "Spec too complex"},
		"digits":          {inLocals(strings.Repeat("9", 10_000)), "Spec too complex"},
		"tonumber":        {inLocals(`"a${tonumber("1e600000000")}"`), "Value too large"},
		"infinity":        {inLocals(`"a${tonumber("1e999999999")}"`), "Value too large"},
		"jsondecode":      {inLocals(`upper(jsondecode("1e600000000"))`), "Value too large"},
		"attribute":       {"host \"a\" {\n  interface = tonumber(\"1e600000000\")\n}\n", "Value too large"},
		"format":          {inLocals(`format("%1000000000d", 1)`), "Invalid function argument"},
		"format precise":  {inLocals(`format("%.1000000000f", 1)`), "Invalid function argument"},
		"format many":     {inLocals(`format(join("", [for i in range(1000) : join("", [for j in range(10) : "%999d"])]), 1)`), "Error in function call"},
		"formatlist":      {inLocals(`formatlist(join("", [for i in range(1000) : "%s"]), [for i in range(1000) : "%900s"], join("", [for i in range(1000) : "x"]))`), "Error in function call"},
		"range":           {inLocals(`range(1000000000)`), "Error in function call"},
		"setproduct":      {inLocals(`setproduct(range(1000), range(1000), range(1000), range(1000))`), "Error in function call"},
		"replace":         {inLocals(`replace(join("", [for i in range(1000) : "aaaaaaaaaa"]), "a", join("", [for i in range(1000) : "aaaaaaaaaa"]))`), "Error in function call"},
		"regex replace":   {inLocals(`replace(join("", [for i in range(1000) : "aaaaaaaaaa"]), "/.*/", join("", [for i in range(1000) : "$0$0$0$0$0"]))`), "Error in function call"},
		"indent":          {inLocals(`indent(1000000000, "a\nb")`), "Invalid function argument"},
		"json depth":      {inLocals(`jsondecode("` + strings.Repeat("[", 100_000) + `")`), "Invalid function argument"},
		"base64":          {doubled(`"x"`, `base64encode("${local.l%[1]d}${local.l%[1]d}")`), "Value too large"},
		"dynamic":         {"locals {\n  a = range(1000)\n}\ndynamic \"site\" {\n  for_each = local.a\n  labels = [\"x\"]\n  content {\n    dynamic \"tls\" {\n      for_each = local.a\n      content {}\n    }\n  }\n}\n", "Too many blocks"},
		"distinct":        {inLocals(`distinct([for x in setproduct(range(1000), range(60)) : "${x[0]} ${x[1]}"])`), "Value too large"},
		"types":           {doubled(`[]`, `slice(tolist([[local.l%[1]d, local.l%[1]d]]), 0, 0)`), "Value too large"},
		"depth":           {"locals {\n  l0 = 1\n" + numbered(5_000, "  l%[2]d = [local.l%[1]d]\n") + "}\n", "Value too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, c.src)
			wantError(t, diags, c.summary)
		})
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
		"all":           {string([]byte{0xff, 0xfe, 'h', 0}), 1, 1, "0xff"},
		"NUL first":     {"\x00\xff", 1, 1, "a NUL byte"},
		"invalid first": {"\xff\x00", 1, 1, "0xff"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, c.src)
			if len(diags) != 1 || diags[0].Summary != "Not a text file" {
				t.Fatalf("got %v", diags)
			}
			d := diags[0]
			if d.Subject.Start.Line != c.line || d.Subject.Start.Column != c.column || !strings.Contains(d.Detail, c.detail) {
				t.Errorf("got %s", d)
			}
		})
	}
}

// TestSize loads a spec that is too long, in one file and in many.
func TestSize(t *testing.T) {
	long := strings.Repeat("#"+strings.Repeat("x", 48)+"\n", 200_000)
	_, diags := loadText(t, long)
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "longer than 8 MiB") {
		t.Errorf("10 MB: %v", diags)
	}
	fsys, names := fstest.MapFS{}, []string{}
	for i := range 20 {
		name := fmt.Sprintf("%d.pasv.hcl", i)
		fsys[name] = &fstest.MapFile{Data: []byte(long[:1<<20])}
		names = append(names, name)
	}
	if _, diags = Load(fsys, names, known()); len(diags) != 1 || !strings.Contains(diags[0].Detail, "longer than 8 MiB") {
		t.Errorf("20 MB in 20 files: %v", diags)
	}
	_, diags = loadText(t, inLocals("["+strings.Repeat("1,", 3_000_000)+"]"))
	wantError(t, diags, "Spec too large")

	half := []byte(inLocals("[" + strings.Repeat("1,", 600_000) + "]"))
	_, diags = Load(fstest.MapFS{"1.pasv.hcl": {Data: half}, "2.pasv.hcl": {Data: half}}, []string{"1.pasv.hcl", "2.pasv.hcl"}, known())
	wantError(t, diags, "Spec too large")
}

// TestVariableBombs gives variables values that are too large.
func TestVariableBombs(t *testing.T) {
	src := "variable \"x\" {\n  type = list(any)\n}\n"
	long := "[" + strings.Repeat("1,", 100_000) + "]"
	o := known()
	o.Vars = map[string]string{"x": long}
	load := func() hcl.Diagnostics {
		_, diags := Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(src)}}, []string{"x.pasv.hcl"}, o)
		return diags
	}
	wantError(t, load(), "Value too large")
	o.Vars = map[string]string{"x": strings.Repeat("[", 10_000)}
	wantError(t, load(), "Spec too complex")
	o.Vars = map[string]string{"x": "[\xff]"}
	wantError(t, load(), "Invalid value of variable")
	o.Vars, o.VarFiles = nil, []VarFile{{"x.vars", []byte("x = " + long)}}
	wantError(t, load(), "Value too large")
	o.VarFiles = []VarFile{{"x.vars", make([]byte, maxBytes+1)}}
	wantError(t, load(), "Variable file too long")
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
