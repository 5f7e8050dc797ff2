package generators

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "vsftpd", Default: true, New: func() Target { return &vsftpd{} }})
}

// vsftpd renders vsftpd.conf for each site that runs vsftpd 3
// (vsftpd.conf(5)).
type vsftpd struct{}

// Files renders DIR/HOST/SITE/vsftpd.conf.
func (*vsftpd) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, s := range serverSites(p, "vsftpd") {
		more := append(s.bindOne("vsftpd"), s.holds("vsftpd", "vsftpd")...)
		diags = append(diags, more...)
		if !more.HasErrors() {
			files = append(files, render(s.folder()+"vsftpd.conf", "vsftpd/vsftpd.conf.tmpl", s))
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return files, diags
}
