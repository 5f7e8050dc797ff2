package finding

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// InOrder sorts diagnostics by their place in the spec and drops those that
// say the same of the same place twice.
func InOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		subject         hcl.Range
	}
	at := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	seen := map[key]bool{}
	var kept hcl.Diagnostics
	for _, d := range diags {
		k := key{d.Severity, d.Summary, d.Detail, at(d)}
		if !seen[k] {
			seen[k] = true
			kept = append(kept, d)
		}
	}
	slices.SortStableFunc(kept, func(a, b *hcl.Diagnostic) int {
		x, y := at(a), at(b)
		return cmp.Or(
			strings.Compare(x.Filename, y.Filename),
			cmp.Compare(x.Start.Byte, y.Start.Byte),
			strings.Compare(a.Summary, b.Summary),
			strings.Compare(a.Detail, b.Detail), // gohcl reports in no fixed order
		)
	})
	return kept
}
