package audit

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// maxIgnored bounds the lines of an ignore list.
const maxIgnored = 10_000

// Ignored is a line of an ignore list.
type Ignored struct {
	At     inventory.At // the line itself
	ID     string       // the finding's
	File   string       // that it is in; "" is any
	Line   int          // of the file; 0 is any
	Reason string
}

// ParseIgnored reads an ignore list: a line for each finding that somebody has
// judged, with its id, where it is, and after # the reason, without which a line
// is an error:
//
//	no-cap vsftpd.conf # the inetd in front admits 20
//
// Empty lines, and those that start with #, are left out.
func ParseIgnored(name string, text []byte) (all []Ignored, err error) {
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if len(all) == maxIgnored {
			return nil, fmt.Errorf("%s has more than %d lines", name, maxIgnored)
		}
		each := Ignored{At: inventory.At{File: name, Line: i + 1}}
		if err := each.parse(line); err != nil {
			return nil, fmt.Errorf("%s: %w", each.At, err)
		}
		all = append(all, each)
	}
	return all, nil
}

func (g *Ignored) parse(line string) error {
	what, reason, _ := strings.Cut(line, "#")
	words := strings.Fields(what)
	g.Reason = strings.TrimSpace(reason)
	switch {
	case len(words) == 0 || len(words) > 2:
		return fmt.Errorf("%q is not an id and a file; write: no-cap vsftpd.conf # the reason", shortened(what))
	case g.Reason == "":
		return fmt.Errorf("%s is ignored without a reason; write it after a #", shortened(words[0]))
	}
	g.ID = words[0]
	if _, known := finding.Lookup(g.ID); !known {
		near := spec.DidYouMean(shortened(g.ID), finding.IDs())
		if near != "" {
			near = "." + near
		}
		return fmt.Errorf("there is no finding %q%s", shortened(g.ID), near)
	}
	if len(words) == 2 {
		g.File = words[1]
		if i := strings.LastIndexByte(g.File, ':'); i > 0 {
			if n, err := strconv.Atoi(g.File[i+1:]); err == nil && n > 0 {
				g.File, g.Line = g.File[:i], n
			}
		}
	}
	return nil
}

func shortened(text string) string {
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:60], "") + "…"
	}
	return text
}

func (g Ignored) matches(f finding.Finding) bool {
	return g.ID == f.Rule.ID && (g.File == "" || path.Clean(g.File) == path.Clean(f.At.Filename)) && (g.Line == 0 || g.Line == f.At.Start.Line)
}

// Ignore takes the findings out that the list names, and adds a note for each
// line that names none.
func Ignore(found []finding.Finding, list []Ignored) (left []finding.Finding, ignored int) {
	used := make([]bool, len(list))
	left = slices.DeleteFunc(slices.Clone(found), func(f finding.Finding) bool {
		hit := false
		for i, g := range list {
			if g.matches(f) {
				used[i], hit = true, true
			}
		}
		return hit
	})
	ignored = len(found) - len(left)
	a := audit{found: left}
	for i, g := range list {
		if !used[i] {
			a.add(finding.IgnoreUnused, finding.Note, g.At, nil, "", "no finding is %s", strings.TrimSpace(g.ID+" "+g.File))
		}
	}
	return a.found, ignored
}
