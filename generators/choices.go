package generators

import (
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// choices ends the detail of a diagnostic about an unknown name: the nearest
// known one, if one is near, and all of them.
func choices(given string, names []string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s There are %s.", spec.DidYouMean(given, names), strings.Join(names, ", ")), " ")
}
