package spec

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

var update = flag.Bool("update", false, "rewrite the want sections of testdata")

// known is what the tests load specs against.
func known() Options {
	return Options{
		Version: "0.1.0",
		Servers: []sizing.Profile{
			{Name: "embedded", Title: "pasvctl serve", Strangers: sizing.StrangersServed, HoldsRange: true, AdmitsForeign: true, AnnouncesByClient: true, ActiveFrom: sizing.ActiveEphemeral, ActiveInClear: true},
			{Name: "iis", Strangers: sizing.StrangersRefused, IdleFrees: true},
			{Name: "proftpd", Strangers: sizing.StrangersRefused, AdmitsForeign: true, ActiveFrom: sizing.ActiveEphemeral},
			{Name: "pureftpd", Title: "Pure-FTPd", Strangers: sizing.StrangersIgnored, NoImplicitTLS: true, AnnouncesName: true, WhyNotForeign: "Pure-FTPd does it otherwise.", ActiveFrom: sizing.ActiveTwenty, AlwaysActive: true},
			{Name: "vsftpd", AnnouncesName: true, Strangers: sizing.StrangersServed, AdmitsForeign: true, ActiveFrom: sizing.ActiveTwenty},
		},
		Targets: []TargetKind{
			{Name: "aws", Default: true, Settings: []Argument{{Name: "format", Type: Text}, {Name: "vpc_id", Type: Text}}}, {Name: "iptables", Default: true, HostFiles: []string{"ipset"}}, {Name: "nftables", Default: true},
			{Name: "sysctl", Default: true, Reserves: true}, {Name: "template", Settings: []Argument{{Name: "source", Type: Source, Example: `"motd.tmpl"`}, {Name: "output", Type: Text}}},
		},
	}
}

// TestLoad runs the triplets: a spec, and the Spec that it makes or the
// diagnostics with their ranges.
func TestLoad(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := loadArchive(t, archive)
			i := len(archive.Files) - 1
			if archive.Files[i].Name != "want" {
				t.Fatal("the last file of the archive is not want")
			}
			if *update {
				archive.Files[i].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Files[i].Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// loadArchive loads the *.pasv.hcl files of an archive. Its other files are
// *.tfvars for --var-file, vars and env with lines of name=value, and files
// that the spec may name.
func loadArchive(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	fsys, o := fstest.MapFS{}, known()
	var names []string
	for _, file := range archive.Files {
		switch {
		case file.Name == "vars":
			o.Vars = assignments(t, file.Data)
		case file.Name == "env":
			o.Env = assignments(t, file.Data)
		case strings.HasSuffix(file.Name, ".vars.hcl"):
			o.VarFiles = append(o.VarFiles, VarFile{file.Name, file.Data})
		case strings.HasSuffix(file.Name, Extension):
			names = append(names, file.Name)
		}
		fsys[file.Name] = &fstest.MapFile{Data: file.Data}
	}
	s, diags := Load(fsys, names, o)
	checkSubjects(t, s, diags)
	var out strings.Builder
	for _, d := range diags {
		fmt.Fprintln(&out, diagnosticLine(d))
	}
	if !diags.HasErrors() {
		out.Write(dump(t, s))
	} else {
		fmt.Fprintf(&out, "kept: %s\n", strings.Join(kept(s), ", "))
	}
	return out.String()
}

func assignments(t *testing.T, text []byte) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("not an assignment: %q", line)
		}
		values[name] = value
	}
	return values
}

// checkSubjects makes sure that every diagnostic can be shown with its source
// line.
func checkSubjects(t *testing.T, s *Spec, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Subject == nil {
			continue
		}
		file := s.Files[d.Subject.Filename]
		if file == nil || d.Subject.End.Byte > len(file.Bytes)+1 {
			t.Errorf("a diagnostic points outside the sources: %s", d)
		}
	}
	if err := hcl.NewDiagnosticTextWriter(&bytes.Buffer{}, s.Files, 80, false).WriteDiagnostics(diags); err != nil {
		t.Error(err)
	}
}

