package generators

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "sftpgo", Default: true, New: func() Target { return &sftpgo{} }})
}

// sftpgo renders the environment of an SFTPGo process for each site that it
// runs: its configuration's keys as variables (docs.sftpgo.com, environment
// variables). A process has one passive range, whatever it listens on.
type sftpgo struct{}

// Files renders DIR/HOST/SITE/sftpgo.env.
func (*sftpgo) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, s := range serverSites(p, "sftpgo") {
		more := s.sftpgoUnable()
		if !more.HasErrors() {
			files = append(files, render(s.folder()+"sftpgo.env", "sftpgo/sftpgo.env.tmpl", s))
		}
		diags = append(diags, more...)
	}
	return files, diags
}

// sftpgoUnable reports what SFTPGo cannot do.
func (s serverSite) sftpgoUnable() hcl.Diagnostics {
	diags := append(s.holds("word", "SFTPGo"), s.takesTruncated("SFTPGo")...)
	diags = append(diags, s.reuseUnchecked()...)
	diags = append(diags, s.wholeMinutes("SFTPGo")...)
	if s.Site.DataTimeout > 0 {
		diags = append(diags, finding.ServerUnable.Error(s.Site.Ranges.Of("data_timeout"),
			"Site %q: SFTPGo has no timeout for transfers alone. Remove data_timeout, or run vsftpd or the bundled daemon there.", s.Site.Name))
	}
	return diags
}

// wholeMinutes reports an idle timeout that a server that counts minutes cannot
// have.
func (s serverSite) wholeMinutes(title string) hcl.Diagnostics {
	if s.Idle%60 == 0 {
		return nil
	}
	return hcl.Diagnostics{finding.ServerUnable.Error(s.Site.Ranges.Of("idle_timeout"),
		"Site %q: %s counts whole minutes, and idle_timeout is %ds. Write %q.", s.Site.Name, title, s.Idle, fmt.Sprint((s.Idle+59)/60, "m"))}
}
