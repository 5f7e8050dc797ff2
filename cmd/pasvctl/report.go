package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/generators/change"
	htmlreport "github.com/pasvctl/pasvctl/generators/report"
)

func newReport(s streams) *cobra.Command {
	var v variables
	var output, other string
	c := &cobra.Command{
		Use:   "report FILE|FOLDER -o FILE.html",
		Short: "draw the plan as one HTML page: ranges, reasons, curves, port maps",
		Long: `report writes one HTML page, complete in itself, for people who read no rules: how many
ports are open and what a guess would have opened, each host with a map of its ports, and
each site with its range, the reason, its firewall in words, what other servers need and
the refused share against the ports.

The page needs no script and no network, and prints on A4. The same spec and lock give the
same bytes. With more than 100 sites it draws the curve of each site's own server only.

With --against it also says what differs from an earlier state of the spec: see pasvctl
plan.`,
		Example: "  pasvctl report examples/quickstart -o report.html\n" +
			"  pasvctl report edge.pasv.hcl --against HEAD -o report.html",
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			const hint = "write -o FILE.html, or -o - for standard output"
			switch {
			case output == "":
				return usage(hint, "the output file is missing")
			case output != "-" && filepath.Ext(output) != ".html":
				return usage(hint, "%s does not end in .html, and report replaces no other file", output)
			}
			p, err := v.valid(s, args[0])
			if err != nil {
				return err
			}
			var since *change.Change
			if other != "" {
				if since, err = v.against(s, p, other); err != nil {
					return err
				}
			}
			page := htmlreport.HTML(p.Plan, since)
			if output == "-" {
				_, err := s.out.Write(page)
				return err
			}
			if err := atomicfile.Write(filepath.Dir(output), filepath.Base(output), page, 0o644); err != nil {
				return failure(err, writeHint(err))
			}
			_, err = fmt.Fprintf(s.out, "wrote %s\n", output)
			return err
		},
	}
	v.register(c)
	addAgainst(c, &other, "also say what differs from the spec at the git revision `REV`, or from another one")
	c.Flags().StringVarP(&output, "output", "o", "", "write the page to `FILE`; - is standard output")
	_ = c.MarkFlagFilename("output", "html")
	return c
}
