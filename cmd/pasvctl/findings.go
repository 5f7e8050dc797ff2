package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
)

// reporting is what the commands share whose result is findings.
type reporting struct {
	format string
	limit  int
}

func (r *reporting) register(c *cobra.Command) {
	c.Flags().StringVar(&r.format, "format", "text", "write the findings as `FORMAT`: "+strings.Join(diagnostics.Names(), ", "))
	c.Flags().IntVar(&r.limit, "limit", maxShown, "show at most `N` findings as text, 0 for all")
	asJSON(c, &r.format)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(diagnostics.Names(), cobra.ShellCompDirectiveNoFileComp))
}

func asJSON(c *cobra.Command, format *string) {
	c.Flags().BoolFunc("json", "the same as --format json", func(text string) error {
		on, err := strconv.ParseBool(text)
		if on {
			*format = "json"
		}
		return err
	})
	c.MarkFlagsMutuallyExclusive("json", "format")
}

func (r *reporting) check() error {
	if diagnostics.Formats[r.format] == nil {
		return usage("the formats are "+strings.Join(diagnostics.Names(), ", "), "there is no format %q", r.format)
	}
	if r.limit < 0 {
		return usage("write --limit 0 for all", "--limit %d is negative", r.limit)
	}
	return nil
}

// text reports whether people read the findings.
func (r *reporting) text() bool { return r.format == "text" }

// write writes text to people and everything else to machines, on stdout.
func (r *reporting) write(machines, people io.Writer, found diagnostics.Report) error {
	if !r.text() {
		return diagnostics.Formats[r.format](machines, found)
	}
	return showFindings(people, found, r.limit)
}

func showFindings(w io.Writer, r diagnostics.Report, limit int) error {
	r.Limit, r.Width, r.Colour = limit, columnsOf(w), colour(w)
	return diagnostics.Text(unfolded(w), r)
}
