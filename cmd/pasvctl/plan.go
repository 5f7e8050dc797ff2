package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type planner struct {
	streams
	variables
	format, other string
	compare       bool
}

func newPlan(s streams) *cobra.Command {
	p := &planner{streams: s}
	c := &cobra.Command{
		Use:   "plan FILE|FOLDER",
		Short: "show the computed range of each site, and the reason for it",
		Long: `plan shows for each site the range, the bound that sets its size, the share of data
connections that it refuses, what a range of one port does, and how many ports the site
needs if a figure of the spec is 30 % smaller or larger. If a lock is beside the spec, it
shows which sites are new, gone, moved, resized or renamed since then, and why. A note estimates the share that
is refused if all sessions of a site start within 1 s and within 10 s, unless the spec
has a burst block or sizes for the worst case.

With --compare it shows how many ports each known server needs for the same site.

With --against it shows what differs from an earlier state of the spec: the data ports of
each site, its limits and clients, and exactly which new connections each firewall lets
in and did not before, and the reverse. REV is a revision of the git repository that
FILE is in, read through git with its own lock; DIR is another folder or spec, and a
path that exists is always taken for one. Variables are set in both states; a file of
variables that is in the repository is read as REV has it. The exit code is 0 whether or
not something differs. --format markdown writes it for a pull request, in at most 60,000
bytes: sites that do not fit are left out and counted.`,
		Example: "  pasvctl plan examples/quickstart\n  pasvctl plan --compare examples/quickstart\n" +
			"  pasvctl plan edge.pasv.hcl --against HEAD --format markdown",
		Args: exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return p.run(args[0]) },
	}
	p.register(c)
	c.Flags().BoolVar(&p.compare, "compare", false, "compare all servers for each site")
	addAgainst(c, &p.other, "show what differs from the spec at the git revision `REV`, or from another one")
	c.Flags().StringVar(&p.format, "format", "text", "write `FORMAT`: text or json, with --against also markdown")
	asJSON(c, &p.format)
	c.MarkFlagsMutuallyExclusive("compare", "against")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(slices.Sorted(maps.Keys(changeFormats)), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (p *planner) run(path string) error {
	write := changeFormats[p.format]
	switch {
	case write == nil:
		return usage("the formats are text, json and markdown", "there is no format %q", p.format)
	case p.format == "markdown" && p.other == "":
		return usage("write --against REV", "--format markdown is for what differs from an earlier state")
	}
	loaded, err := p.valid(p.streams, path)
	if err != nil {
		return err
	}
	switch inJSON := p.format == "json"; {
	case p.other != "":
		c, err := p.against(p.streams, loaded, p.other)
		if err != nil {
			return err
		}
		return write(p.out, c)
	case p.compare && inJSON:
		return envelope.Write(p.out, "plan", comparisons(loaded.Plan))
	case p.compare:
		return writeComparisons(p.out, comparisons(loaded.Plan))
	case inJSON:
		return envelope.Write(p.out, "plan", loaded.Plan.JSON(loaded.Moves))
	default:
		if err := writePlan(p.out, loaded); err != nil {
			return err
		}
		if loaded.locked() {
			hintRenames(p.err, loaded.Moves, "")
		}
		return nil
	}
}

// locked reports whether a lock is beside the spec. Without one all sites are new.
func (p *project) locked() bool { return p.Spec.Files[plan.LockFile] != nil }

// planLegend says what the columns mean.
const planLegend = "RANGE: data ports, PORTS how many. BOUND: what makes them that many. REFUSED: share of " +
	"the data connections that is refused at the peak. ONE PORT: what a range of one port does."

func writePlan(w io.Writer, p *project) error {
	rows := [][]string{{"SITE", "HOST", "SERVER", "CONTROL", "RANGE", "PORTS", "BOUND", "REFUSED", "ONE PORT"}}
	for _, s := range p.Plan.Sites {
		bound := s.Sizing.Binding
		switch {
		case s.Pinned:
			bound += " (pinned)"
		case s.Spare() > 0:
			bound += " (kept)"
		}
		rows = append(rows, []string{
			s.Name, s.Host.Name, s.Server, fmt.Sprint(s.Port), s.DataPorts.String(), sizing.Count(s.DataPorts.Count()),
			bound, sizing.Share(s.Refused), s.Sizing.OnePort.Verdict,
		})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if err := p.writeMoves(w); err != nil {
		return err
	}
	columns, doubts := prose(w), p.Plan.Sensitivities()
	if _, err := fmt.Fprint(w, "\n", explain.Wrap(planLegend, columns, "", "")); err != nil {
		return err
	}
	for i, s := range p.Plan.Sites {
		text := explain.Wrap(s.Name+": "+s.Sizing.Why(), columns, "", "  ")
		for _, note := range notes(s) {
			text += explain.Wrap("note: "+note, columns, "  ", "    ")
		}
		if doubt := explain.Doubt(doubts[i]); doubt != "" {
			text += explain.Wrap(doubt, columns, "  ", "  ")
		}
		if _, err := fmt.Fprint(w, "\n", text); err != nil {
			return err
		}
	}
	return nil
}

// writeMoves shows what differs from the lock beside the spec.
func (p *project) writeMoves(w io.Writer) error {
	if !p.locked() || len(p.Moves) == 0 {
		return nil
	}
	ports := func(r spec.PortRange) string {
		if r.First == 0 {
			return "-"
		}
		return r.String()
	}
	rows := [][]string{{"CHANGE", "SITE", "WAS", "IS", "WHY"}}
	for _, m := range p.Moves {
		name := m.Site
		if m.Was != "" {
			name += " (was " + m.Was + ")"
		}
		rows = append(rows, []string{string(m.Kind()), name, ports(m.From), ports(m.To), m.Why})
	}
	if _, err := fmt.Fprint(w, "\n", explain.Wrap("Since "+plan.LockFile+" was written, which generate updates:", prose(w), "", "")); err != nil {
		return err
	}
	return table(w, rows)
}

// notes are what the range does if its sessions start together. They are no
// mistakes, and what is serious has been a warning.
func notes(s *plan.Site) []string {
	var all []string
	if !s.Pinned && s.Spare() > 0 {
		all = append(all, kept(s))
	}
	for _, r := range s.Remarks {
		if !r.Serious && (r.Name == plan.RemarkTogether || r.Name == sizing.BoundListenRace) {
			all = append(all, r.Summary)
		}
	}
	return all
}

// kept says that the lock keeps more ports than the site needs.
func kept(s *plan.Site) string {
	return fmt.Sprintf("%s kept, %s are enough: delete the site's entry in %s to shrink the range",
		sizing.Plural(s.DataPorts.Count(), "port"), sizing.Count(s.Sizing.Ports), plan.LockFile)
}

// tellStarts says in one line how many sites plan has a note on for sessions
// that start together.
func tellStarts(w io.Writer, sites []*plan.Site) {
	n := 0
	for _, s := range sites {
		if slices.ContainsFunc(s.Remarks, func(r sizing.Remark) bool { return r.Name == plan.RemarkTogether }) {
			n++
		}
	}
	if n > 0 {
		fmt.Fprintf(w, "%s of %s would refuse more than the objective if all sessions started together: see pasvctl plan\n",
			sizing.Count(n), sizing.Plural(len(sites), "site"))
	}
}
