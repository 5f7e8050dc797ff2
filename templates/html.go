package templates

import (
	"bytes"
	"embed"
	"html/template"
	"path"
)

//go:embed report/*.html
var pages embed.FS

// HTML executes an embedded page, named by folder and file. The escaping of
// html/template keeps whatever the data says from becoming markup. An error means
// that page and data disagree, which is a bug of ours and never the user's.
func HTML(name string, functions template.FuncMap, data any) ([]byte, error) {
	page, err := template.New(path.Base(name)).Funcs(functions).ParseFS(pages, name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
