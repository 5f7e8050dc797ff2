package generators

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/serverconf"
)

func init() {
	register(Kind{Name: "proftpd", Default: true, New: func() Target { return &proftpd{} }})
}

// proftpd renders proftpd.conf for each site that runs ProFTPD 1.3
// (the directives' reference at proftpd.org).
type proftpd struct{}

// Unit is the name of the site's own unit.
func (s serverSite) Unit() string { return "proftpd-" + s.Site.Name + ".service" }

// ConfigPath is the path from which that unit reads the site's config.
func (s serverSite) ConfigPath() string { return "/etc/proftpd/" + s.Site.Name + ".conf" }

// Files renders DIR/HOST/SITE/proftpd.conf. If a host has several such sites,
// each is a process of its own, so that each has its own caps and a restart ends
// only its sessions: with a unit, DIR/HOST/SITE/proftpd-SITE.service.
func (*proftpd) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	included := map[string]File{} // by base configs, by host and name
	for _, s := range serverSites(p, "proftpd") {
		more := append(s.holds("proftpd", "ProFTPD"), s.takesTruncated("ProFTPD")...)
		more = append(more, s.activeToAll("ProFTPD", "AllowForeignAddress on")...)
		if s.Data.Count() < 2 {
			more = append(more, finding.RangeTooSmall.Error(s.Site.Ranges.Of("data_ports"),
				"Site %q has one data port, %s, and ProFTPD does not start with a range of one. Give it two.", s.Site.Name, s.Data))
		}
		if !more.HasErrors() {
			made, why := s.config("proftpd.conf", "proftpd/process.tmpl", "proftpd/server.tmpl", "proftpd/limits.tmpl")
			files, more = append(files, made...), append(more, why...)
			if s.Several && len(made) > 0 {
				files = append(files, render(s.folder()+s.Unit(), "proftpd/site.service.tmpl", s))
				more = append(more, s.apart(made, included)...)
			}
		}
		diags = append(diags, more...)
	}
	return files, diags
}

// apart reports what keeps the processes of a host's sites from running at once:
// servers of one base config that two of them would start, and a file that both
// include and each has with other directives. included has those so far.
func (s serverSite) apart(made []File, included map[string]File) hcl.Diagnostics {
	if s.Site.Base == nil {
		return nil
	}
	config, err := serverconf.Read("proftpd", s.Site.Base)
	if err != nil {
		return hcl.Diagnostics{unreadable(s.Site.Site, err)}
	}
	if _, others := config.Servers(s.Site.Site); others {
		for _, other := range s.Host.Sites {
			if other != s.Site && other.Server == "proftpd" && other.Base != nil && other.Base.Path == s.Site.Base.Path {
				return hcl.Diagnostics{finding.BaseConfigUnfit.Error(s.Site.Ranges.Of("base_config"),
					"Site %q: each site's ProFTPD is a process of its own, and this base config has servers besides the site's, which the process of site %q would start, too. "+
						"Give each site a base config with its own server only.", s.Site.Name, other.Name)}
			}
		}
	}
	for _, f := range made[1:] {
		name := strings.TrimPrefix(f.Path, s.folder())
		key := s.Host.Name + "/" + name
		if first, twice := included[key]; twice && !bytes.Equal(first.Content, f.Content) {
			return hcl.Diagnostics{finding.BaseConfigUnfit.Error(s.Site.Ranges.Of("base_config"),
				"Site %q: its config includes /etc/proftpd/%s, which the config of another site of host %q needs with other lines (%s). "+
					"Give the included files of one of them other names.", s.Site.Name, name, s.Host.Name, first.Path)}
		}
		included[key] = f
	}
	return nil
}
