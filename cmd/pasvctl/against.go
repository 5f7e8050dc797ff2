package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/change"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// addAgainst adds --against to a command. Without a value it is no flag that is left out: a
// script's variable is empty.
func addAgainst(c *cobra.Command, at *string, help string) {
	c.Flags().Func("against", help, func(text string) error {
		*at = text
		if text == "" {
			return errors.New("name a revision or a folder")
		}
		return nil
	})
}

// against compares a loaded spec with the one at a path, or else with its own
// at a revision of its git repository. A mistake of the other one is shown, and an error.
func (v *variables) against(s streams, is *project, at string) (*change.Change, error) {
	was, err := v.earlier(s, is, at)
	if err != nil {
		return nil, err
	}
	if was == nil {
		fmt.Fprintf(s.err, "%s has no such spec: everything is new\n", at)
		return change.Between(&plan.Plan{}, is.Plan, nil), nil
	}
	wrong := slices.DeleteFunc(was.diags, func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
	if err := was.show(s, wrong); err != nil {
		return nil, err
	}
	if err := was.invalid(at, wrong); err != nil {
		return nil, err
	}
	return change.Between(was.Plan, is.Plan, spec.Renames(is.Spec.Moved)), nil
}

// earlier loads the spec that another is compared with; nil if its revision has
// none.
func (v *variables) earlier(s streams, is *project, at string) (*project, error) {
	o, err := v.options()
	if err != nil {
		return nil, err
	}
	o.Earlier = true
	if _, err := os.Stat(at); err == nil {
		src, err := source.Open(at)
		if err != nil {
			return nil, failure(err, "a path that exists is no revision: write heads/"+at+" for a branch of that name, tags/"+at+" for a tag")
		}
		return v.loaded(src, o), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxEvaluation)
	defer cancel()
	src, err := v.atRevision(ctx, s, is.source, at, &o)
	if wrong, ok := errors.AsType[*source.GitError](err); ok {
		return nil, failure(wrong, wrong.Remedy)
	}
	if src == nil || err != nil {
		return nil, err
	}
	return v.loaded(src, o), nil
}

// atRevision opens a spec as a revision has it, with those files of variables that are
// in the repository as it has them.
func (v *variables) atRevision(ctx context.Context, s streams, of *source.Source, name string, o *generators.Options) (*source.Source, error) {
	r, err := of.Revision(ctx, name)
	if err != nil {
		return nil, err
	}
	var files []spec.VarFile
	for _, f := range o.VarFiles {
		text, known, err := r.Read(f.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(s.err, "%s has no %s: its variables are left out there\n", name, f.Name)
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		case known:
			f.Src = text
		}
		files = append(files, f)
	}
	o.VarFiles = files
	return r.Open(of)
}

// maxComment is how many bytes of Markdown are written: GitHub takes a comment
// of 65,536 characters, and the page may not be all of it.
const maxComment = 60_000

// changeFormats are the formats of a change, by name.
var changeFormats = map[string]func(io.Writer, *change.Change) error{
	"text": writeChange,
	"json": func(w io.Writer, c *change.Change) error { return envelope.Write(w, "plan against", c) },
	"markdown": func(w io.Writer, c *change.Change) error {
		_, err := io.WriteString(w, c.Markdown(maxComment))
		return err
	},
}

// writeChange writes a change for a terminal.
func writeChange(w io.Writer, c *change.Change) error {
	page, columns := c.Page(), prose(w)
	text := explain.Wrap(change.Plain(page.Verdict), columns, "", "")
	if len(page.Rows) > 0 {
		rows := [][]string{strings.Split(strings.ToUpper(strings.Join(page.Head, "\n")), "\n")}
		for _, row := range page.Rows {
			rows = append(rows, strings.Split(change.Plain(strings.Join(row, "\n")), "\n"))
		}
		text += "\n" + layOut(rows, columnsOf(w))
	}
	for _, s := range page.Sections {
		text += "\n" + change.Plain(s.Title) + "\n"
		for _, item := range s.Items {
			text += explain.Wrap(change.Plain(item), columns, "- ", "  ")
		}
	}
	_, err := io.WriteString(w, text)
	return err
}
