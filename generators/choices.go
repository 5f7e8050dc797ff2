package generators

import (
	"fmt"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
)

// choices ends the detail of a diagnostic about an unknown name: the nearest
// known one, if one is near, and all of them.
func choices[V any](given string, known map[string]V) string {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	sort.Strings(names)
	list := fmt.Sprintf("There are %s.", strings.Join(names, ", "))
	near, least := "", 3
	for _, name := range names {
		if d := levenshtein.Distance(given, name, nil); d < least {
			near, least = name, d
		}
	}
	if near != "" {
		return fmt.Sprintf("Did you mean %q? %s", near, list)
	}
	return list
}
