package generators

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
	"github.com/pasvctl/pasvctl/templates"
)

func init() {
	register(Kind{Name: "pureftpd", Default: true, New: func() Target { return &pureftpd{} }})
}

// pureftpd renders the settings of each site that runs Pure-FTPd, in the
// layout of Debian's pure-ftpd-wrapper(8): a file a setting.
type pureftpd struct{}

// pureCertificate is where Pure-FTPd reads its certificate and key, one after
// the other in one file; the wrapper has no setting for it.
const pureCertificate = "/etc/ssl/private/pure-ftpd.pem"

// pureFolder is where the settings go in the site's folder.
const pureFolder = "pure-ftpd/conf/"

// pureSetting is one file of /etc/pure-ftpd/conf.
type pureSetting struct{ Header, Name, Value, Why string }

// Files renders DIR/HOST/SITE/pure-ftpd/conf/…
func (*pureftpd) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, s := range serverSites(p, "pureftpd") {
		more := append(append(s.bindOne("Pure-FTPd"), s.pureLimits()...), s.takesTruncated("Pure-FTPd")...)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		if s.Site.Base != nil && !s.Site.Base.Folder {
			made, more := s.pureFile()
			files, diags = append(files, made...), append(diags, more...)
			continue
		}
		settings, theirs, more := s.pureKept()
		diags = append(diags, more...)
		for _, setting := range settings {
			setting.Header = s.Header
			if s.Site.Base != nil {
				setting.Header += "\n" + serverconf.Warning
			}
			f := render(s.folder()+pureFolder+setting.Name, "pureftpd/setting.tmpl", setting)
			f.Private = s.Site.Base != nil
			files = append(files, f)
		}
		files = append(files, theirs...)
	}
	return files, diags
}

// pureLimits reports what Pure-FTPd cannot do.
func (s serverSite) pureLimits() hcl.Diagnostics {
	var diags hcl.Diagnostics
	type made func(at *hcl.Range, format string, args ...any) *hcl.Diagnostic
	say := func(made made, attr, format string, args ...any) {
		diags = append(diags, made(s.Site.Ranges.Of(attr), "Site %q: %s", s.Site.Name, fmt.Sprintf(format, args...)))
	}
	if s.Several {
		say(finding.ServerUnable.Error, "server",
			"Host %q has several sites on Pure-FTPd, and its wrapper reads one folder, /etc/pure-ftpd/conf. Run another server for all but one of them.", s.Host.Name)
	}
	if clients := s.Data.Count() / 2; clients < s.Site.Sessions {
		say(finding.RangeTooSmall.Error, "data_ports",
			"Pure-FTPd admits one client for every two ports of its range, so %s lets in %s of %s. Give it %s.",
			s.Data, sizing.Count(clients), sizing.Plural(s.Site.Sessions, "session"), sizing.Plural(2*s.Site.Sessions, "port"))
	}
	diags = append(diags, s.wholeMinutes("Pure-FTPd")...)
	if s.Site.DataTimeout > 0 && s.Stall != s.Idle {
		say(finding.ServerUnable.Error, "data_timeout", "the server has one timeout for sessions and transfers, MaxIdleTime, of %ds. Remove data_timeout, and set idle_timeout for both.", s.Idle)
	}
	if s.TLS.Mode == spec.TLSOff {
		return diags
	}
	if s.TLS.Certificate != pureCertificate || s.TLS.Key != pureCertificate {
		say(finding.CertificateElsewhere.Warning, "tls.certificate",
			"the server reads certificate and key from one file, %s. Put %s and %s there, one after the other, and name that file in both attributes.",
			pureCertificate, s.TLS.Certificate, s.TLS.Key)
	}
	return append(diags, s.reuseUnchecked()...)
}

