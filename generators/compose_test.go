package generators

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// containerSpec is a spec of one site in a container.
func containerSpec(server, addresses, site, concurrency, target string) string {
	return `host "edge1" { addresses = [` + addresses + `] }
site "downloads" {
  host   = "edge1"
  server = "` + server + `"
  port   = 21
  ` + site + `
  concurrency {
    ` + concurrency + `
  }
}
` + target
}

const (
	v4, both = `"203.0.113.10"`, `"203.0.113.10", "2001:db8::10"`
	few      = "sessions = 20\n sessions_per_address = 5"
	secured  = "tls {\n required = true\n certificate = \"/etc/ftp/tls/a.pem\"\n key = \"/etc/ftp/tls/a.key\"\n }"
)

// What a container cannot do is said where it is written, with what is right.
func TestContainerDiagnostics(t *testing.T) {
	for _, c := range []struct{ server, addresses, site, concurrency, target, want string }{
		{"embedded", both, secured, few, `target "compose" {}`, ""},
		{"vsftpd", both, "", few, `target "compose" {}`, ""},
		{"embedded", `"203.0.113.10", "203.0.113.11"`, "", few, `target "compose" {}`, `error x.pasv.hcl:2 No address for the reply to PASV: Write announce = "203.0.113.10", or another of them.`},
		{"embedded", `"203.0.113.10", "203.0.113.11"`, "announce = \"203.0.113.10\"", few, `target "compose" {}`, ""},
		{"embedded", `"203.0.113.10", "203.0.113.11"`, "", few, "target \"compose\" {\n network = \"host\"\n}", ""},
		{"vsftpd", both, "", "sessions = 400", `target "compose" {}`, `warning x.pasv.hcl:8 A proxy process for each published port: processes. Write network = "host" in target "compose", or set "userland-proxy": false in the engine's daemon.json and write forwarding = "rules".`},
		{"vsftpd", v4, `data_ports = "20000-20999"`, few, `target "compose" {}`, `warning x.pasv.hcl:6 A proxy process for each published port: publishes 1,000 data ports on 1 address, and Docker starts a docker-proxy process for each port and address: 1,001 processes.`},
		{"vsftpd", both, "", "sessions = 400", "target \"compose\" {\n forwarding = \"rules\"\n}", ""},
		{"vsftpd", both, "", "sessions = 400", "target \"compose\" {\n network = \"host\"\n}", ""},
		{"embedded", v4, "", few, "target \"compose\" {\n forwarding = \"proxy\"\n}", `warning x.pasv.hcl:9 All clients have one address: or sessions_per_address = 20.`},
		{"embedded", v4, "", "sessions = 20\n sessions_per_address = 20", "target \"compose\" {\n forwarding = \"proxy\"\n}", ""},
		{"embedded", v4, `clients = ["192.0.2.0/24"]`, "sessions = 20\n sessions_per_address = 20", "target \"compose\" {\n forwarding = \"proxy\"\n}", `error x.pasv.hcl:6 All clients have one address: refuses them all.`},
		{"pureftpd", v4, `clients = ["192.0.2.0/24"]`, "sessions = 20\n sessions_per_address = 20", "target \"compose\" {\n forwarding = \"proxy\"\n}", ""},
		{"embedded", v4, strings.ReplaceAll(secured, "/etc/ftp/tls", "/etc/pasvctl"), few, `target "compose" {}`, `error x.pasv.hcl:8 Invalid setting of a target: Put it into another folder, such as /etc/ftp/tls.`},
		{"embedded", v4, "", few, "target \"compose\" {\n spec = \"a b\"\n}", `error x.pasv.hcl:13 Invalid setting of a target: spec is "a b".`},
		{"embedded", v4, "", few, "target \"compose\" {\n spec = \"$HOME\"\n}", `error x.pasv.hcl:13 Invalid setting of a target: spec is "$HOME".`},
		{"embedded", v4, "", few, "target \"compose\" {\n spec = \"../..\"\n}", ""},
		{"embedded", v4, "", few, "target \"compose\" {\n images = { uploads = \"a\" }\n}", `error x.pasv.hcl:13 Invalid setting of a target: images names site "uploads", which is not in the spec. There are downloads.`},
		{"embedded", v4, "", few, "target \"compose\" {\n images = { downloads = \"a b\" }\n}", `error x.pasv.hcl:13 Invalid setting of a target: "a b" is not the name of an image`},
		{"embedded", v4, "", few, "target \"compose\" {\n images = { downloads = \"docker.io/fauria/vsftpd:3\" }\n}", `error x.pasv.hcl:13 Invalid setting of a target: Site "downloads" runs embedded, and the image of "fauria" runs vsftpd. Name another image, or set server = "vsftpd".`},
		{"vsftpd", v4, "", few, "target \"compose\" {\n environment = { downloads = \"fauri\" }\n}", `error x.pasv.hcl:13 Invalid setting of a target: environment of site "downloads" is "fauri", whose variables are unknown. Did you mean "fauria"? There are pasvctl, fauria, stilliard, sftpgo, none.`},
		{"vsftpd", v4, "", few, "target \"compose\" {\n environment = { uploads = \"fauria\" }\n}", `error x.pasv.hcl:13 Invalid setting of a target: environment names site "uploads"`},
		{"vsftpd", both, "", few, "target \"compose\" {\n images = { downloads = \"fauria/vsftpd\" }\n}", `error x.pasv.hcl:2 The server cannot do this: Name only IPv4 addresses`},
		{"vsftpd", v4, secured, few, "target \"compose\" {\n images = { downloads = \"fauria/vsftpd\" }\n}", `error x.pasv.hcl:6 The server cannot do this: the image fauria/vsftpd has no variable for tls.`},
		{"sftpgo", v4, "idle_timeout = \"90s\"", few, "target \"compose\" {\n images = { downloads = \"drakkan/sftpgo@sha256:0\" }\n}", `error x.pasv.hcl:6 The server cannot do this: SFTPGo counts whole minutes`},
	} {
		diagnosed(t, containerSpec(c.server, c.addresses, c.site, c.concurrency, c.target), c.want)
	}
}

