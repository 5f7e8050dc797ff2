package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/generators"
)

// newMan is `pasvctl man DIR`, which packages run when they are built. It is
// hidden: who has the package has the pages. (cobra/doc makes pages too, by way
// of Markdown and a module for that.)
func newMan(streams) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "write the manual pages into a folder",
		Example: "  pasvctl man debian/tmp/usr/share/man/man1",
		Args:    exactly("DIR"),
		Hidden:  true,
		RunE: func(c *cobra.Command, args []string) error {
			for _, of := range documented(c.Root()) {
				if err := atomicfile.Write(args[0], pageName(of)+".1", []byte(manPage(of)), 0o644); err != nil {
					return failure(fmt.Errorf("%s: %w", filepath.Join(args[0], pageName(of)+".1"), err), "name a folder that exists and that you may write to")
				}
			}
			return nil
		},
	}
}

// documented are the commands that have a page, the root among them.
func documented(of *cobra.Command) []*cobra.Command {
	if of.Hidden || of.Name() == "help" {
		return nil
	}
	all := []*cobra.Command{of}
	for _, sub := range of.Commands() {
		all = append(all, documented(sub)...)
	}
	return all
}

func pageName(of *cobra.Command) string { return strings.ReplaceAll(of.CommandPath(), " ", "-") }

// manPage writes the page of a command as man(7).
func manPage(of *cobra.Command) string {
	of.InitDefaultHelpFlag()
	var page strings.Builder
	section := func(title string) { fmt.Fprintf(&page, ".SH %s\n", title) }
	fmt.Fprintf(&page, ".TH %s 1 \"\" \"pasvctl %s\"\n", strings.ToUpper(roff(pageName(of))), generators.Version)
	section("NAME")
	fmt.Fprintf(&page, "%s \\- %s\n", roff(pageName(of)), roff(of.Short))
	section("SYNOPSIS")
	fmt.Fprintf(&page, "%s\n", roff(of.UseLine()))
	section("DESCRIPTION")
	manText(&page, of.Long)
	if of.Long == "" {
		manText(&page, of.Short)
	}
	section("OPTIONS")
	of.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { manFlag(&page, f) })
	of.InheritedFlags().VisitAll(func(f *pflag.Flag) { manFlag(&page, f) })
	if of.Example != "" {
		section("EXAMPLES")
		fmt.Fprintf(&page, ".nf\n%s\n.fi\n", roff(of.Example))
	}
	section("SEE ALSO")
	var others []string
	for _, other := range documented(of.Root()) {
		if other == of.Parent() || other.Parent() == of {
			others = append(others, fmt.Sprintf(".BR %s (1)", roff(pageName(other))))
		}
	}
	page.WriteString(strings.Join(others, ",\n") + "\n")
	return page.String()
}

func manFlag(page *strings.Builder, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	page.WriteString(".TP\n")
	if f.Shorthand != "" {
		fmt.Fprintf(page, "\\fB\\-%s\\fR, ", f.Shorthand)
	}
	fmt.Fprintf(page, "\\fB\\-\\-%s\\fR", roff(f.Name))
	if value != "" {
		fmt.Fprintf(page, " \\fI%s\\fR", roff(value))
	}
	page.WriteString("\n" + roff(usage))
	if empty := f.DefValue == "" || f.DefValue == "false" || f.DefValue == "[]" || f.DefValue == "0" || f.DefValue == "0s"; !empty {
		page.WriteString(" (default " + roff(f.DefValue) + ")")
	}
	page.WriteString("\n")
}

// manText writes paragraphs; indented lines stay as they are.
func manText(page *strings.Builder, text string) {
	kept := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if indented := strings.HasPrefix(line, "  "); indented != kept && line != "" {
			page.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[indented])
			kept = indented
		}
		if line == "" {
			line = ".PP"
		} else {
			line = roff(line)
		}
		page.WriteString(line + "\n")
	}
	if kept {
		page.WriteString(".fi\n")
	}
}

// roff escapes what roff gives a meaning: backslashes, hyphens that are meant,
// and a point or an apostrophe at the start of a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
