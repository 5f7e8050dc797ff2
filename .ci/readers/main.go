// Command readers compares what the tests have left of pasvctl's output with
// the schemas: readers OUTPUTS SCHEMAS. The outputs are in folders of OUTPUTS. It fails for an output that does not
// fit, and for a schema that no output has tried.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: readers OUTPUTS SCHEMAS")
		os.Exit(64)
	}
	if err := compare(os.Args[1], os.Args[2], "schema"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// formats are the schemas by what they describe: a command's output, or
// another program's format.
type formats struct {
	schemas map[string]*jsonschema.Schema
	tried   map[string]int
}

// compare compares all of outputs with the schemas of the folders.
func compare(outputs string, folders ...string) error {
	f := formats{map[string]*jsonschema.Schema{}, map[string]int{"junit": 0, "markdown": 0}}
	for _, folder := range folders {
		if err := f.compile(folder); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(outputs, "*", "out-*"))
	if err != nil {
		return err
	}
	var wrong []error
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := f.read(text); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w\n%.2000s", name, err, text))
		}
	}
	for name, n := range f.tried {
		if n == 0 {
			wrong = append(wrong, fmt.Errorf("no output of the tests is for the schema %s", name))
		}
	}
	if wrong == nil {
		fmt.Printf("%d outputs, as often as a schema fits: %v\n", len(files), f.tried)
	}
	return errors.Join(wrong...)
}

func (f *formats) compile(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no schema in %s: %v", folder, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, file := range files {
		schema, err := c.Compile(file)
		if err != nil {
			return err
		}
		if name := strings.TrimSuffix(filepath.Base(file), ".json"); name != "defs" {
			f.schemas[name], f.tried[name] = schema, 0
		}
	}
	return nil
}

// read compares one output with the schema of its kind. Text for people has none.
func (f *formats) read(text []byte) error {
	switch {
	case bytes.HasPrefix(text, []byte("<?xml")):
		f.tried["junit"]++
		return junit(text)
	case bytes.HasPrefix(text, []byte("**")):
		f.tried["markdown"]++
		return markdown(text)
	case bytes.HasPrefix(text, []byte("[\n")), bytes.HasPrefix(text, []byte("[]")):
		return f.values(text, func(any) string { return "gitlab" })
	case bytes.HasPrefix(text, []byte("{")):
		return f.values(text, func(value any) string {
			object := value.(map[string]any)
			if object["$schema"] != nil {
				return "sarif"
			}
			command, _ := object["command"].(string)
			return strings.ReplaceAll(command, " ", "-")
		})
	}
	return nil
}

// values compares each JSON value of a text.
func (f *formats) values(text []byte, kind func(any) string) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		var value any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		name := kind(value)
		if f.schemas[name] == nil {
			return fmt.Errorf("no schema %q", name)
		}
		f.tried[name]++
		if err := f.schemas[name].Validate(value); err != nil {
			return err
		}
		if err := unique(name, value); err != nil {
			return err
		}
	}
}

// unique finds issues that GitLab would take for one.
func unique(name string, value any) error {
	if name != "gitlab" {
		return nil
	}
	var seen []any
	for _, issue := range value.([]any) {
		fingerprint := issue.(map[string]any)["fingerprint"]
		if slices.Contains(seen, fingerprint) {
			return fmt.Errorf("two issues with the fingerprint %v", fingerprint)
		}
		seen = append(seen, fingerprint)
	}
	return nil
}
