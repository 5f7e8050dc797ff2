package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/generators"
)

type validator struct {
	streams
	variables
	format string
	limit  int
}

func newValidate(s streams) *cobra.Command {
	v := &validator{streams: s}
	c := &cobra.Command{
		Use:   "validate FILE|FOLDER",
		Short: "report every mistake of a spec, with the line and the remedy",
		Long: `validate checks a spec, plans it and renders its targets, and reports every mistake
with the line, what is wrong and the remedy. It writes no file.

The text format goes to stderr; json, sarif and github go to stdout.`,
		Example: "  pasvctl validate examples/quickstart\n  pasvctl validate --format sarif specs > pasvctl.sarif",
		Args:    exactly("FILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return v.run(args[0]) },
	}
	v.register(c)
	c.Flags().StringVar(&v.format, "format", "text", "`FORMAT` of the diagnostics: "+strings.Join(diagnostics.Names(), ", "))
	c.Flags().IntVar(&v.limit, "limit", maxShown, "show at most `N` diagnostics as text, 0 for all")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(diagnostics.Names(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (v *validator) run(path string) error {
	write, known := diagnostics.Formats[v.format]
	if !known {
		return usage("the formats are "+strings.Join(diagnostics.Names(), ", "), "there is no format %q", v.format)
	}
	if v.limit < 0 {
		return usage("write --limit 0 for all", "--limit %d is negative", v.limit)
	}
	p, err := v.load(path)
	if err != nil {
		return err
	}
	diags := p.diags
	if !diags.HasErrors() {
		_, more := p.Files()
		diags = generators.InOrder(append(diags, more...))
	}
	r := p.report(diags)
	if v.format != "text" {
		if err := write(v.out, r); err != nil {
			return err
		}
		if diags.HasErrors() {
			return silent(exitFailed)
		}
		return nil
	}
	columns, _ := terminal(v.err)
	r.Limit, r.Width, r.Colour = v.limit, uint(columns), colour(v.err)
	if err := write(v.err, r); err != nil {
		return err
	}
	if err := p.invalid(path, diags); err != nil {
		return err
	}
	tellStarts(v.err, p.Plan.Sites)
	_, err = fmt.Fprintf(v.out, "%s is valid: %s on %s\n", path, counted(len(p.Plan.Sites), "site"), counted(len(p.Plan.Hosts), "host"))
	return err
}
