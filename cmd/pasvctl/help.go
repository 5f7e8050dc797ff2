package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// topic is what help explains besides commands.
type topic struct {
	about string          // for help's own help
	names func() []string // all that it explains
	// text explains one of the names on a page so many columns wide.
	text func(name string, columns int) string
}

var topics = []topic{
	{"a finding, by the id in brackets behind it; findings lists them", func() []string { return append(finding.IDs(), "findings") }, helpFinding},
	{"what a spec says: spec, spec.site, spec.site.announce", specTopics, helpSpec},
}

// newHelp is `pasvctl help TOPIC`. Cobra's own knows only commands, and ends
// with 0 if there is none of that name.
func newHelp(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "help [TOPIC]",
		Short:   "explain a command, a finding, or a block or argument of a spec",
		Example: "  pasvctl help plan\n  pasvctl help range-too-small\n  pasvctl help spec.site.announce",
		RunE: func(c *cobra.Command, args []string) error {
			name := strings.Join(args, " ")
			for _, t := range topics {
				if slices.Contains(t.names(), name) {
					_, err := fmt.Fprint(s.out, t.text(name, prose(s.out)))
					return err
				}
			}
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				hint := cmp.Or(sameArgument(name), "see pasvctl --help")
				if near := nearest(name, helpNames(c.Root())); near != "" {
					hint = "did you mean pasvctl help " + near + "?"
				}
				return usage(hint, "there is no command or topic %q", name)
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
	c.Long = "help explains a command, or:"
	for _, t := range topics {
		c.Long += "\n  - " + t.about
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return helpNames(c.Root()), cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// helpNames are all that help explains.
func helpNames(root *cobra.Command) (all []string) {
	for _, command := range root.Commands() {
		if !command.Hidden {
			all = append(all, command.Name())
		}
	}
	for _, t := range topics {
		all = append(all, t.names()...)
	}
	return all
}

func helpFinding(id string, columns int) string {
	r, known := finding.Lookup(id)
	if !known {
		return helpFindings()
	}
	return fmt.Sprintf("%s [%s]\n\n", r.Title, id) +
		explain.Wrap("cause: "+r.Cause, columns, "", "  ") +
		explain.Wrap("consequence: "+r.Consequence, columns, "", "  ") +
		explain.Wrap("remedy: "+r.Remedy, columns, "", "  ")
}

// specTopic starts the names of the reference's parts.
const specTopic = "spec"

func specTopics() []string {
	names := []string{specTopic}
	for _, name := range spec.Topics() {
		names = append(names, specTopic+"."+name)
	}
	return names
}

// helpSpec prints a part of the reference, which is 80 columns wide.
func helpSpec(name string, _ int) string {
	text, _ := spec.Topic(strings.TrimPrefix(strings.TrimPrefix(name, specTopic), "."))
	return text
}

// sameArgument names the arguments of a spec that end as name does.
func sameArgument(name string) string {
	last := name[strings.LastIndex(name, ".")+1:]
	same := slices.DeleteFunc(specTopics(), func(topic string) bool { return !strings.HasSuffix(topic, "."+last) })
	if len(same) == 0 {
		return ""
	}
	return "there is " + strings.Join(same, ", ")
}

func helpFindings() string {
	var b strings.Builder
	for _, id := range finding.IDs() {
		r, _ := finding.Lookup(id)
		fmt.Fprintf(&b, "%-27s %s\n", id, r.Title)
	}
	return b.String()
}
