package generators

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// config renders a site's config of one file: the template of that name, or
// with a base config that one, with the templates of what is owned in it.
// process and limits may be "".
func (s serverSite) config(name, process, server, limits string) ([]File, hcl.Diagnostics) {
	at := s.folder() + name
	if s.Site.Base == nil {
		return []File{render(at, s.Site.Server+"/"+name+".tmpl", s)}, nil
	}
	config, err := serverconf.Read(s.Site.Server, s.Site.Base)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(s.Site.Site, err)}
	}
	s.Virtual, s.Others = config.Servers(s.Site.Site)
	s.NoCiphers = !config.Has("ssl_ciphers")
	ours := serverconf.Ours{Header: s.Header, Server: string(render("", server, s).Content)}
	if process != "" {
		ours.Process = string(render("", process, s).Content)
	}
	if limits != "" {
		ours.Limits = strings.TrimLeft(string(render("", limits, s).Content)+"\n", "\n")
	}
	return s.keep(config, at, ours)
}

// keep writes a base config of one file, and those that it includes, with ours in it.
func (s serverSite) keep(config *serverconf.Config, at string, ours serverconf.Ours) ([]File, hcl.Diagnostics) {
	kept, err := config.Keep(s.Site.Site, ours)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(s.Site.Site, err)}
	}
	diags := s.differences(kept.Differences)
	attr := s.Site.Ranges.Of("base_config")
	for _, d := range config.Unread {
		diags = append(diags, finding.BaseConfigIncludes.Warning(attr,
			"Site %q: %s (%s) names files that are not beside the base config, so pasvctl does not read them. A directive in them may win over the spec. "+
				"Copy them there; or remove from them what the generated config has between \"# pasvctl begin\" and \"# pasvctl end\".", s.Site.Name, d.At(), d.Name))
	}
	for _, d := range kept.Overlaps {
		diags = append(diags, finding.PortsOverlap.Warning(attr,
			"Site %q: the data ports %s overlap %s (%s) of another server of the base config, which then takes ports of the site. Give that server another range, or the site with data_ports.", s.Site.Name, s.Data, d.At(), d.Name))
	}
	for _, d := range kept.Shared {
		diags = append(diags, finding.BaseConfigShared.Warning(attr,
			"Site %q: %s (%s) is a comment in the generated config, and other servers of the base config read it, too. "+
				"Write it into their sections if they need it.", s.Site.Name, d.At(), d.Name))
	}
	var files []File
	for i, f := range kept.Files {
		if i > 0 {
			at = s.folder() + f.Name
		}
		files = append(files, File{Path: at, Content: f.Text, Private: true})
	}
	return files, diags
}

// differences are warnings of what the base says otherwise.
func (s serverSite) differences(all []serverconf.Difference) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, d := range all {
		if d.Write == "addresses = null" && len(s.Site.Addresses) == len(s.Site.Host.Addresses) {
			continue // all of the host, both
		}
		remedy := "A spec cannot say that; remove it from the base config."
		if d.Write != "" {
			block, _, nested := strings.Cut(d.Attr, ".")
			where := "the site"
			if nested {
				where = "its " + block + " block"
			}
			remedy = fmt.Sprintf("To keep what the base config says, write %s in %s; otherwise remove it there.", d.Write, where)
		}
		diags = append(diags, finding.BaseConfigDiffers.Warning(s.Site.Ranges.Of(cmp.Or(d.Attr, "base_config")),
			"Site %q: %s (%s) differs from the spec, which sets it. %s", s.Site.Name, d.At(), d.Name, remedy))
	}
	return diags
}

func unreadable(site *spec.Site, err error) *hcl.Diagnostic {
	return finding.BaseConfigUnreadable.Error(site.Ranges.Of("base_config"), "Site %q: %s. Correct it there.", site.Name, err)
}

// bases adds to the base configs the files that they include, and reports sites
// whose base config is none of their server's.
func bases(fsys fs.FS, s *spec.Spec) hcl.Diagnostics {
	var diags hcl.Diagnostics
	say := func(site *spec.Site, format string, args ...any) {
		diags = append(diags, finding.BaseConfigUnfit.Error(site.Ranges.Of("base_config"), "Site %q: "+format, append([]any{site.Name}, args...)...))
	}
	for _, site := range s.Sites {
		if site.Base == nil {
			continue
		}
		known, folder := serverconf.Reads(site.Server)
		switch {
		case !known || site.Profile != nil:
			say(site, "pasvctl writes no config of that kind for server %q. Remove base_config, or run vsftpd, ProFTPD or Pure-FTPd there.", site.Server)
		case !folder && site.Base.Folder:
			say(site, "base_config names a folder, and the config of %s is a file. Name the file.", site.Server)
		case !folder:
			if err := serverconf.Include(fsys, site.Server, site.Base); err != nil {
				diags = append(diags, unreadable(site, err))
			}
			for _, f := range site.Base.Files {
				s.Keep(path.Join(path.Dir(site.Base.Path), f.Name))
			}
		}
	}
	return diags
}
