package generators

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "proftpd", Default: true, New: func() Target { return &proftpd{} }})
}

// proftpd renders proftpd.conf for each site that runs ProFTPD 1.3
// (the directives' reference at proftpd.org).
type proftpd struct{}

// Files renders DIR/HOST/SITE/proftpd.conf.
func (*proftpd) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, s := range serverSites(p, "proftpd") {
		more := append(s.holds("proftpd", "ProFTPD"), s.takesTruncated("ProFTPD")...)
		if s.Data.Count() < 2 {
			more = append(more, finding.RangeTooSmall.Error(s.Site.Ranges.Of("data_ports"),
				"Site %q has one data port, %s, and ProFTPD does not start with a range of one. Give it two.", s.Site.Name, s.Data))
		}
		if !more.HasErrors() {
			made, why := s.config("proftpd.conf", "proftpd/process.tmpl", "proftpd/server.tmpl")
			files, more = append(files, made...), append(more, why...)
		}
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return files, diags
}
