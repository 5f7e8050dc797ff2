package generators

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"text/template/parse"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/templates"
)

// about is what an expression of a template is about that decides who reaches what.
var about = regexp.MustCompile(`(?i)port|control|first|last|data|from|network|client|addr|famil|suffix|source|prefix|local|attribute|rules|tables|tcp|v4|v6|\.set|print \.|ways|^\.$`)

// mutation changes what expressions of a template give: a number grows by one, a
// family becomes the other, a condition turns round, a list loses an element.
var mutation = template.FuncMap{
	"mutated": func(v any) string {
		text := fmt.Sprint(v)
		for _, pair := range [][2]string{{"IPv4", "IPv6"}, {"v4", "v6"}, {"ipv4", "ipv6"}, {"inet", "inet6"}} {
			if strings.Contains(text, pair[0]) {
				return strings.ReplaceAll(text, pair[0], pair[1])
			}
			if strings.Contains(text, pair[1]) {
				return strings.ReplaceAll(text, pair[1], pair[0])
			}
		}
		numbers := regexp.MustCompile(`\d+`).FindAllStringIndex(text, -1)
		if numbers == nil {
			return text + "x"
		}
		at := numbers[len(numbers)-1]
		n, _ := strconv.Atoi(text[at[0]:at[1]])
		return text[:at[0]] + fmt.Sprint(n+1) + text[at[1]:]
	},
	"shortened": func(list any) any {
		v := reflect.ValueOf(list)
		if v.Len() == 0 {
			return list
		}
		return v.Slice(1, v.Len()).Interface()
	},
}

// mutants are the templates of a folder, each with one expression changed that is
// about ports, sources or families. Of equal expressions the second is called
// "{{.From}} 2", in the order of the templates' names.
func mutants(t *testing.T, folder string, yield func(expression string, set *template.Template)) {
	t.Helper()
	command := func(name string) *parse.CommandNode {
		set := template.Must(template.New("").Funcs(mutation).Parse("{{ 1 | " + name + " }}"))
		return set.Root.Nodes[0].(*parse.ActionNode).Pipe.Cmds[1]
	}
	for i := 0; ; i++ {
		set, err := templates.Parse()
		if err != nil {
			t.Fatal(err)
		}
		set.Funcs(mutation)
		n, found, seen := 0, "", map[string]int{}
		change := func(node parse.Node, pipe *parse.PipeNode, name string) {
			if !about.MatchString(pipe.String()) {
				return
			}
			text := node.String()
			if cut := strings.Index(text, "}}"); cut > 0 {
				text = text[:cut+2]
			}
			if seen[text]++; seen[text] > 1 {
				text = fmt.Sprint(text, " ", seen[text])
			}
			if n == i {
				found = text
				pipe.Cmds = append(slices.Clone(pipe.Cmds), command(name))
			}
			n++
		}
		all := set.Templates()
		slices.SortFunc(all, func(a, b *template.Template) int { return strings.Compare(a.Name(), b.Name()) })
		for _, one := range all {
			if one.Tree == nil || !strings.HasPrefix(one.Tree.ParseName, folder+"/") {
				continue
			}
			walk(one.Root, change)
		}
		if found == "" {
			if i == 0 {
				t.Fatalf("no expression of %s is about ports, sources or families", folder)
			}
			return
		}
		yield(found, set)
	}
}

func walk(node parse.Node, change func(parse.Node, *parse.PipeNode, string)) {
	branch := func(b *parse.BranchNode, name string) {
		if name != "" {
			change(b, b.Pipe, name)
		}
		walk(b.List, change)
		if b.ElseList != nil {
			walk(b.ElseList, change)
		}
	}
	switch n := node.(type) {
	case *parse.ListNode:
		for _, inner := range n.Nodes {
			walk(inner, change)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			change(n, n.Pipe, "mutated")
		}
	case *parse.IfNode:
		branch(&n.BranchNode, "not")
	case *parse.RangeNode:
		branch(&n.BranchNode, "shortened")
	case *parse.WithNode:
		branch(&n.BranchNode, "")
	}
}

// mutantFiles renders a target with changed templates; nil if that fails, as a
// template that does not execute does.
func mutantFiles(target Target, set *template.Template, p *plan.Plan) (files []File) {
	defer func() {
		renderTemplate = templates.Render
		if recover() != nil {
			files = nil
		}
	}()
	renderTemplate = func(name string, data any) ([]byte, error) {
		var out bytes.Buffer
		err := set.ExecuteTemplate(&out, name, data)
		return out.Bytes(), err
	}
	files, _ = target.Files(p)
	return files
}

// scenario is a format with settings that its plain block does not try.
type scenario struct {
	format, body string
	group        func(*plan.Host) string
	sources      map[string][]string // of aws
	lets         bool
}

