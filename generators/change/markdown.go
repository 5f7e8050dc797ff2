package change

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Markdown writes the change for a pull request, in at most so many bytes, and
// at least enough for the verdict. Sites that do not fit are left out whole, those that
// open nothing first.
func (c *Change) Markdown(limit int) string {
	if whole := c.Page().markdown(""); len(whole) <= limit {
		return whole
	}
	order, all := slices.Clone(c.Sites), func(Passage) bool { return true }
	slices.SortStableFunc(order, func(a, b Site) int { return number(c.opens(b, all)) - number(c.opens(a, all)) })
	short := ""
	for low, high := 0, len(order); low <= high; { // sites that are kept
		n := (low + high) / 2
		page := c.only(order[:n]).Page()
		page.Verdict = c.verdict()
		text := page.markdown(fmt.Sprintf("%s left out here, with their part of the firewalls: `pasvctl plan --against` shows all.", agree(len(order)-n, "more site", "is", "are")))
		if n > 0 && len(text) > limit {
			high = n - 1
			continue
		}
		short, low = text, n+1
	}
	return short
}

// opens reports whether a firewall opens such a passage for the site.
func (c *Change) opens(s Site, such func(Passage) bool) bool {
	return slices.ContainsFunc(c.Firewalls, func(f Firewall) bool {
		return slices.ContainsFunc(f.Opens, func(p Passage) bool { return p.Site == s.Name && such(p) })
	})
}

// only is the change of some of its sites.
func (c *Change) only(sites []Site) *Change {
	kept := &Change{}
	names := map[string]bool{}
	for _, s := range sites {
		names[s.Name] = true
		if s.WasName != "" {
			names[s.WasName] = true
		}
	}
	for _, s := range c.Sites {
		if names[s.Name] {
			kept.Sites = append(kept.Sites, s)
		}
	}
	others := func(p Passage) bool { return !names[p.Site] }
	for _, f := range c.Firewalls {
		f.Opens, f.Shuts = slices.DeleteFunc(slices.Clone(f.Opens), others), slices.DeleteFunc(slices.Clone(f.Shuts), others)
		f.Limits = slices.DeleteFunc(slices.Clone(f.Limits), func(l Limit) bool { return !names[l.Site] })
		kept.Firewalls = append(kept.Firewalls, f)
	}
	return kept
}

// markdown lays the page out, with a note of what is left out.
func (p Page) markdown(note string) string {
	var b strings.Builder
	b.WriteString("**" + marked(p.Verdict) + "**\n")
	if len(p.Rows) > 0 {
		b.WriteString("\n")
		for i, row := range append([][]string{p.Head}, p.Rows...) {
			for _, cell := range row {
				b.WriteString("| " + marked(cell) + " ")
			}
			b.WriteString("|\n")
			if i == 0 {
				b.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
			}
		}
	}
	if note != "" {
		b.WriteString("\n" + marked(note) + "\n")
	}
	for _, s := range p.Sections {
		b.WriteString("\n#### " + marked(s.Title) + "\n\n")
		for _, item := range s.Items {
			b.WriteString("- " + marked(item) + "\n")
		}
	}
	if p.Words != "" {
		b.WriteString("\n" + marked(p.Words) + "\n")
	}
	return b.String()
}

// marked escapes a text for GitHub's Markdown. What is between backticks is code
// there, in which nothing else has a meaning; the rest is prose.
func marked(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = specials.ReplaceAllString(linked.ReplaceAllString(parts[i], "$0\u200B"), `\$0`)
	}
	return strings.Join(parts, "`")
}

var (
	// specials have a meaning in prose (https://github.github.com/gfm).
	specials = regexp.MustCompile(`[\\*_{}\[\]<>#+!|~&$^=]`)
	// linked makes GitHub link what follows, escaped or not: mentions, issues,
	// addresses. A space of no width parts them.
	linked = regexp.MustCompile(`(?i)[@#]|:/|www|GH-`)
)