// diagnosed renders a spec, and compares what is said: nothing, or one diagnostic
// that starts and contains as want.
func diagnosed(t *testing.T, text, want string) {
	t.Helper()
	p, diags := loadText("x.pasv.hcl", text)
	var files []File
	if !diags.HasErrors() {
		files, diags = p.Files()
	}
	var said []string
	for _, d := range diags {
		severity := map[hcl.DiagnosticSeverity]string{hcl.DiagError: "error", hcl.DiagWarning: "warning"}[d.Severity]
		said = append(said, fmt.Sprintf("%s %s:%d %s: %s", severity, d.Subject.Filename, d.Subject.Start.Line, d.Summary, d.Detail))
	}
	where, what, _ := strings.Cut(want, ": ")
	if got := strings.Join(said, "\n"); (want == "") != (got == "") || !strings.HasPrefix(got, where) || !strings.Contains(got, what) || len(said) > 1 {
		t.Errorf("%s: said\n%s\nwant\n%s", text, got, want)
	}
	if diags.HasErrors() != (len(files) == 0) {
		t.Errorf("%s: %d files", text, len(files))
	}
}

// Daemons that share a network tell their health on ports that no site of it binds.
func TestHealthPorts(t *testing.T) {
	site := func(name, ports string, port int) *plan.Site {
		r, ok := spec.ParsePortRange(ports)
		if !ok {
			t.Fatal(ports)
		}
		return &plan.Site{Site: &spec.Site{Name: name, Port: uint16(port)}, DataPorts: r}
	}
	for _, c := range []struct {
		host  bool
		sites []*plan.Site
		want  []int
	}{
		{false, []*plan.Site{site("a", "61000-61009", 21), site("b", "9000-9200", 9201)}, []int{9121, 9202}},
		{true, []*plan.Site{site("a", "9121-9122", 9124), site("b", "61000-61009", 2121)}, []int{9123, 9125}},
		{true, []*plan.Site{site("a", "9121-65535", 21)}, []int{1024}},
		{true, []*plan.Site{site("a", "1024-65535", 21)}, []int{9121}},
	} {
		for i, s := range c.sites {
			made := container{serverSite: serverSite{Site: s, Data: s.DataPorts}, Control: s.Port}
			if got := made.healthPort(c.sites, c.host, i); got != c.want[i] {
				t.Errorf("%s, host %v: %d, want %d", s.Name, c.host, got, c.want[i])
			}
		}
	}
}
