package templates

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// UserError is a mistake in a user's own template.
type UserError struct {
	Line   int    // from 1; 0 where the whole template is meant
	Column int    // in bytes, from 1; 0 where the whole line is meant
	Field  string // a field that is not there, where that is the mistake
	Reason string
}

func (e *UserError) Error() string { return e.Reason }

// RenderUser executes a template that is not ours, with Functions and within
// bounds: 1 MiB of source, 16 MiB of output, 8 MiB in one value, and some seconds
// of work, counted and not timed. data is made of maps, slices, strings, numbers and booleans, so that there is no
// method to call on it.
func RenderUser(source []byte, data map[string]any) ([]byte, *UserError) {
	if len(source) > maxSource {
		return nil, &UserError{Reason: fmt.Sprintf("the template is longer than %d MiB", maxSource>>20)}
	}
	b := &budget{left: maxWork}
	functions := Functions()
	// text/template's own versions of these would run unmetered.
	maps.Copy(functions, template.FuncMap{
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
		"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
	})
	functions = b.meter(functions)
	functions[tickName], functions[printName] = b.tick, b.print
	root, err := template.New(userName).Option("missingkey=error").Funcs(functions).Parse(string(source))
	if err != nil {
		return nil, newUserError(err)
	}
	for _, t := range root.Templates() {
		if t.Tree != nil {
			instrument(t.Root)
			t.Root.Nodes = append([]parse.Node{call(tickName, t.Root.Pos)}, t.Root.Nodes...)
		}
	}
	out := &boundedBuffer{}
	if err := root.Execute(out, data); err != nil {
		return nil, newUserError(err)
	}
	return out.Bytes(), nil
}

// The names that the instrumented template calls. A template that calls them
// itself only spends its own budget.
const (
	userName  = "template"
	tickName  = "_tick"
	printName = "_print"
)

// instrument makes every turn of a loop and every printed value spend the
// budget.
func instrument(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			if len(node.Pipe.Decl) == 0 {
				node.Pipe.Cmds = append(node.Pipe.Cmds, command(printName, node.Pos))
			}
		case *parse.IfNode:
			instrument(node.List)
			instrument(node.ElseList)
		case *parse.WithNode:
			instrument(node.List)
			instrument(node.ElseList)
		case *parse.RangeNode:
			instrument(node.List)
			instrument(node.ElseList)
			node.List.Nodes = append([]parse.Node{call(tickName, node.Pos)}, node.List.Nodes...)
		}
	}
}

// call is an action that calls a function without arguments.
func call(name string, pos parse.Pos) parse.Node {
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: pos, Pipe: &parse.PipeNode{
		NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{command(name, pos)},
	}}
}

func command(name string, pos parse.Pos) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos,
		Args: []parse.Node{parse.NewIdentifier(name).SetTree(nil).SetPos(pos)}}
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
	e.Reason = strings.ReplaceAll(e.Reason, "error calling "+printName+": ", "")
	e.Reason = strings.ReplaceAll(e.Reason, "error calling "+tickName+": ", "")
	return e
}
