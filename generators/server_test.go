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
			files, diags := kinds[c.server].New().Files(handPlan(site))
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
	}
	_, diags := (&pureftpd{}).Files(p("pureftpd"))
	want := []string{"error: server-unable at server", "error: server-unable at server"}
	if !slices.Equal(said(diags), want) {
		t.Errorf("got %q", said(diags))
	}
}
