package templates

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// UserError is a mistake in a user's own template.
type UserError struct {
	Line   int      // from 1; 0 if the whole template is meant
	Column int      // in bytes, from 1; 0 if the whole line is meant
	Field  string   // a field that is not there, if that is the mistake
	Fields []string // that are there instead, sorted
	Of     string   // what has no fields at all, as the template has it: .Sites
	List   bool     // Of is a list
	Reason string
}

func (e *UserError) Error() string { return e.Reason }

// The bounds of a user's own template, in bytes. What it computes is bounded
// by whoever calls RenderUser.
const (
	maxSource = 1 << 20
	maxOutput = 16 << 20
)

var errOutput = fmt.Errorf("its output is longer than %d MiB", maxOutput>>20)

// RenderUser executes a template that is not ours, of at most 1 MiB and with an
// output of at most 16 MiB, with Functions. data is made of maps, slices,
// strings, numbers and booleans, so there is no method to call on it.
func RenderUser(source []byte, data map[string]any) ([]byte, *UserError) {
	if len(source) > maxSource {
		return nil, &UserError{Reason: fmt.Sprintf("the template is longer than %d MiB", maxSource>>20)}
	}
	functions := Functions()
	functions["printf"] = printf
	root, err := template.New(userName).Option("missingkey=error").Funcs(functions).Parse(string(source))
	if err != nil {
		return nil, newUserError(err)
	}
	out := &boundedBuffer{}
	if err := root.Execute(out, data); err != nil {
		mistake := newUserError(err)
		mistake.Fields = fieldsAt(root, data, *mistake)
		mistake.readOf(source, data)
		return nil, mistake
	}
	if at := bytes.Index(out.Bytes(), []byte(noValue)); at >= 0 {
		line := bytes.Count(out.Bytes()[:at], []byte{'\n'}) + 1
		return nil, &UserError{Reason: fmt.Sprintf("line %d of the output prints a value that is not there", line)}
	}
	return out.Bytes(), nil
}

// noValue is what text/template prints for nil.
const noValue = "<no value>"

// userName starts text/template's errors.
const userName = "template"

var addressVerb = regexp.MustCompile(`%[^a-zA-Z%]*p`)

// printf is fmt.Sprintf without %p: an address is never the same twice.
func printf(format string, args ...any) (string, error) {
	if addressVerb.MatchString(strings.ReplaceAll(format, "%%", "")) {
		return "", errors.New("%p prints an address, which is never the same twice")
	}
	return fmt.Sprintf(format, args...), nil
}

// boundedBuffer refuses to grow beyond maxOutput.
type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, errOutput
	}
	return b.Buffer.Write(p)
}

// place is how text/template starts its errors: the name, the line and, while
// executing, the column.
var place = regexp.MustCompile(`(?s)^template: ` + userName + `:(\d+)(?::(\d+))?: (.*)$`)

// context is what text/template says of itself between place and reason.
var context = regexp.MustCompile(`(?s)^executing "[^"]*" at <(.*?)>: (.*)$`)

// missing is how it says that a field is not there.
var missing = regexp.MustCompile(`(?:map has no entry for key "(.*)"|can't evaluate field (\w+) in type .*)$`)

// newUserError takes text/template's message apart: its errors have no fields.
func newUserError(err error) *UserError {
	e := &UserError{Reason: err.Error()}
	if at := place.FindStringSubmatch(e.Reason); at != nil {
		e.Line, _ = strconv.Atoi(at[1])
		if at[2] != "" {
			e.Column, _ = strconv.Atoi(at[2])
			e.Column++ // text/template counts from 0
		}
		e.Reason = at[3]
	}
	if parts := context.FindStringSubmatch(e.Reason); parts != nil {
		e.Reason = parts[2]
	}
	if field := missing.FindStringSubmatch(e.Reason); field != nil {
		e.Field = field[1] + field[2]
	}
	return e
}

// fieldsAt returns the fields that there are where the mistake is that one is
// missing. text/template does not say which dict it looked into, so each kind of
// dict, told by its fields, is given the missing one in turn: where that mends
// the mistake, it is the kind.
func fieldsAt(root *template.Template, data map[string]any, mistake UserError) []string {
	if mistake.Field == "" {
		return nil
	}
	kinds := map[string][]string{}
	addKinds(data, kinds)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		err := root.Execute(&boundedBuffer{}, withField(data, kind, mistake.Field))
		if err == nil {
			return kinds[kind]
		}
		if next := newUserError(err); next.Field != mistake.Field || next.Line != mistake.Line || next.Column != mistake.Column {
			return kinds[kind]
		}
	}
	return nil
}

var chain = regexp.MustCompile(`[$.][\w.]*$`)

// readOf finds what a missing field was asked of, if that is not a dict.
func (e *UserError) readOf(source []byte, data map[string]any) {
	if !strings.HasPrefix(e.Reason, "can't evaluate field ") || e.Column == 0 {
		return
	}
	lines := bytes.SplitN(source, []byte("\n"), e.Line+1)
	line := lines[min(e.Line, len(lines))-1]
	e.Of = string(chain.Find(line[:min(e.Column-1, len(line))]))
	name := e.Of[strings.LastIndexByte(e.Of, '.')+1:]
	e.List = e.Of != "" && (strings.HasSuffix(e.Reason, "[]interface {}") || holdsList(data, name))
}

// holdsList reports whether a list has this name anywhere in a value.
func holdsList(value any, name string) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if _, list := inner.([]any); list && key == name || holdsList(inner, name) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return holdsList(inner, name) })
	}
	return false
}

// addKinds collects the fields of all dicts in a value, by the kind of dict.
func addKinds(value any, kinds map[string][]string) {
	switch v := value.(type) {
	case map[string]any:
		fields := slices.Sorted(maps.Keys(v))
		kinds[strings.Join(fields, " ")] = fields
		for _, inner := range v {
			addKinds(inner, kinds)
		}
	case []any:
		for _, inner := range v {
			addKinds(inner, kinds)
		}
	}
}

// withField copies a value with one field more in the dicts of a kind.
func withField(value any, kind, field string) any {
	switch v := value.(type) {
	case map[string]any:
		all := make(map[string]any, len(v)+1)
		for name, inner := range v {
			all[name] = withField(inner, kind, field)
		}
		if strings.Join(slices.Sorted(maps.Keys(v)), " ") == kind {
			all[field] = ""
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, inner := range v {
			all[i] = withField(inner, kind, field)
		}
		return all
	}
	return value
}
