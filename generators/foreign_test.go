package generators

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

func foreignSite(server, more string) string {
	return edgeHost + `site "a" {
  host         = "edge1"
  server       = "` + server + `"
  port         = 21
  foreign_data = true
  concurrency {
    sessions             = 40
    sessions_per_address = 5
  }
` + more + "}\n"
}

// foreign_data in clear text takes a port of the bundled daemon for each session
// and is a warning with the odds; under TLS with session reuse one port does, and
// there is nothing to warn of. Neither has a gate.
func TestForeignDataIsPlanned(t *testing.T) {
	const tls = "  tls {\n    required    = true\n    certificate = \"/etc/ftp.pem\"\n    key         = \"/etc/ftp.key\"\n"
	for name, c := range map[string]struct {
		server, more string
		ports        int
		warned       bool
	}{
		"clear text":          {"embedded", "", 40, true},
		"TLS":                 {"embedded", tls + "  }\n", 1, false},
		"TLS, without resume": {"embedded", tls + "    session_reuse = \"preferred\"\n  }\n", 40, true},
		"ProFTPD":             {"proftpd", "", 41, true},
		"ProFTPD, TLS":        {"proftpd", tls + "  }\n", 41, false},
	} {
		p, diags := loadText("x.pasv.hcl", foreignSite(c.server, c.more))
		if diags.HasErrors() {
			t.Fatalf("%s: %v", name, diags)
		}
		i := slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Subject != nil && d.Subject.Start.Line == 8 })
		if (i >= 0) != c.warned {
			t.Errorf("%s: %v", name, diags)
		} else if c.warned && !strings.Contains(diags[i].Detail, "takes over a transfer with probability") {
			t.Errorf("%s: %s", name, diags[i].Detail)
		}
		site := p.Plan.Sites[0]
		if site.Policy.Gate || site.DataPorts.Count() != c.ports {
			t.Errorf("%s: gate %v, %d ports, want %d", name, site.Policy.Gate, site.DataPorts.Count(), c.ports)
		}
	}
}

// A server that cannot admit foreign data connections, or has no config of ours,
// is an error at foreign_data that names those which can. Those serve such a site.
func TestServersThatCannotHaveForeignData(t *testing.T) {
	able := []string{"apache", "embedded", "goftp", "proftpd", "pyftpdlib", "sftpgo", "vsftpd"}
	for _, p := range sizing.Profiles() {
		more := ""
		if p.FixedPorts > 0 {
			more = "  data_ports = \"8192-8200\"\n"
		}
		_, diags := loadText("x.pasv.hcl", foreignSite(p.Name, more))
		if slices.Contains(able, p.Name) {
			if diags.HasErrors() {
				t.Errorf("%s: %v", p.Name, diags)
			}
			continue
		}
		if len(diags) != 1 || places(diags)[0] != "x.pasv.hcl:8 server-unable" ||
			!strings.Contains(diags[0].Detail, `"embedded", "proftpd", "pyftpdlib", "sftpgo" or "vsftpd"`) {
			t.Errorf("%s: %v", p.Name, diags)
		}
	}
}
