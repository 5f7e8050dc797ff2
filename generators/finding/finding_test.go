package finding

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"
)

const house = "../.."

// sources parses all code of the house but its tests and this room's.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(house, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || name == "finding" || strings.HasPrefix(name, ".") && name != ".." {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		}
		return err
	})
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	return files
}

// names are this package's variables for its rules, by their ids.
func names(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"spec.go", "target.go", "machine.go", "audit.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if v, is := n.(*ast.ValueSpec); is {
				id := v.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit).Value
				all[strings.Trim(id, `"`)] = v.Names[0].Name
			}
			return true
		})
	}
	return all
}

// selected is X of an expression finding.X or hcl.X.
func selected(e ast.Node, room string) string {
	if s, is := e.(*ast.SelectorExpr); is {
		if x, is := s.X.(*ast.Ident); is && x.Name == room {
			return s.Sel.Name
		}
	}
	return ""
}

// TestNoDiagnosticWithoutARule finds those that are made without a constructor
// of this room, and rules that are made elsewhere.
func TestNoDiagnosticWithoutARule(t *testing.T) {
	for path, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				elements := len(n.Elts) > 0
				if selected(n.Type, "hcl") == "Diagnostic" || selected(n.Type, "finding") == "Rule" {
					t.Errorf("%s makes a diagnostic or a rule of its own", path)
				}
				if selected(n.Type, "finding") == "Finding" && elements && !slices.ContainsFunc(n.Elts, func(e ast.Expr) bool {
					pair, keyed := e.(*ast.KeyValueExpr)
					return keyed && pair.Key.(*ast.Ident).Name == "Rule"
				}) {
					t.Errorf("%s makes a finding without a rule", path)
				}
				if list := selected(n.Type, "hcl") == "Diagnostics"; list && elements {
					if _, literal := n.Elts[0].(*ast.CompositeLit); literal {
						t.Errorf("%s makes a diagnostic of its own", path)
					}
				}
			case *ast.CallExpr:
				if name, is := n.Fun.(*ast.Ident); is && name.Name == "new" && (selected(n.Args[0], "hcl") == "Diagnostic" || selected(n.Args[0], "finding") == "Rule") {
					t.Errorf("%s makes a diagnostic of its own", path)
				}
			}
			return true
		})
	}
}

func TestEveryRuleIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			used[selected(n, "finding")] = true
			return true
		})
	}
	for _, summary := range []string{
		"Unsupported argument", "Missing required argument", "Attribute redefined", "Unsuitable value type", "Unknown variable",
	} {
		used[names(t)[libraryRule(summary).ID]] = true
	}
	if len(names(t)) != len(IDs()) {
		t.Errorf("%d variables for %d rules", len(names(t)), len(IDs()))
	}
	for id, name := range names(t) {
		if !used[name] {
			t.Errorf("nothing finds %s", id)
		}
	}
}

func TestRulesReadWell(t *testing.T) {
	word, sentence := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`), regexp.MustCompile(`^[A-Za-z][^\n]*\.$`)
	for _, id := range IDs() {
		r, _ := Lookup(id)
		if r.ID != id || !word.MatchString(id) {
			t.Errorf("id %q of %q", r.ID, id)
		}
		if r.Title == "" || strings.HasSuffix(r.Title, ".") {
			t.Errorf("%s: title %q", id, r.Title)
		}
		for _, s := range []string{r.Cause, r.Consequence, r.Remedy} {
			if !sentence.MatchString(s) {
				t.Errorf("%s: %q is no sentence", id, s)
			}
		}
	}
	if _, known := Lookup("no-such-thing"); known {
		t.Error("a rule was made up")
	}
}

// What HCL says keeps its words and gets a rule beside what it carries.
func TestAdopt(t *testing.T) {
	for text, want := range map[string]*Rule{
		"a = ":           InvalidSyntax,
		"a = 1\na = 2\n": DuplicateArgument,
	} {
		_, diags := hclsyntax.ParseConfig([]byte(text), "x", hcl.InitialPos)
		summary := diags[0].Summary
		if got := Of(Adopt(InvalidSyntax, diags)[0]); got != want || diags[0].Summary != summary {
			t.Errorf("%q: %v, want %s", text, got, want.ID)
		}
	}
	e, _ := hclsyntax.ParseExpression([]byte("f(1)"), "x", hcl.InitialPos)
	_, diags := e.Value(&hcl.EvalContext{Functions: map[string]function.Function{}})
	diags = Adopt(WrongType, Adopt(InvalidExpression, diags))
	if Of(diags[0]) != UnknownReference {
		t.Errorf("%v", Of(diags[0]))
	}
	if _, kept := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](diags[0]); !kept {
		t.Error("what HCL told of the call is lost")
	}
	if Of(&hcl.Diagnostic{}) != nil {
		t.Error("a rule was made up")
	}
}
