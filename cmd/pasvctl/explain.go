package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/explain"
)

func newExplain(s streams) *cobra.Command {
	var v variables
	var chosen siteChoice
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "explain FILE|FOLDER [SITE]",
		Short: "derive a site's range in prose: why these ports, and not fewer",
		Long: `explain says in prose how many ports a site needs and why, what one port would do, and
what would need fewer. SITE may be left out if the spec has one site.

With --all it derives the range in full: what tells data connections apart, how
sensitive the range is to each figure, what each other server needs, what rules of
thumb open, and the sources.`,
		Example: "  pasvctl explain examples/quickstart\n  pasvctl explain examples/fleet machines --all",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := v.valid(s, args[0])
			if err != nil {
				return err
			}
			site, err := p.site(chosen.name)
			if err != nil {
				return err
			}
			e := explain.Site(site, generators.Configures(site.Server))
			if asJSON {
				return envelope.Write(s.out, "explain", e)
			}
			if err := e.WriteText(s.out, prose(s.out), all); err != nil || all {
				return err
			}
			_, err = fmt.Fprintln(s.out, "\npasvctl explain --all shows the whole derivation.")
			return err
		},
	}
	v.register(c)
	chosen.register(c, &v, "explain the site `NAME`, like SITE")
	c.Flags().BoolVar(&all, "all", false, "show the whole derivation")
	c.Flags().BoolVar(&asJSON, "json", false, "write the whole derivation as JSON")
	return c
}
