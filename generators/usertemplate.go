package generators

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
	"github.com/pasvctl/pasvctl/templates"
)

func init() {
	register(Kind{Name: "template", New: func() Target { return &userTemplate{} }, Settings: []spec.Argument{
		{Name: "source", Type: spec.Source, Example: `"motd.tmpl"`,
			Required: `Name the template, like source = "motd.tmpl".`,
			Doc:      "A Go text/template, read from the spec's folder."},
		{Name: "output", Type: spec.Text, Limit: "at most 255 letters, digits and . _ + @ -, with slashes between folders", Example: `"edge1/motd"`,
			Required: `Name the file to write, like output = "motd".`,
			Doc:      "File that is written, relative to the output folder."},
	}})
}

// userTemplate renders a Go text/template of the user's own over the plan, with
// sprig's hermetic functions and an escaper per format (templates.Functions).
type userTemplate struct {
	placed
	Source string `hcl:"source"`
	Output string `hcl:"output"`
}

// outputPath is what an output may be named: folders and a file that every
// file system takes.
var outputPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+@ -]*(/[A-Za-z0-9_][A-Za-z0-9._+@ -]*)*$`)

// Files renders DIR/OUTPUT.
func (u *userTemplate) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	if !fs.ValidPath(u.Output) || !outputPath.MatchString(u.Output) || len(u.Output) > 255 {
		return nil, hcl.Diagnostics{u.wrong("output", "output is %q. Write a path relative to the output folder, such as \"motd\" or \"docs/ports.md\": "+
			"letters, digits and ._+@- with slashes between folders, none of them starting with a dot, at most 255 characters.", u.Output)}
	}
	content, mistake := templates.RenderUser(u.text, templateData(p))
	if mistake != nil {
		return nil, hcl.Diagnostics{u.diagnostic(mistake)}
	}
	return []File{{Path: u.Output, Content: content}}, nil
}

// diagnostic points into the template, where the mistake is of one place.
func (u *userTemplate) diagnostic(mistake *templates.UserError) *hcl.Diagnostic {
	d := finding.TemplateMistake.Error(u.at.Of("source"), "%s: %s.", u.Source, strings.TrimSuffix(mistake.Reason, "."))
	if mistake.Field != "" {
		d.Detail = fmt.Sprintf("%s: there is no %q here.", u.Source, mistake.Field)
		switch {
		case len(mistake.Fields) > 0:
			d.Detail += " " + choices(mistake.Field, mistake.Fields)
		case mistake.List:
			d.Detail = fmt.Sprintf("%s: %s is a list, and its items have fields. Write {{ range %[2]s }}{{ .%[3]s }}{{ end }}.", u.Source, mistake.Of, mistake.Field)
		case mistake.Of != "":
			d.Detail = fmt.Sprintf("%s: %s is one value, which has no field %s. Write {{ %[2]s }}.", u.Source, mistake.Of, mistake.Field)
		}
	}
	if mistake.Line > 0 {
		d.Subject = u.place(mistake)
	}
	return d
}

// place is the line of a mistake in the template, from its column on.
func (u *userTemplate) place(mistake *templates.UserError) *hcl.Range {
	lines := strings.SplitAfter(string(u.text), "\n")
	line := min(mistake.Line, len(lines))
	offset := 0
	for _, before := range lines[:line-1] {
		offset += len(before)
	}
	text := strings.TrimRight(lines[line-1], "\r\n")
	column := min(max(mistake.Column, 1), len(text)+1)
	return &hcl.Range{
		Filename: path.Join(path.Dir(u.at.Of("source").Filename), u.Source),
		Start:    hcl.Pos{Line: line, Column: column, Byte: offset + column - 1},
		End:      hcl.Pos{Line: line, Column: len(text) + 1, Byte: offset + len(text)},
	}
}
