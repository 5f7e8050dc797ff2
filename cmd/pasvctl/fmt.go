package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// standardInput is how a command line names stdin.
const standardInput = "-"

type formatter struct {
	streams
	check, diff, recursive bool
	differs                bool
}

func newFmt(s streams) *cobra.Command {
	f := &formatter{streams: s}
	c := &cobra.Command{
		Use:   "fmt FILE|FOLDER|-...",
		Short: "rewrite specs in the canonical layout",
		Long: `fmt rewrites specs in the canonical layout of HCL and prints the name of each file
that it changes. With "-" it reads stdin and writes to stdout. It does not change a file
that is not valid HCL.

With --recursive it also looks into the folders of a FOLDER, except those whose name
starts with a dot. With --check or --diff nothing is written.`,
		Example: "  pasvctl fmt -r --check --diff examples\n  pasvctl fmt edge.pasv.hcl",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("see pasvctl fmt --help", "FILE is missing")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args) },
	}
	c.Flags().BoolVar(&f.check, "check", false, "write nothing, exit 2 if a file is not in the canonical layout")
	c.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "also rewrite specs in the folders of a FOLDER")
	c.Flags().BoolVar(&f.diff, "diff", false, "write nothing, print what would change")
	return c
}

func (f *formatter) run(args []string) error {
	failed := false
	for _, arg := range args {
		paths, err := f.specFiles(arg)
		if err != nil {
			return failure(err, specHint(err))
		}
		for _, path := range paths {
			if err := f.file(path); err != nil {
				failed = true
				report(f.err, err, true)
			}
		}
	}
	switch {
	case failed:
		return silent(exitFailed)
	case f.check && f.differs:
		return silent(exitDifference)
	}
	return nil
}

// specFiles lists what an argument stands for: stdin, a file, or the spec
// files of a folder.
func (f *formatter) specFiles(arg string) ([]string, error) {
	if arg == standardInput {
		return []string{arg}, nil
	}
	info, err := source.Stat(arg)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{arg}, nil
	}
	if f.recursive {
		return source.Tree(arg)
	}
	names, err := source.List(arg)
	for i := range names {
		names[i] = filepath.Join(arg, names[i])
	}
	return names, err
}

func (f *formatter) file(path string) error {
	old, err := f.read(path)
	if err != nil {
		return failure(err, "")
	}
	canonical, diags := spec.Format(path, old)
	if diags.HasErrors() {
		return f.refuse(path, old, diags)
	}
	same := bytes.Equal(old, canonical)
	f.differs = f.differs || !same
	switch {
	case f.diff:
		_, err = f.out.Write(diff.Diff(path, old, path+" (canonical)", canonical))
	case path == standardInput && !f.check:
		_, err = f.out.Write(canonical)
	case !same:
		if !f.check {
			err = replace(path, canonical)
		}
		if err == nil {
			_, err = fmt.Fprintln(f.out, path)
		}
	}
	return err
}

func (f *formatter) read(path string) ([]byte, error) {
	if path == standardInput {
		return source.ReadAll(f.in)
	}
	return source.Read(path)
}

// refuse says why a file is not changed: a broken file has no canonical layout.
func (f *formatter) refuse(path string, text []byte, diags hcl.Diagnostics) error {
	err := showFindings(f.err, diagnostics.Report{
		Findings: finding.From(diags), Files: map[string]*hcl.File{path: {Bytes: text}},
	}, maxShown)
	if err != nil {
		return err
	}
	return failure(fmt.Errorf("%s is not valid HCL; it was not changed", path), "")
}

// replace writes through a link to the file that it stands for.
func replace(path string, text []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Dir(real), filepath.Base(real), text, 0o644)
}
