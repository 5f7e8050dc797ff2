package generators

import (
	"sort"

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
	sort.SliceStable(kept, func(i, j int) bool {
		a, b := at(kept[i]), at(kept[j])
		if a.Filename != b.Filename {
			return a.Filename < b.Filename
		}
		return a.Start.Byte < b.Start.Byte
	})
	return kept
}
