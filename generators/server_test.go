package generators

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// What a server's config cannot say is a diagnostic at the attribute.
func TestServerDiagnostics(t *testing.T) {
	tls := func(path string) func(*plan.Site) {
		return func(s *plan.Site) {
			s.TLS = spec.TLS{Mode: spec.TLSExplicit, Certificate: path, Key: "/etc/key.pem"}
		}
	}
	twelve := spec.PortRange{First: 61000, Last: 61011}
	cases := []struct {
		name, server string
		data         spec.PortRange
		change       func(*plan.Site)
		want         []string
	}{
		{"plain", "vsftpd", twelve, nil, nil},
		{"plain", "proftpd", twelve, nil, nil},
		{"plain", "pureftpd", twelve, nil, nil},
		{"one port", "proftpd", spec.PortRange{First: 61000, Last: 61000}, nil, []string{"error: range-too-small at data_ports"}},
		{"ten ports for six sessions", "pureftpd", spec.PortRange{First: 61000, Last: 61009}, nil, []string{"error: range-too-small at data_ports"}},
		{"announced beside IPv6", "vsftpd", twelve, func(s *plan.Site) { s.Announce = netip.MustParseAddr("198.51.100.7") }, []string{"error: server-unable at announce"}},
		{"two of three addresses", "vsftpd", twelve, func(s *plan.Site) { s.Addresses = s.Addresses[:2] }, []string{"warning: listens-wider at addresses"}},
		{"two of three addresses", "pureftpd", twelve, func(s *plan.Site) { s.Addresses = s.Addresses[:2] }, []string{"warning: listens-wider at addresses"}},
		{"two of three addresses", "proftpd", twelve, func(s *plan.Site) { s.Addresses = s.Addresses[:2] }, nil},
		{"a path that ends in a blank", "vsftpd", twelve, tls("/etc/cert.pem "), []string{"error: server-unable at tls.certificate"}},
		{"a path with a variable", "proftpd", twelve, tls("/etc/%{env:HOME}.pem"), []string{"error: server-unable at tls.certificate"}},
		{"a certificate elsewhere", "pureftpd", twelve, tls("/etc/cert.pem"), []string{"warning: certificate-elsewhere at tls.certificate"}},
		{"truncated uploads", "proftpd", twelve, func(s *plan.Site) { s.TruncatedUploads = spec.RefuseTruncated }, []string{"error: server-unable at truncated_uploads"}},
		{"truncated uploads", "pureftpd", twelve, func(s *plan.Site) { s.TruncatedUploads = spec.RefuseTruncated }, []string{"error: server-unable at truncated_uploads"}},
		{"plain", "pyftpdlib", twelve, nil, nil},
		{"plain", "sftpgo", twelve, nil, nil},
		{"truncated uploads", "pyftpdlib", twelve, func(s *plan.Site) { s.TruncatedUploads = spec.RefuseTruncated }, []string{"error: server-unable at truncated_uploads"}},
		{"truncated uploads", "sftpgo", twelve, func(s *plan.Site) { s.TruncatedUploads = spec.RefuseTruncated }, []string{"error: server-unable at truncated_uploads"}},
		{"a timeout of transfers", "sftpgo", twelve, func(s *plan.Site) { s.DataTimeout = time.Minute }, []string{"error: server-unable at data_timeout"}},
		{"minutes and a half", "sftpgo", twelve, func(s *plan.Site) { s.IdleTimeout = 90 * time.Second }, []string{"error: server-unable at idle_timeout"}},
		{"session reuse asked for", "sftpgo", twelve, func(s *plan.Site) {
			s.TLS = spec.TLS{Mode: spec.TLSExplicit, ReuseRequired: true, Certificate: "/etc/ftp.pem", Key: "/etc/ftp.key"}
			s.Ranges["tls.session_reuse"] = attrRanges("tls.session_reuse")["tls.session_reuse"]
		}, []string{"warning: reuse-unchecked at tls.session_reuse"}},
		{"minutes and a half", "pureftpd", twelve, func(s *plan.Site) { s.IdleTimeout = 90 * time.Second }, []string{"error: server-unable at idle_timeout"}},
		{"a timeout of transfers", "pureftpd", twelve, func(s *plan.Site) { s.DataTimeout = time.Minute }, []string{"error: server-unable at data_timeout"}},
		{"one timeout for both", "pureftpd", twelve, func(s *plan.Site) { s.IdleTimeout, s.DataTimeout = 2*time.Hour, 2*time.Hour }, nil},
		{"a timeout of transfers", "vsftpd", twelve, func(s *plan.Site) { s.DataTimeout = time.Minute }, nil},
		{"CBC", "vsftpd", twelve, func(s *plan.Site) {
			s.TLS = spec.TLS{Mode: spec.TLSExplicit, CBC: true, Certificate: "/etc/ftp.pem", Key: "/etc/ftp.key"}
			s.Ranges["tls.cbc"] = attrRanges("tls.cbc")["tls.cbc"]
		}, []string{"warning: no-effect at tls.cbc"}},
		{"truncated uploads accepted", "pureftpd", twelve, func(s *plan.Site) { s.TruncatedUploads = spec.AcceptTruncated }, nil},
		{"session reuse asked for", "pureftpd", twelve, func(s *plan.Site) {
			s.TLS = spec.TLS{Mode: spec.TLSExplicit, ReuseRequired: true, Certificate: pureCertificate, Key: pureCertificate}
			s.Ranges["tls.session_reuse"] = attrRanges("tls.session_reuse")["tls.session_reuse"]
		}, []string{"warning: reuse-unchecked at tls.session_reuse"}},
	}
	for _, c := range cases {
		t.Run(c.server+", "+c.name, func(t *testing.T) {
			host := handHost("edge1", "203.0.113.10", "203.0.113.11", "2001:db8::10")
			site := handSite(host, "shop", c.server, 21, c.data, func(s *plan.Site) {
				s.Ranges["announce"] = attrRanges("announce")["announce"]
				if c.change != nil {
					c.change(s)
				}
			})
			files, diags := (&Project{Plan: handPlan(site), targets: []target{{Target: kinds[c.server].New()}}}).Files()
			if !slices.Equal(said(diags), c.want) || (len(files) == 0) != diags.HasErrors() {
				t.Errorf("got %q and %d files", said(diags), len(files))
			}
		})
	}
}

