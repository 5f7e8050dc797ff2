package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// Format returns src, a *.pasv.hcl file, in the canonical layout. Only spaces
// change, so its meaning does not. A source that does not parse is not touched:
// the diagnostics, under the given name, say why.
func Format(name string, src []byte) ([]byte, hcl.Diagnostics) {
	if len(src) > maxFile {
		return nil, hcl.Diagnostics{finding.FileTooLong.Error(nil, "%s: %s.", name, ErrTooLong)}
	}
	if _, diags := Parse(name, src); diags.HasErrors() {
		return nil, diags
	}
	return hclwrite.Format(src), nil
}
