package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/generators/plan"
)

// siteChoice is the site that a command is about: its second argument, or
// --site.
type siteChoice struct{ name string }

// register adds --site and its completion to a command that takes FILE [SITE].
func (c *siteChoice) register(cmd *cobra.Command, v *variables, help string) {
	cmd.Flags().StringVar(&c.name, "site", "", help)
	_ = cmd.RegisterFlagCompletionFunc("site", v.completeSite)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return v.completeSite(cmd, args, typed)
		}
		return completeSpec(cmd, args, typed)
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return exactly("FILE")(cmd, args)
		}
		if err := exactly("FILE", "SITE")(cmd, args); err != nil {
			return err
		}
		if c.name != "" && c.name != args[1] {
			return usage("name the site once", "SITE is %s, and --site is %s", args[1], c.name)
		}
		c.name = args[1]
		return nil
	}
}

// site finds a site by name. Without a name it is the only one of the spec.
func (p *project) site(name string) (*plan.Site, error) {
	names := make([]string, 0, len(p.Plan.Sites))
	for _, s := range p.Plan.Sites {
		if s.Name == name || name == "" && len(p.Plan.Sites) == 1 {
			return s, nil
		}
		names = append(names, s.Name)
	}
	const shown = 20
	if len(names) > shown {
		names = append(names[:shown], "…")
	}
	hint := "its sites are " + strings.Join(names, ", ")
	if name == "" {
		return nil, usage("write --site NAME; "+hint, "the spec has more than one site")
	}
	return nil, failure(fmt.Errorf("the spec has no site %q", name), hint)
}