func TestListenersThatTakeAnothersPort(t *testing.T) {
	twelve, next := spec.PortRange{First: 61000, Last: 61011}, spec.PortRange{First: 61012, Last: 61023}
	for server, want := range map[string][]string{
		"vsftpd":   {"error: control-port-taken at addresses"},
		"pureftpd": {"error: control-port-taken at addresses"},
		"proftpd":  nil,
	} {
		host := handHost("edge1", "203.0.113.10", "203.0.113.11", "203.0.113.12")
		_, diags := kinds[server].New().Files(handPlan(
			handSite(host, "a", server, 21, twelve, func(s *plan.Site) { s.Addresses = s.Addresses[:2] }),
			handSite(host, "b", "embedded", 21, next, func(s *plan.Site) { s.Addresses = s.Addresses[2:] }),
		))
		if !slices.Equal(said(diags), want) {
			t.Errorf("%s: got %q", server, said(diags))
		}
	}
}

func TestSeveralSitesOfOneServer(t *testing.T) {
	host := handHost("edge1", "203.0.113.10")
	p := func(server string) *plan.Plan {
		return handPlan(
			handSite(host, "a", server, 21, spec.PortRange{First: 61000, Last: 61011}, nil),
			handSite(host, "b", server, 2121, spec.PortRange{First: 61012, Last: 61023}, nil),
		)
	}
	files := mustFiles(t, &proftpd{}, p("proftpd"))
	for _, site := range []string{"a", "b"} {
		conf := files["edge1/"+site+"/proftpd.conf"]
		for _, line := range []string{`PidFile "/run/proftpd-` + site + `.pid"`, `ScoreboardFile "/run/proftpd-` + site + `.scoreboard"`} {
			if !strings.Contains(conf, line+"\n") {
				t.Errorf("site %s has no line %s", site, line)
			}
		}
		if unit := files["edge1/"+site+"/proftpd-"+site+".service"]; !strings.Contains(unit, "--config /etc/proftpd/"+site+".conf\n") {
			t.Errorf("the unit of site %s:\n%s", site, unit)
		}
	}
	if alone := mustFiles(t, &proftpd{}, handPlan(handSite(host, "a", "proftpd", 21, spec.PortRange{First: 61000, Last: 61011}, nil))); len(alone) != 1 {
		t.Errorf("one site makes %d files", len(alone))
	}
	_, diags := (&pureftpd{}).Files(p("pureftpd"))
	want := []string{"error: server-unable at server", "error: server-unable at server"}
	if !slices.Equal(said(diags), want) {
		t.Errorf("got %q", said(diags))
	}
}

