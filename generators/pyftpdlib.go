package generators

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "pyftpdlib", Default: true, New: func() Target { return &pyftpdlib{} }})
}

// pyftpdlib renders a Python program for each site that runs pyftpdlib 1.5
// (pyftpdlib.readthedocs.io, API reference).
type pyftpdlib struct{}

// Files renders DIR/HOST/SITE/ftpserver.py.
func (*pyftpdlib) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, s := range serverSites(p, "pyftpdlib") {
		diags = append(diags, s.holds("json", "pyftpdlib")...)
		diags = append(diags, s.takesTruncated("pyftpdlib")...)
		diags = append(diags, s.activeToAll("pyftpdlib", "permit_foreign_addresses = True")...)
		diags = append(diags, s.reuseUnchecked()...)
		files = append(files, render(s.folder()+"ftpserver.py", "pyftpdlib/ftpserver.py.tmpl", s))
	}
	return files, diags
}