// TLS tells sessions apart where it and the resumption of its sessions are both
// required.
func TestMarkedSessions(t *testing.T) {
	const files = `
    certificate = "/etc/ssl/ftp.pem"
    key         = "/etc/ssl/ftp.key"
`
	for tls, marked := range map[string]bool{
		"":                                     false,
		"tls {" + files + "required = true\n}": true,
		"tls {" + files + "mode = \"implicit\"\n}":                            true,
		"tls {" + files + "}":                                                 false,
		"tls { mode = \"off\" }":                                              false,
		"tls {" + files + "required = true\nsession_reuse = \"preferred\"\n}": false,
	} {
		source := `host "edge1" { addresses = ["203.0.113.10"] }
site "a" {
  host   = "edge1"
  server = "embedded"
  port   = 990
  ` + tls + `
  concurrency { sessions = 9 }
}`
		s, diags := Load(fstest.MapFS{"a.pasv.hcl": {Data: []byte(source)}}, []string{"a.pasv.hcl"}, known())
		if len(s.Sites) != 1 || s.Sites[0].MarkedSessions != marked {
			t.Errorf("%q: want marked %t; %v", tls, marked, diags)
		}
	}
}

func diagnosticLine(d *hcl.Diagnostic) string {
	at, severity := "-", "error"
	if d.Subject != nil {
		at = d.Subject.String()
	}
	if d.Severity == hcl.DiagWarning {
		severity = "warning"
	}
	return fmt.Sprintf("%s: %s: %s [%s]; %s", at, severity, d.Summary, finding.Of(d).ID, strings.ReplaceAll(d.Detail, "\n", " "))
}

func kept(s *Spec) []string {
	var names []string
	for _, h := range s.Hosts {
		names = append(names, "host "+h.Name)
	}
	for _, x := range s.Sites {
		names = append(names, "site "+x.Name)
	}
	for _, g := range s.Gateways {
		names = append(names, "gateway "+g.Name)
	}
	for _, target := range s.Targets {
		names = append(names, "target "+target.Kind)
	}
	return names
}

// dump writes a Spec as lines of JSON, without its sources and ranges and with
// its references as names.
func dump(t *testing.T, s *Spec) []byte {
	t.Helper()
	var out bytes.Buffer
	line := func(kind string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %s\n", kind, text)
	}
	if s.Name != "" {
		fmt.Fprintf(&out, "spec %s\n", s.Name)
	}
	for _, h := range s.Hosts {
		line("host", struct {
			*Host
			Ranges *struct{} `json:",omitempty"`
		}{Host: h})
	}
	for _, x := range s.Sites {
		line("site", struct {
			*Site
			Host    string
			Ranges  *struct{} `json:",omitempty"`
			Profile *struct{} `json:",omitempty"`
		}{Site: x, Host: x.Host.Name})
	}
	for _, p := range s.Profiles {
		line("profile", struct {
			*Profile
			Ranges *struct{} `json:",omitempty"`
		}{Profile: p})
	}
	for _, e := range s.Expects {
		to := ""
		if e.Site != nil {
			to = e.Site.Name
		} else {
			to = e.Host.Name
		}
		fmt.Fprintf(&out, "expect %s from %v to %s data %t port %d accept %t\n", e.Name, e.From, to, e.Data, e.Port, e.Accept)
	}
	names := Renames(s.Moved)
	for _, m := range s.Moved {
		fmt.Fprintf(&out, "moved %q to %q, now %q\n", m.From, m.To, names[m.From])
	}
	for _, g := range s.Gateways {
		fmt.Fprintf(&out, "gateway %s %s", g.Name, g.Address)
		for _, x := range g.Sites {
			fmt.Fprintf(&out, " %s", x.Name)
		}
		fmt.Fprintln(&out)
	}
	for _, target := range s.Targets {
		fmt.Fprintf(&out, "target %s %q\n", target.Kind, target.Source)
	}
	return out.Bytes()
}