// Several sites of a host may have one base config, unless it has other servers, and
// base configs of their own, unless these include one file with different lines.
func TestSeveralSitesOfProFTPDOnABase(t *testing.T) {
	two := strings.Replace(onBase("proftpd", "proftpd.conf", "port = 2121", "sessions = 6", ""), "host \"edge1\"", `site "depot" {
  host        = "edge1"
  server      = "proftpd"
  base_config = "proftpd.conf"
  port        = 2122
  tls {
    certificate = "/etc/ssl/ftp.pem"
    key         = "/etc/ssl/ftp.key"
  }
  concurrency { sessions = 6 }
}
host "edge1"`, 1)
	own := "PidFile /run/theirs.pid\nScoreboardFile /run/theirs.scoreboard\nDelayTable /run/theirs.delay\nUmask 077\n"
	files, diags := rendered(two, map[string]string{"proftpd.conf": own})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	made := map[string]string{}
	for _, f := range files {
		made[f.Path] = string(f.Content)
	}
	for _, site := range []string{"shop", "depot"} {
		conf := made["edge1/"+site+"/proftpd.conf"]
		for _, line := range []string{`PidFile "/run/proftpd-` + site + `.pid"`, `  DelayTable "/run/proftpd-` + site + `.delay"`, "Umask 077"} {
			if !strings.Contains(conf, "\n"+line+"\n") {
				t.Errorf("site %s has no line %s", site, line)
			}
		}
		if strings.Contains(conf, "\nPidFile /run/theirs.pid") || strings.Contains(conf, "\nScoreboardFile /run/theirs.") || strings.Contains(conf, "\nDelayTable /run/theirs.") {
			t.Errorf("site %s shares the base's files:\n%s", site, conf)
		}
		if made["edge1/"+site+"/proftpd-"+site+".service"] == "" {
			t.Errorf("site %s has no unit", site)
		}
	}
	for name, base := range map[string]map[string]string{
		"servers besides the site's": {"proftpd.conf": "<VirtualHost 203.0.113.10>\nPort 2121\n</VirtualHost>\n<VirtualHost 203.0.113.10>\nPort 2122\n</VirtualHost>\n"},
		"includes /etc/proftpd/conf.d/users.conf": {"proftpd.conf": "Include /etc/proftpd/conf.d/users.conf\n", "conf.d/users.conf": "Umask 077\n",
			"depot/proftpd.conf": "Include /etc/proftpd/conf.d/users.conf\n", "depot/conf.d/users.conf": "Umask 022\n"},
	} {
		text := two
		if _, apart := base["depot/proftpd.conf"]; apart {
			text = strings.Replace(two, `"proftpd.conf"`, `"depot/proftpd.conf"`, 1)
		}
		files, diags := rendered(text, base)
		if !slices.ContainsFunc(found(diags), func(s string) bool { return strings.HasPrefix(s, "base-config-unfit ") && strings.Contains(s, name) }) || len(files) > 0 {
			t.Errorf("%s: %v, %d files", name, found(diags), len(files))
		}
	}
}
