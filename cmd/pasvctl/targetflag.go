package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/generators"
)

// targetFlag is --target of a command whose first argument is a spec: its help
// and completion are those of the spec, if it is given.
func (g *generator) targetFlag(c *cobra.Command) {
	c.Flags().StringArrayVar(&g.targets, "target", nil, "render only this `TARGET`; repeatable; with FILE, --help lists those of the spec")
	_ = c.RegisterFlagCompletionFunc("target", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		has, others := g.targetsOf(args)
		if len(has) == 0 {
			has = others
		}
		return has, cobra.ShellCompDirectiveNoFileComp
	})
	help := c.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, args []string) {
		if has, _ := g.targetsOf(c.Flags().Args()); len(has) > 0 {
			c.Flags().Lookup("target").Usage = "render only this `TARGET`; repeatable; the spec has " + strings.Join(has, ", ")
		}
		help(c, args)
	})
}

// targetsOf are the targets of the spec that is args[0], and the others; of a
// spec that cannot be read it has none.
func (g *generator) targetsOf(args []string) (has, others []string) {
	if len(args) > 0 {
		if p, err := g.load(args[0]); err == nil {
			has = p.TargetKinds()
		}
	}
	for _, k := range generators.Kinds() {
		if !slices.Contains(has, k.Name) {
			others = append(others, k.Name)
		}
	}
	return has, others
}

// knownTargets refuses a --target that there is not.
func (g *generator) knownTargets(path string) error {
	_, all := g.targetsOf(nil)
	for _, name := range g.targets {
		if slices.Contains(all, name) {
			continue
		}
		hint := ""
		if near := nearest(name, all); near != "" {
			hint = "did you mean " + near + "? "
		}
		if has, others := g.targetsOf([]string{path}); len(has) > 0 {
			hint += "the spec has " + strings.Join(has, ", ") + "; not in this spec: " + strings.Join(others, ", ")
		} else {
			hint += "the targets are " + strings.Join(all, ", ")
		}
		return usage(hint, "there is no target %q", name)
	}
	return nil
}

// tellUnused names each --target that makes no file.
func (g *generator) tellUnused(p *project, made []generators.File) {
	for _, name := range g.targets {
		if !slices.ContainsFunc(made, func(f generators.File) bool { return f.Target == name }) {
			fmt.Fprintf(g.err, "target %q makes no file here: the spec has %s\n", name, strings.Join(p.TargetKinds(), ", "))
		}
	}
}
