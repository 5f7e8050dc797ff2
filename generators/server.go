package generators

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
	"github.com/pasvctl/pasvctl/templates"
)

// serverSite is a site as the templates of the server configs read it.
type serverSite struct {
	Header    string
	Host      *plan.Host
	Site      *plan.Site
	Data      spec.PortRange
	Addresses []string // what the server binds its control port to; none: all
	IPv4Only  bool     // the site has no IPv6 address
	Announce  string   // "" is the control connection's own address
	TLS       spec.TLS
	Idle      int  // seconds until an idle session is closed
	Stall     int  // seconds that a transfer may make no progress
	Several   bool // the host runs this server more than once
	// Of a base config:
	Virtual   bool // a <VirtualHost> of ProFTPD answers for the site
	Others    bool // ProFTPD has other servers in the site's process
	NoCiphers bool // vsftpd's has no ssl_ciphers
}

// stall is how long a transfer may make no progress, unless the spec says it.
const stall = 300 * time.Second

// idleTimeout is after how long without a command the server ends a session.
func idleTimeout(s *plan.Site) time.Duration {
	if s.Profile.IdleFrees {
		return s.AbandonedHoldOn(s.Profile)
	}
	return cmp.Or(s.IdleTimeout, 300*time.Second)
}

// Abandoned is how many seconds a PASV that no connection follows holds its port.
func (s serverSite) Abandoned() int {
	return int(s.Site.AbandonedHoldOn(s.Site.Profile) / time.Second)
}

// Accept is how many seconds a data connection that was asked for has to come.
func (s serverSite) Accept() int { return min(60, s.Idle) }

// SetsActive reports whether the config says if active mode is on: a base config's
// own lines stay unless the spec says it.
func (s serverSite) SetsActive() bool {
	_, written := s.Site.Ranges["active_mode"]
	return written || s.Site.Base == nil
}

// activeToAll reports a server whose one setting for both would have it open active
// data connections to any address that a client names, too.
func (s serverSite) activeToAll(title, setting string) hcl.Diagnostics {
	if !s.Site.ActiveMode || !s.Site.ForeignData {
		return nil
	}
	return hcl.Diagnostics{finding.ServerUnable.Error(s.Site.Ranges.Of("active_mode"),
		"Site %q: with foreign_data %s has %s, which would also have it connect to any address that a client names. Remove active_mode or foreign_data, or run vsftpd there.", s.Site.Name, title, setting)}
}

// Reason is the size of the range and the bound that makes it so.
func (s serverSite) Reason() string { return rangeReason(s.Site) }

// Objective says for what the range was computed; "" for the default objective.
// Package inventory reads it.
func (s serverSite) Objective() string {
	o := s.Site.Objective
	refused := cmp.Or(o.Refused, sizing.DefaultRefused)
	if refused == sizing.DefaultRefused && o.Squatted == spec.DefaultObjective(s.Site.Profile).Squatted {
		return ""
	}
	return fmt.Sprintf("computed for refused = %s and squatted = %d", strconv.FormatFloat(refused, 'f', -1, 64), o.Squatted)
}

// serverSites returns the sites that run the server with this profile name,
// host by host. The idle time is the one that the range was computed with: a
// PASV that no connection follows holds its port that long.
func serverSites(p *plan.Plan, server string) []serverSite {
	var all []serverSite
	for _, host := range p.Hosts {
		first := len(all)
		for _, site := range host.Sites {
			if site.Server != server {
				continue
			}
			s := newServerSite(p, site)
			s.Host = host
			all = append(all, s)
		}
		for i := first; i < len(all); i++ {
			all[i].Several = len(all)-first > 1
		}
	}
	return all
}

func newServerSite(p *plan.Plan, site *plan.Site) serverSite {
	s := serverSite{
		Header:   header(p, "#"),
		Site:     site,
		Data:     site.DataPorts,
		IPv4Only: !slices.ContainsFunc(site.Addresses, netip.Addr.Is6),
		TLS:      site.TLS,
		Idle:     int(idleTimeout(site) / time.Second),
		Announce: site.Announced(),
		Stall:    int(cmp.Or(site.DataTimeout, stall) / time.Second),
	}
	for _, address := range site.Addresses {
		s.Addresses = append(s.Addresses, address.String())
	}
	return s
}