// pureSettings are the files of a site, in no order that matters.
func (s serverSite) pureSettings() []pureSetting {
	bind := fmt.Sprintf(",%d", s.Site.Port)
	if len(s.Addresses) == 1 {
		bind = s.Addresses[0] + bind
	}
	settings := []pureSetting{
		{Name: "Bind", Value: bind, Why: "address and control port; no address is all of them"},
		{Name: "PassivePortRange", Value: fmt.Sprintf("%d %d", s.Data.First, s.Data.Last), Why: strings.TrimSuffix(s.Reason()+"; the firewall rules open exactly these; "+s.Objective(), "; ")},
		{Name: "MaxClientsNumber", Value: fmt.Sprint(s.Site.Sessions), Why: "sessions at once, which the data ports are computed for; the server admits at most one for two of its ports"},
		{Name: "MaxClientsPerIP", Value: fmt.Sprint(s.Site.SessionsPerAddress), Why: "sessions at once from one address; the server counts each IPv6 address separately"},
		{Name: "MaxIdleTime", Value: fmt.Sprint(s.Idle / 60), Why: "minutes; a PASV that no connection follows holds its port this long, which the range is computed with"},
		{Name: "NoAnonymous", Value: "yes", Why: "users of the system only"},
		{Name: "PAMAuthentication", Value: "yes", Why: "by /etc/pam.d/pure-ftpd, if auth/ has a link to this file"},
		{Name: "UnixAuthentication", Value: "no", Why: "PAM does it"},
		{Name: "MinUID", Value: "1000", Why: "no system accounts"},
		{Name: "ChrootEveryone", Value: "yes", Why: "users see their home and nothing above it"},
		{Name: "DontResolve", Value: "yes", Why: "no DNS query a session"},
		{Name: "Umask", Value: "133 022", Why: "files, then folders"},
		{Name: "AltLog", Value: "clf:/var/log/pure-ftpd/transfer.log", Why: "a line a transfer"},
		{Name: "TLS", Value: fmt.Sprint(s.pureTLS()), Why: "0 is off, 1 is for those who ask, 3 is required for control and data connections"},
	}
	if s.Announce != "" {
		settings = append(settings, pureSetting{Name: "ForcePassiveIP", Value: s.Announce, Why: "the address in the 227 reply"})
	}
	if s.IPv4Only {
		settings = append(settings, pureSetting{Name: "IPV4Only", Value: "yes", Why: "the site has no IPv6 address"})
	}
	if s.TLS.Mode != spec.TLSOff {
		settings = append(settings, pureSetting{Name: "TLSCipherSuite", Value: "HIGH", Why: "as OpenSSL's ciphers(1)"})
	}
	return settings
}

// pureKept are the settings to write, and those of a base config that stay as
// they are. auth/ is the owner's.
func (s serverSite) pureKept() (settings []pureSetting, theirs []File, diags hcl.Diagnostics) {
	settings = s.pureSettings()
	base := s.Site.Base
	if base == nil {
		return settings, nil, nil
	}
	settings = slices.DeleteFunc(settings, func(p pureSetting) bool {
		_, owned := serverconf.Owned("pureftpd", p.Name)
		return !owned
	})
	var ours []spec.BaseFile
	for _, p := range settings {
		ours = append(ours, spec.BaseFile{Name: p.Name, Text: []byte(p.Value)})
	}
	config, err := serverconf.Read("pureftpd", base)
	if err != nil {
		return nil, nil, hcl.Diagnostics{unreadable(s.Site.Site, err)}
	}
	kept, err := config.KeepFolder(base, ours)
	if err != nil {
		return nil, nil, hcl.Diagnostics{unreadable(s.Site.Site, err)}
	}
	for _, name := range kept.Unset {
		settings = append(settings, pureSetting{Name: name, Why: "the spec sets it, to what the server has without it"})
	}
	for _, f := range kept.Theirs {
		theirs = append(theirs, File{Path: s.folder() + pureFolder + f.Name, Content: f.Text, Private: true})
	}
	return settings, theirs, s.differences(kept.Differences)
}

// pureFile is pure-ftpd.conf, for those who start the server with it instead of the
// wrapper: the base config with what is owned.
func (s serverSite) pureFile() ([]File, hcl.Diagnostics) {
	config, err := serverconf.Read("pureftpd", s.Site.Base)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(s.Site.Site, err)}
	}
	ours := serverconf.Ours{Header: s.Header}
	for _, p := range s.pureSettings() {
		if _, owned := serverconf.Owned("pureftpd", p.Name); owned {
			ours.Server += fmt.Sprintf("# %s: %s.\n%-28s %s\n", p.Name, templates.Comment(p.Why), p.Name, p.Value)
		}
	}
	return s.keep(config, s.folder()+"pure-ftpd/pure-ftpd.conf", ours)
}

func (s serverSite) pureTLS() int {
	switch {
	case s.TLS.Mode == spec.TLSOff:
		return 0
	case s.TLS.Required:
		return 3
	}
	return 1
}
