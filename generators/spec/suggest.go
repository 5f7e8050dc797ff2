package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/agext/levenshtein"
)

// DidYouMean returns ` Did you mean "x"?` for the candidate nearest to name,
// or "" if none is near. A long name may differ in more letters.
func DidYouMean(name string, candidates []string) string {
	if len(name) > 100 {
		return ""
	}
	best, least := "", 2+len(name)/5
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
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

// suggest is DidYouMean for names declared in the spec.
func (l *loader) suggest(name string, candidates []string) string {
	if l.suggestions++; l.suggestions > maxSuggestions {
		return ""
	}
	return DidYouMean(name, candidates)
}

func namesOf[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