func existing(names map[string]string) func(*plan.Host) string {
	return func(h *plan.Host) string { return names[h.Name] }
}

const openStackGroup = "8f1ffb2c-0d61-4a4b-9a34-8e2f1c0b7a5"

var scenarios = []scenario{
	{"aws terraform", "security_groups = { edge-1 = \"sg-1\", edge2 = \"sg-2\" }", existing(map[string]string{"edge-1": "sg-1", "edge2": "sg-2"}), nil, false},
	{"aws terraform", awsSources, nil, map[string][]string{"edi": {"pl-0a1b2c3d", "sg-0e4f5a6b"}}, true},
	{"aws cloudformation", "format = \"cloudformation\"\nsecurity_groups = { edge-1 = \"sg-1\", edge2 = \"sg-2\" }", existing(map[string]string{"edge-1": "sg-1", "edge2": "sg-2"}), nil, false},
	{"aws cloudformation", "format = \"cloudformation\"\n" + awsSources, nil, map[string][]string{"edi": {"pl-0a1b2c3d", "sg-0e4f5a6b"}}, false},
	{"azure", azureBody, existing(map[string]string{"edge-1": "pasvctl-edge-1", "edge2": "edge2-nsg"}), nil, false},
	{"gcp", gcpBody, existing(map[string]string{"edge-1": "ftp", "edge2": "ftp@transfer-4711.iam.gserviceaccount.com"}), nil, false},
	{"digitalocean", "tags = { edge-1 = \"a\", edge2 = \"b\" }\noutbound = \"none\"", existing(map[string]string{"edge-1": "a", "edge2": "b"}), nil, true},
	{"hetzner", `label_selectors = { edge-1 = "role=a", edge2 = "role=b" }`, existing(map[string]string{"edge-1": "role=a", "edge2": "role=b"}), nil, false},
	{"openstack", "security_groups = { edge-1 = \"" + openStackGroup + "5\", edge2 = \"" + openStackGroup + "6\" }",
		existing(map[string]string{"edge-1": openStackGroup + "5", "edge2": openStackGroup + "6"}), nil, false},
	{"gcloud", "format = \"gcloud\"\n" + gcpBody, existing(map[string]string{"edge-1": "ftp", "edge2": "ftp@transfer-4711.iam.gserviceaccount.com"}), nil, false},
}

// red reports whether the agreement test would fail on these files.
func (s scenario) red(p *plan.Plan, target Target, set *template.Template) bool {
	files := mutantFiles(target, set, p)
	if len(files) == 0 {
		return true
	}
	c := cloudFormats[s.format]
	if s.group != nil {
		c.group = s.group
	}
	c.sources, c.lets = s.sources, s.lets
	return c.disagreement(p, files) != ""
}

// harmless are expressions that decide a name within the file, or nothing that a
// rule goes by.
var harmless = map[string]bool{
	"{{.Resource}}": true, "{{.Resource}} 2": true, // the name of a resource within the module
	"{{range .Ways}}": true, // the width of a column
	// The VPC network of the rules, which is not a source.
	"{{if .Network}}": true, "{{if not .Network}}": true, "{{if not .Network}} 2": true, "{{if not .Network}} 3": true,
	"{{if .Network}} 2": true, "{{hcl .Network}}": true, "{{shell .Network}}": true,
}

// TestTemplatesOfCloudsAreHeldToThePlan changes each expression of the clouds'
// templates that is about a port, a source or a family: a comparison with the flat
// list, a schema or a rule must notice.
func TestTemplatesOfCloudsAreHeldToThePlan(t *testing.T) {
	all := slices.Clone(scenarios)
	for name, c := range cloudFormats {
		all = append(all, scenario{format: name, body: c.body, lets: c.lets})
	}
	sound := template.Must(templates.Parse())
	for _, s := range all {
		if s.red(cloudPlan(), handTarget(t, cloudFormats[s.format].target, s.body), sound) {
			t.Fatalf("%s %s is red without a change", s.format, s.body)
		}
	}
	folders := map[string]bool{}
	for _, c := range cloudFormats {
		folders[c.target] = true
	}
	for folder := range folders {
		n := 0
		mutants(t, folder, func(expression string, set *template.Template) {
			n++
			if harmless[expression] {
				return
			}
			for _, s := range all {
				if cloudFormats[s.format].target == folder && s.red(cloudPlan(), handTarget(t, folder, s.body), set) {
					return
				}
			}
			t.Errorf("%s: nothing notices a change of %s", folder, expression)
		})
		if n < 4 {
			t.Errorf("%s has only %d expressions", folder, n)
		}
	}
}
