package generators

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
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
		if s.Announce != "" && !s.IPv4Only {
			more = append(more, announceOnIPv6(s))
		}
		if !more.HasErrors() {
			made, why := s.config("vsftpd.conf", "", "vsftpd/owned.tmpl", "")
			files, more = append(files, made...), append(more, why...)
		}
		diags = append(diags, more...)
	}
	return files, diags
}

// announceOnIPv6 reports what vsftpd 3.0.3 does with pasv_address on its IPv6
// listener, which serves IPv4 clients too: the 227 reply says 0,0,0,0
// (measured).
func announceOnIPv6(s serverSite) *hcl.Diagnostic {
	return finding.ServerUnable.Error(s.Site.Ranges.Of("announce"),
		"Site %q has an IPv6 address and announces %s. With listen_ipv6 vsftpd tells its clients to connect to 0.0.0.0 instead. "+
			"Name only IPv4 addresses in addresses, or run ProFTPD there, or remove announce.", s.Site.Name, s.Announce)
}
