package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/explain"
)

// proseColumns is how wide prose is on a wide terminal, and where there is
// none.
const proseColumns = 80

// prose is how many columns prose on w has.
func prose(w io.Writer) int {
	if columns, is := terminal(w); is && columns < proseColumns {
		return columns
	}
	return proseColumns
}

func newExplain(s streams) *cobra.Command {
	var v variables
	var asJSON bool
	c := &cobra.Command{
		Use:     "explain FILE|FOLDER SITE",
		Short:   "derive a site's range in prose: why these ports, and not fewer",
		Example: "  pasvctl explain examples/quickstart downloads",
		Args:    exactly("FILE", "SITE"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := v.valid(s, args[0])
			if err != nil {
				return err
			}
			site, err := p.site(args[1])
			if err != nil {
				return err
			}
			e := explain.Site(site, generators.Configures(site.Server))
			if asJSON {
				return envelope.Write(s.out, "explain", e)
			}
			return e.WriteText(s.out, prose(s.out))
		},
	}
	v.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return v.completeSite(c, args, typed)
		}
		return completeSpec(c, args, typed)
	}
	return c
}
