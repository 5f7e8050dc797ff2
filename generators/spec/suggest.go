package spec

import (
	"fmt"
	"sort"

	"github.com/agext/levenshtein"
)

// didYouMean returns ` Did you mean "x"?` for the candidate nearest to name,
// or "" where none is near. A long name may differ in more letters.
func didYouMean(name string, candidates []string) string {
	if len(name) > 100 {
		return ""
	}
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	best, least := "", 2+len(name)/5
	for _, candidate := range sorted {
		if candidate == name || len(candidate)-len(name) >= least || len(name)-len(candidate) >= least {
			continue
		}
		if d := levenshtein.Distance(name, candidate, nil); d < least && d < len(name) {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// maxSuggestions bounds the comparisons that a spec of thousands of wrong
// names among thousands of candidates would cost.
const maxSuggestions = 100

// suggest is didYouMean for names declared in the spec.
func (l *loader) suggest(name string, candidates []string) string {
	if l.suggestions++; l.suggestions > maxSuggestions {
		return ""
	}
	return didYouMean(name, candidates)
}

// namesOf returns the sorted keys of a map.
func namesOf[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