// folder is where a site's server config goes.
func (s serverSite) folder() string { return s.Site.Host.Name + "/" + s.Site.Name + "/" }

// bindOne decides the listener of a server that binds its control port to one
// address or to all: a site with several addresses gets all. That takes the
// port from every other site of the host, and opens it on addresses that the
// site does not name.
func (s *serverSite) bindOne(title string) hcl.Diagnostics {
	host := s.Host
	if len(s.Addresses) == 1 {
		return nil
	}
	s.Addresses = nil
	var diags hcl.Diagnostics
	for _, other := range host.Sites {
		if other != s.Site && other.Port == s.Site.Port {
			diags = append(diags, finding.ControlPortTaken.Error(s.Site.Ranges.Of("addresses"),
				"%s listens on one address or on all, so site %q, which has %d, takes port %d on all of host %q. "+
					"Site %q wants it too. Give site %q one address or another port, or run ProFTPD there, which listens on any number.",
				title, s.Site.Name, len(s.Site.Addresses), s.Site.Port, host.Name, other.Name, s.Site.Name))
		}
	}
	if len(diags) == 0 && len(s.Site.Addresses) < len(host.Addresses) {
		diags = append(diags, finding.ListensWider.Warning(s.Site.Ranges.Of("addresses"),
			"%s listens on one address or on all, so port %d of site %q answers on all %d addresses of host %q and not only on the %d named. "+
				"Name one address or all of them, or run ProFTPD there, which listens on any number.",
			title, s.Site.Port, s.Site.Name, len(host.Addresses), host.Name, len(s.Site.Addresses)))
	}
	return diags
}

// holds checks that the server's config has a way to write the values that the
// spec leaves free: the paths of the certificate and its key.
func (s serverSite) holds(format, title string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if s.TLS.Mode == spec.TLSOff {
		return nil
	}
	if s.Site.TLS.CBC {
		diags = append(diags, finding.NoEffect.Warning(s.Site.Ranges.Of("tls.cbc"),
			"Site %q: cbc is for the bundled daemon; %s admits CBC suites whatever the spec says. Remove it.", s.Site.Name, title))
	}
	for _, path := range [][2]string{{"tls.certificate", s.TLS.Certificate}, {"tls.key", s.TLS.Key}} {
		if err := templates.Holds(format, path[1]); err != nil {
			diags = append(diags, finding.ServerUnable.Error(s.Site.Ranges.Of(path[0]), "Site %q: %s. Choose another path.", s.Site.Name, err))
		}
	}
	return diags
}

// takesTruncated reports that a server has no way to refuse an upload under TLS
// that ends without close_notify: ProFTPD 1.3.8 and Pure-FTPd 1.0.50 answer 226,
// pyftpdlib 1.5.7 nothing (measured).
func (s serverSite) takesTruncated(title string) hcl.Diagnostics {
	if s.Site.TruncatedUploads != spec.RefuseTruncated {
		return nil
	}
	return hcl.Diagnostics{finding.ServerUnable.Error(s.Site.Ranges.Of("truncated_uploads"),
		"Site %q: truncated_uploads is \"refuse\", but %s has no setting for an upload under TLS that ends without close_notify. "+
			"Set truncated_uploads = \"accept\", or run vsftpd or the bundled daemon there.", s.Site.Name, title)}
}

// reuseUnchecked reports that a server does not demand that a data connection
// resumes its control connection's TLS session.
func (s serverSite) reuseUnchecked() hcl.Diagnostics {
	if _, written := s.Site.Ranges["tls.session_reuse"]; !written || s.TLS.Mode == spec.TLSOff || !s.TLS.ReuseRequired {
		return nil
	}
	return hcl.Diagnostics{finding.ReuseUnchecked.Warning(s.Site.Ranges.Of("tls.session_reuse"),
		"Site %q: the server accepts a data connection in any TLS session. Set session_reuse = \"preferred\", or run vsftpd or ProFTPD there.", s.Site.Name)}
}
