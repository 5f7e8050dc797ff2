package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type validator struct {
	streams
	variables
	reporting
}

func newValidate(s streams) *cobra.Command {
	v := &validator{streams: s}
	c := &cobra.Command{
		Use:   "validate FILE|FOLDER",
		Short: "report every mistake of a spec, with the line and the remedy",
		Long: `validate checks a spec, plans it and renders its targets, and reports every mistake
with the line, what is wrong and the remedy. It writes no file.

The text format goes to stderr, the others to stdout. pasvctl help ID explains a
finding by its id, the word in brackets.`,
		Example: "  pasvctl validate examples/quickstart\n  pasvctl validate --format sarif specs > pasvctl.sarif",
		Args:    exactly("FILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return v.run(args[0]) },
	}
	v.variables.register(c)
	v.reporting.register(c)
	return c
}

func (v *validator) run(path string) error {
	if err := v.check(); err != nil {
		return err
	}
	p, err := v.load(path)
	if err != nil {
		return err
	}
	diags := p.diags
	if !diags.HasErrors() {
		_, more := p.Files()
		diags = finding.InOrder(append(diags, more...))
	}
	if err := v.write(v.out, v.err, p.report("validate", finding.From(diags))); err != nil {
		return err
	}
	switch {
	case v.text() && diags.HasErrors():
		return p.invalid(path, diags)
	case diags.HasErrors():
		return silent(exitFailed)
	case !v.text():
		return nil
	}
	tellStarts(v.err, p.Plan.Sites)
	_, err = fmt.Fprintf(v.out, "%s is valid: %s on %s\n", path, sizing.Plural(len(p.Plan.Sites), "site"), sizing.Plural(len(p.Plan.Hosts), "host"))
	return err
}
