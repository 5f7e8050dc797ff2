package generators

import "github.com/pasvctl/pasvctl/templates"

// renderTemplate is replaced by a test that changes templates.
var renderTemplate = templates.Render

// render lays out one file with an embedded template. Template and data are
// both ours, so that a disagreement between them is a bug and panics.
func render(path, template string, data any) File {
	content, err := renderTemplate(template, data)
	if err != nil {
		panic(err)
	}
	return File{Path: path, Content: content}
}
