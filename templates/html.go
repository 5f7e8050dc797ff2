package templates

import (
	"bytes"
	"embed"
	"html/template"
)

//go:embed report/*.html
var pages embed.FS

// HTML executes an embedded page of the folder report, named by its file. The escaping of
// html/template keeps whatever the data says from becoming markup. An error means
// that page and data disagree, which is a bug of ours and never the user's.
func HTML(name string, functions template.FuncMap, data any) ([]byte, error) {
	all, err := template.New("").Funcs(functions).ParseFS(pages, "report/*.html")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := all.ExecuteTemplate(&out, name, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
