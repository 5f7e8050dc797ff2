package generators

import (
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestUserTemplateDiagnostics(t *testing.T) {
	p := handPlan(handSite(handHost("edge1", "203.0.113.10"), "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil))
	cases := []struct {
		output, source string
		want, detail   string
		line, column   int
	}{
		{"motd", "{{ range .Sites }}{{ .Name }}: {{ .DataPorts.First }}{{ end }}", "", "", 0, 0},
		{"docs/ports list.md", "", "", "", 0, 0},
		{"../motd", "", "error: invalid-setting at spec", "../motd", 1, 0},
		{"/motd", "", "error: invalid-setting at spec", "", 1, 0},
		{"a//b", "", "error: invalid-setting at spec", "", 1, 0},
		{".ssh/x", "", "error: invalid-setting at spec", "", 1, 0},
		{"a\\\\b", "", "error: invalid-setting at spec", "", 1, 0},
		{"motd", "one\n  {{ .Sits }}\n", "error: template-mistake at motd.tmpl", `there is no "Sits" here. Did you mean "Sites"? There are Gateways, Header, Hosts, Sites, Spec, Version.`, 2, 6},
		{"motd", "{{ range .Sites }}\n{{ .Port }}{{ end }}", "error: template-mistake at motd.tmpl", `there is no "Port" here. There are AbandonedHold, ActiveMode, Addresses, Announce, AnnounceTo, Binding, Clients, ControlPort, `, 2, 4},
		{"motd", "{{ range .Sites }}{{ .DataPorts.Frist }}{{ end }}", "error: template-mistake at motd.tmpl", `Did you mean "First"? There are Count, First, Last.`, 1, 32},
		{"motd", "{{ range .Sites }}{{ with .TLS }}{{ .Certficate }}{{ end }}{{ end }}", "error: template-mistake at motd.tmpl", `Did you mean "Certificate"?`, 1, 37},
		{"motd", "{{ with dict \"a\" 1 }}{{ .b }}{{ end }}", "error: template-mistake at motd.tmpl", `there is no "b" here.`, 1, 0},
		{"motd", "{{ .Sites.Name }}", "error: template-mistake at motd.tmpl", `.Sites is a list, and its items have fields. Write {{ range .Sites }}{{ .Name }}{{ end }}.`, 1, 10},
		{"motd", "{{ .Version.Major }}", "error: template-mistake at motd.tmpl", `.Version is one value, which has no field Major. Write {{ .Version }}.`, 1, 12},
		{"motd", "{{ end }}", "error: template-mistake at motd.tmpl", "unexpected {{end}}", 1, 1},
	}
	for _, c := range cases {
		t.Run(c.output+" "+c.source, func(t *testing.T) {
			target := handTarget(t, "template", "source = \"motd.tmpl\"\noutput = \""+c.output+"\"")
			target.(*userTemplate).text = []byte(c.source)
			files, diags := target.Files(p)
			if c.want == "" {
				if len(diags) > 0 || len(files) != 1 || files[0].Path != c.output {
					t.Errorf("got %v and %d files", diags, len(files))
				}
				return
			}
			if !slices.Equal(said(diags), []string{c.want}) || files != nil {
				t.Fatalf("got %q and %d files", said(diags), len(files))
			}
			if !strings.Contains(diags[0].Detail, c.detail) {
				t.Errorf("detail: %s", diags[0].Detail)
			}
			if at := diags[0].Subject.Start; c.column > 0 && (at.Line != c.line || at.Column != c.column) {
				t.Errorf("at %v", at)
			}
		})
	}
}
