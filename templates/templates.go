package templates

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"text/template"
)

//go:embed */*.tmpl
var files embed.FS

var parsed = template.Must(Parse())

// Parse returns a copy of the embedded templates, for a test that changes them.
func Parse() (*template.Template, error) {
	root := template.New("").Funcs(Functions()).Option("missingkey=error")
	names, err := fs.Glob(files, "*/*.tmpl")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if _, err := root.New(name).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// Render executes an embedded template, named by folder and file:
// "nftables/nftables.nft.tmpl". An error means that template and data
// disagree, which is a bug of ours and never the user's.
func Render(name string, data any) ([]byte, error) {
	var out bytes.Buffer
	if err := parsed.ExecuteTemplate(&out, name, data); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return out.Bytes(), nil
}
