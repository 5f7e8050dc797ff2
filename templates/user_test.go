package templates

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/sprig/v3"
)

func userData() map[string]any {
	return map[string]any{"Name": "shop", "Ports": []any{61000, 61001}, "TLS": map[string]any{"Mode": "off"}}
}

func TestRenderUser(t *testing.T) {
	cases := []struct{ source, want string }{
		{"{{ .Name | upper | quote }}{{/* gone */}}", `"SHOP"`},
		{"{{ range $i, $p := .Ports }}{{ if $i }},{{ end }}{{ $p }}{{ else }}none{{ end }}", "61000,61001"},
		{"{{ range .Ports }}{{ if eq . 61001 }}{{ break }}{{ end }}{{ . }}{{ end }}", "61000"},
		{`{{ define "x" }}[{{ . }}]{{ end }}{{ template "x" .Name }}`, "[shop]"},
		{`{{ block "y" .Name }}<{{ . }}>{{ end }}`, "<shop>"},
		{`{{ $d := dict "b" 1 "a" 2 }}{{ $_ := set $d "c" 3 }}{{ keys $d }}{{ values $d }}`, "[a b c][2 1 3]"},
		{`{{ with .TLS }}{{ .Mode }}{{ end }} {{ printf "%05d %s %%" 21 .Name }}`, "off 00021 shop %"},
		{`{{ repeat 3 "ab" }} {{ replace "a" "b" "banana" }} {{ until 3 }} {{ indent 2 "x" }}`, "ababab bbnbnb [0 1 2]   x"},
		{`{{ hcl "${x}" }} {{ yaml "yes" }} {{ json .Ports }} {{ shell "it's" }}`, `"$${x}" "yes" [61000,61001] 'it'\''s'`},
		{"{{ .Name }}{{ print 1 }}{{ html \"<\" }}", "shop1&lt;"},
	}
	for _, c := range cases {
		for range 5 {
			if got, err := RenderUser([]byte(c.source), userData()); err != nil || string(got) != c.want {
				t.Errorf("%s: got %q, %v, want %q", c.source, got, err, c.want)
			}
		}
	}
}

// Every one of these would take all memory or the stack.
func TestRenderUserIsBounded(t *testing.T) {
	cases := []struct{ name, source, reason string }{
		{"recursion", `{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, "maximum template depth"},
		{"endless output", `{{ range 100000000000 }}{{ repeat 8000 "x" }}{{ end }}`, "longer than 16 MiB"},
		{"much source", strings.Repeat(" ", maxSource+1), "longer than 1 MiB"},
		{"deep parentheses", "{{" + strings.Repeat("(", 500000), "depth"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := RenderUser([]byte(c.source), userData())
			if err == nil || !strings.Contains(err.Reason, c.reason) || out != nil {
				t.Errorf("got %d bytes and %+v", len(out), err)
			}
		})
	}
}

func TestRenderUserSaysWhere(t *testing.T) {
	cases := []struct {
		source string
		want   UserError
	}{
		{"a\n{{ .Nane }}", UserError{Line: 2, Column: 4, Field: "Nane", Reason: `map has no entry for key "Nane"`, Fields: slices.Sorted(maps.Keys(userData()))}},
		{"{{ .Name.Length }}", UserError{Line: 1, Column: 9, Field: "Length", Reason: "can't evaluate field Length in type interface {}", Of: ".Name"}},
		{"{{ .Ports.First }}", UserError{Line: 1, Column: 10, Field: "First", Reason: "can't evaluate field First in type interface {}", Of: ".Ports", List: true}},
		{"a\n{{ $p := .Ports }}{{ $p.First }}", UserError{Line: 2, Column: 24, Field: "First", Reason: "can't evaluate field First in type []interface {}", Of: "$p", List: true}},
		{"\n\n{{ if }}", UserError{Line: 3, Reason: "missing value for if"}},
		{"{{ now }}", UserError{Line: 1, Reason: `function "now" not defined`}},
		{`{{ fail "no TLS" }}`, UserError{Line: 1, Column: 4, Reason: "error calling fail: no TLS"}},
		{"a\n{{ first list }}", UserError{Reason: "line 2 of the output prints a value that is not there"}},
		{`{{ printf "%p" .Ports }}`, UserError{Line: 1, Column: 4, Reason: "error calling printf: %p prints an address, which is never the same twice"}},
	}
	for _, c := range cases {
		if _, err := RenderUser([]byte(c.source), userData()); err == nil || !reflect.DeepEqual(*err, c.want) {
			t.Errorf("%q: got %+v", c.source, err)
		}
	}
}

// No function of the map may give another result at another time or place.
func TestFunctionsRepeatThemselves(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)^(now|ago|.*date.*|env|expandenv|rand.*|uuidv4|shuffle|gen.*|bcrypt|htpasswd|encryptAES|getHostByName|os[A-Z].*|unixEpoch)$`)
	for name := range Functions() {
		if forbidden.MatchString(name) {
			t.Errorf("%s is in the map", name)
		}
	}
	for _, name := range unrepeatable {
		if _, known := sprig.HermeticTxtFuncMap()[name]; !known {
			t.Errorf("sprig has no %s any more", name)
		}
	}
}

// FuzzRenderUser looks for a template that ends the process.
func FuzzRenderUser(f *testing.F) {
	f.Add([]byte("{{ range .Ports }}{{ . }}{{ end }}"))
	f.Add([]byte(`{{ define "x" }}{{ . }}{{ end }}{{ template "x" .Name }}`))
	f.Add([]byte(`{{ $d := dict "a" (list 1) }}{{ set $d "b" .TLS | toJson | repeat 2 }}`))
	f.Fuzz(func(t *testing.T, source []byte) {
		out, err := RenderUser(source, userData())
		if err == nil && len(out) > maxOutput {
			t.Errorf("%d bytes of output", len(out))
		}
	})
}
