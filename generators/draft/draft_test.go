package draft

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

var update = flag.Bool("update", false, "rewrite the want section of testdata")

// carried are the sessions that the published ranges carry in the worst case, as
// a bisection with validate found them.
var carried = map[string]int{
	"V1": 6, "V3": 5, "V4": 215, "V5": 215, "V6": 5, "V7": 215, "V8": 1, "V9": 15, "V10": 1, "V11": 21,
	"P3": 100, "P4": 255, "P8": 1, "U1": 5,
}

// TestRealShapes imports configs and firewalls in the shape of published ones.
func TestRealShapes(t *testing.T) {
	const file = "testdata/real.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := len(archive.Files) - 1
	fsys := fstest.MapFS{}
	var cases []string
	var sources = map[string][]inventory.Source{}
	for _, f := range archive.Files[:last] {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
		name := strings.Split(f.Name, "/")[0]
		if sources[name] == nil {
			cases = append(cases, name)
		}
		if path.Dir(f.Name) == name { // the others are included
			sources[name] = append(sources[name], inventory.Source{FS: fsys, Name: f.Name})
		}
	}
	if len(cases) != 30 {
		t.Errorf("%d cases", len(cases))
	}
	var got strings.Builder
	for _, name := range cases {
		inv, err := inventory.Read(sources[name]...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := Of(inv, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want, ok := carried[name]; ok && d.Sites[0].Carries != want {
			t.Errorf("%s carries %d sessions, want %d", name, d.Sites[0].Carries, want)
		}
		sound(t, name, d)
		got.WriteString(shown(name, inv, d))
	}
	if *update {
		archive.Files[last].Data = []byte(got.String())
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(archive.Files[last].Data); got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

// shown is what a spec says, without its defaults, and what was reported.
func shown(name string, inv *inventory.Inventory, d *Draft) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", name)
	skipping := false
	for line := range strings.Lines(string(d.Files[0].Content)) {
		line = strings.TrimSpace(line)
		skipping = skipping && line != "}" || line == "objective {"
		kept := !strings.HasPrefix(line, "#") || strings.Contains(line, "a spec cannot say it")
		if !skipping && line != "" && line != "}" && kept {
			fmt.Fprintf(&b, "  %s\n", strings.Join(strings.Fields(line), " "))
		}
	}
	for _, s := range d.Sites {
		fmt.Fprintf(&b, "  > %s carries %d, needs %d\n", s.Name, s.Carries, s.Needs)
		for _, l := range s.LeftOut {
			fmt.Fprintf(&b, "  left out: %s %s: %s\n", l.At, l.What, l.Why)
		}
	}
	for _, u := range inv.Unread {
		fmt.Fprintf(&b, "  unread: %s %s: %s\n", u.At, u.What, u.Why)
	}
	for _, s := range inv.Secrets {
		fmt.Fprintf(&b, "  secret: %s %s\n", s.At, s.What)
	}
	for _, p := range d.Problems {
		fmt.Fprintf(&b, "  problem: %s at line %d\n", finding.Of(p).ID, p.Subject.Start.Line)
	}
	return b.String()
}

// sound checks what is promised of every draft: it has the canonical layout, and
// nothing is wrong with it but a missing cap, or a range that is too small for one.
func sound(t *testing.T, name string, d *Draft) {
	t.Helper()
	text := d.Files[0].Content
	formatted, diags := spec.Format(Name, text)
	if diags.HasErrors() || string(formatted) != string(text) {
		t.Errorf("%s: not in the canonical layout: %v\n%s", name, diags, text)
	}
	fsys := fstest.MapFS{}
	for _, f := range d.Files {
		fsys[f.Path] = &fstest.MapFile{Data: f.Content}
	}
	p, diags := generators.Load(fsys, []string{Name}, generators.Options{})
	if !diags.HasErrors() {
		_, more := p.Files()
		diags = append(diags, more...)
	}
	lines := strings.Split(string(text), "\n")
	for _, diag := range diags {
		if diag.Severity != hcl.DiagError {
			continue
		}
		line := ""
		if diag.Subject != nil && diag.Subject.Start.Line <= len(lines) {
			line = strings.TrimSpace(lines[diag.Subject.Start.Line-1])
		}
		missing := finding.Of(diag) == finding.MissingArgument && line == "concurrency {"
		small := finding.Of(diag) == finding.RangeTooSmall && strings.HasPrefix(line, "data_ports")
		cap := strings.HasPrefix(line, "sessions")
		if !missing && !small && !cap {
			t.Errorf("%s: %s\n%s", name, diag.Detail, text)
		}
		if !slices.ContainsFunc(d.Problems, func(p *hcl.Diagnostic) bool { return p.Detail == diag.Detail }) {
			t.Errorf("%s: not announced: %s", name, diag.Detail)
		}
	}
}

// The marked defaults change nothing: a site sized with them is as one without.
func TestDefaultsAreDefaults(t *testing.T) {
	for _, p := range sizing.Profiles() {
		if p.FixedPorts > 0 {
			continue
		}
		w := &writer{}
		w.defaults(p.Name)
		with, without := ports(t, p.Name, string(w.text(false))), ports(t, p.Name, "")
		if with != without || with == 0 {
			t.Errorf("%s: %d ports with the defaults, %d without", p.Name, with, without)
		}
	}
}

func ports(t *testing.T, server, objective string) int {
	t.Helper()
	text := fmt.Sprintf("host \"a\" {\naddresses = [\"192.0.2.1\"]\n}\nsite \"a\" {\nhost = \"a\"\nserver = %q\nport = 21\nconcurrency {\nsessions = 40\n}\n%s\n}\n", server, objective)
	p, diags := generators.Load(fstest.MapFS{Name: {Data: []byte(text)}}, []string{Name}, generators.Options{})
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	return p.Plan.Sites[0].DataPorts.Count()
}

// A spec to begin with is valid for every server and every cloud.
func TestStart(t *testing.T) {
	for _, p := range sizing.Profiles() {
		for _, cloud := range append(Clouds(), "") {
			text, err := Start(p.Name, 4, cloud, netip.MustParseAddr("203.0.113.10"))
			if err != nil {
				t.Fatal(err)
			}
			project, diags := generators.Load(fstest.MapFS{Name: {Data: text}}, []string{Name}, generators.Options{})
			if !diags.HasErrors() {
				_, more := project.Files()
				diags = append(diags, more...)
			}
			if diags.HasErrors() {
				t.Errorf("%s on %s: %v\n%s", p.Name, cloud, diags, text)
			}
			if formatted, _ := spec.Format(Name, text); string(formatted) != string(text) {
				t.Errorf("%s: not in the canonical layout", p.Name)
			}
		}
	}
	if _, err := Start("none", 4, "", netip.Addr{}); err == nil {
		t.Error("a server that there is not")
	}
}

// Odd values of single directives still give a spec that is valid, or none.
func TestOddValues(t *testing.T) {
	t.Parallel()
	numbers := []string{"0", "-1", "21", "65535", "100001", "x", ""}
	names := []string{"127.0.0.1", "0.0.0.0", "::", "240.0.0.1", "fe80::1%eth0", "::ffff:192.0.2.1", "2001:db8::1", "a b", "${x}", "\"", "/a/../b", strings.Repeat("a", 300)}
	flags := []string{"YES", "off", "3", "maybe"}
	try := func(text string) {
		t.Helper()
		inv, err := inventory.Read(inventory.Source{Name: "config", Text: []byte(text)})
		if err != nil {
			return
		}
		d, err := Of(inv, Options{})
		switch {
		case err == nil:
			sound(t, text, d)
		case err.Error() != "no file states a server with a control port": // one that is switched off
			t.Errorf("%v\n%s", err, text)
		}
	}
	const vsftpd = "listen_address=203.0.113.10\npasv_min_port=61000\npasv_max_port=61400\nmax_clients=9\nssl_enable=YES\nrsa_cert_file=/c.pem\n"
	const proftpd = "ServerName x\nDefaultAddress 203.0.113.10\nPort 21\nPassivePorts 61000 61400\nMaxClients 9\nTLSEngine on\nTLSRSACertificateFile /c.pem\n"
	const pure = "PassivePortRange 61000 61400\nMaxClientsNumber 9\n"
	const sftpgo = "SFTPGO_FTPD__BINDINGS__0__PORT=2121\nSFTPGO_COMMON__MAX_TOTAL_CONNECTIONS=9\nSFTPGO_FTPD__PASSIVE_PORT_RANGE__START=61000\nSFTPGO_FTPD__PASSIVE_PORT_RANGE__END=61400\n"
	for _, v := range numbers {
		for _, name := range []string{"listen_port", "pasv_min_port", "pasv_max_port", "max_clients", "max_per_ip", "idle_session_timeout", "data_connection_timeout"} {
			try(vsftpd + name + "=" + v + "\n")
		}
		for _, name := range []string{"Port", "PassivePorts 1025", "MaxClients", "MaxClientsPerHost", "TimeoutIdle", "TimeoutStalled"} {
			try(name + " " + v + "\n" + proftpd)
		}
		for _, name := range []string{"Bind ,", "PassivePortRange 1 ", "MaxClientsNumber ", "MaxClientsPerIP ", "MaxIdleTime ", "TLS "} {
			try(pure + name + v + "\n")
		}
		for _, name := range []string{"FTPD__BINDINGS__0__PORT", "FTPD__PASSIVE_PORT_RANGE__END", "COMMON__IDLE_TIMEOUT", "COMMON__MAX_PER_HOST_CONNECTIONS", "FTPD__BINDINGS__0__TLS_MODE"} {
			try(sftpgo + "SFTPGO_" + name + "=" + v + "\n")
		}
	}
	for _, v := range names {
		for _, name := range []string{"listen_address", "pasv_address", "rsa_cert_file", "rsa_private_key_file"} {
			try(vsftpd + name + "=" + v + "\n")
		}
		for _, name := range []string{"DefaultAddress", "MasqueradeAddress", "TLSRSACertificateFile"} {
			try(name + " " + v + "\n" + proftpd)
		}
		try(proftpd + "<VirtualHost " + v + ">\nPort 2121\n</VirtualHost>\n")
		try(pure + "ForcePassiveIP " + v + "\nBind " + v + ",2121\n")
		try(sftpgo + "SFTPGO_FTPD__BINDINGS__0__FORCE_PASSIVE_IP=" + v + "\nSFTPGO_FTPD__BINDINGS__0__ADDRESS=" + v + "\n")
	}
	for _, v := range flags {
		for _, name := range []string{"listen", "listen_ipv6", "implicit_ssl", "ssl_enable", "force_local_data_ssl", "require_ssl_reuse", "strict_ssl_read_eof", "pasv_promiscuous", "pasv_enable"} {
			try(vsftpd + name + "=" + v + "\n")
		}
		for _, name := range []string{"TLSEngine", "TLSRequired", "AllowForeignAddress", "UseIPv6", "TLSOptions UseImplicitSSL", "ServerType inetd"} {
			try(name + " " + v + "\n" + proftpd)
		}
		for _, name := range []string{"AllowUserFXP", "NATmode", "IPV4Only", "TLS"} {
			try(pure + name + " " + v + "\n")
		}
	}
}
