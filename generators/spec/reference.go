package spec

import (
	_ "embed"
	"strings"
)

// reference is the reference of the language in Markdown. A test of
// cmd/pasvctl makes it, from the tables of this package and from what servers,
// targets and commands heed, and compares it.
//
//go:embed REFERENCE.md
var reference string

// Topic returns the part of the reference about a block or an argument, like
// site.announce, or about another of its headings; "" is its beginning, with a
// list of all.
func Topic(name string) (text string, known bool) {
	if name == "" {
		text, _, _ = strings.Cut(reference, "\n## ")
		return text + "\n", true
	}
	for _, level := range []string{"\n## ", "\n### "} {
		_, rest, found := strings.Cut(reference, level+name+"\n")
		if !found {
			continue
		}
		end := len(rest)
		for _, next := range []string{"\n## ", level} {
			if at := strings.Index(rest, next); at >= 0 {
				end = min(end, at)
			}
		}
		return level[1:] + name + "\n" + rest[:end], true
	}
	return "", false
}

// Topics are the names that Topic knows.
func Topics() (names []string) {
	for line := range strings.Lines(reference) {
		if level, name, _ := strings.Cut(strings.TrimSpace(line), " "); level == "##" || level == "###" {
			names = append(names, name)
		}
	}
	return names
}
