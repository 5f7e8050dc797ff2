package generators

import "github.com/pasvctl/pasvctl/templates"

// render lays out one file with an embedded template. Template and data are
// both ours, so that a disagreement between them is a bug and panics.
func render(path, template string, data any) File {
	content, err := templates.Render(template, data)
	if err != nil {
		panic(err)
	}
	return File{Path: path, Content: content}
}
