package generators

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// choices ends the detail of a diagnostic about an unknown name: the nearest
// known one, if one is near, and all of them.
func choices[V any](given string, known map[string]V) string {
	names := slices.Sorted(maps.Keys(known))
	return strings.TrimPrefix(fmt.Sprintf("%s There are %s.", spec.DidYouMean(given, names), strings.Join(names, ", ")), " ")
}
