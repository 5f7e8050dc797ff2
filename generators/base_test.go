package generators

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// onBase is a spec of one site with a base config, and lines in its blocks.
func onBase(server, base, site, concurrency, tls string) string {
	return fmt.Sprintf(`
host "edge1" { addresses = ["203.0.113.10"] }
site "shop" {
  host        = "edge1"
  server      = %q
  base_config = %q
  %s
  concurrency {
    %s
  }
  %s
}
`, server, base, site, concurrency, tls)
}

// rendered loads and renders a spec beside other files.
func rendered(spec string, beside map[string]string) ([]File, hcl.Diagnostics) {
	fsys := fstest.MapFS{"x.pasv.hcl": {Data: []byte(spec)}}
	for name, text := range beside {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	project, diags := Load(fsys, []string{"x.pasv.hcl"}, Options{})
	if diags.HasErrors() {
		return nil, diags
	}
	files, more := project.Files()
	return files, append(diags, more...)
}

// found lists diagnostics as "rule line: detail".
func found(diags hcl.Diagnostics) []string {
	var all []string
	for _, d := range diags {
		all = append(all, fmt.Sprintf("%s %d: %s", finding.Of(d).ID, d.Subject.Start.Line, d.Detail))
	}
	return all
}

const secretBase = `# secret-in-a-comment
Include /etc/proftpd/secret-path.conf
SQLConnectInfo ftp@localhost ftp secret-password
PassivePorts 62000 62100
MaxClients 40
MaxClientsPerHost 10
TimeoutIdle 7200
<Global>
  TLSEngine on
  TLSRSACertificateFile /etc/ssl/shop.pem
  TLSRSACertificateKeyFile /etc/ssl/shop.key
</Global>
<VirtualHost 203.0.113.10>
  Port 2222
  AuthUserFile /secret-users
</VirtualHost>
`

// What differs is said once, at the attribute, with a line that ends the
// warning; nothing that is not ours is quoted.
func TestBaseConfigDiffers(t *testing.T) {
	base := map[string]string{"proftpd.conf": secretBase}
	_, diags := rendered(onBase("proftpd", "proftpd.conf", "port = 21", "sessions = 20", ""), base)
	want := []string{
		`base-config-differs 3: Site "shop": proftpd.conf:4 (PassivePorts) differs from the spec, which sets it. To keep what the base config says, write data_ports = "62000-62100" in the site; otherwise remove it there.`,
		`base-config-differs 3: Site "shop": proftpd.conf:7 (TimeoutIdle) differs from the spec, which sets it. To keep what the base config says, write idle_timeout = "7200s" in the site; otherwise remove it there.`,
		`base-config-differs 3: Site "shop": proftpd.conf:9 (TLSEngine) differs from the spec, which sets it. To keep what the base config says, write mode = "explicit" in its tls block; otherwise remove it there.`,
		`base-config-includes 6: Site "shop": proftpd.conf:2 (Include) names files that are not beside the base config, so pasvctl does not read them. A directive in them may win over the spec. Copy them there; or remove from them what the generated config has between "# pasvctl begin" and "# pasvctl end".`,
		`base-config-shared 6: Site "shop": proftpd.conf:10 (TLSRSACertificateFile) is a comment in the generated config, and other servers of the base config read it, too. Write it into their sections if they need it.`,
		`base-config-shared 6: Site "shop": proftpd.conf:11 (TLSRSACertificateKeyFile) is a comment in the generated config, and other servers of the base config read it, too. Write it into their sections if they need it.`,
		`base-config-shared 6: Site "shop": proftpd.conf:9 (TLSEngine) is a comment in the generated config, and other servers of the base config read it, too. Write it into their sections if they need it.`,
		`base-config-differs 8: Site "shop": proftpd.conf:6 (MaxClientsPerHost) differs from the spec, which sets it. To keep what the base config says, write sessions_per_address = 10 in its concurrency block; otherwise remove it there.`,
		`base-config-differs 9: Site "shop": proftpd.conf:5 (MaxClients) differs from the spec, which sets it. To keep what the base config says, write sessions = 40 in its concurrency block; otherwise remove it there.`,
	}
	got := slices.DeleteFunc(found(diags), func(s string) bool { return !strings.HasPrefix(s, "base-") })
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all := fmt.Sprint(diags, found(diags)); strings.Contains(all, "secret") {
		t.Errorf("quotes what is not ours: %s", all)
	}

	// With the lines that the warnings give, none remains.
	files, diags := rendered(onBase("proftpd", "proftpd.conf", "port = 21\n data_ports = \"62000-62100\"\n idle_timeout = \"7200s\"", "sessions = 40\n sessions_per_address = 10",
		"tls {\n mode = \"explicit\"\n required = false\n certificate = \"/etc/ssl/shop.pem\"\n key = \"/etc/ssl/shop.key\"\n }"), base)
	for _, said := range found(diags) {
		if strings.HasPrefix(said, "base-config-differs") || strings.HasPrefix(said, "base-config-shared") {
			t.Error(said)
		}
	}
	for _, f := range files {
		if f.Private != (f.Target == "proftpd") {
			t.Errorf("%s: private %v", f.Path, f.Private)
		}
	}
}

// No message about a base that cannot be read quotes it.
func TestBaseConfigMistakes(t *testing.T) {
	beside := map[string]string{
		"nul.conf": "a\nsecret\x00\n", "open.conf": "secret\n<Secret>\n", "two.conf": strings.Repeat("<VirtualHost 203.0.113.10>\nPort 21\nsecret x\n</VirtualHost>\n", 2),
		"long.conf": strings.Repeat("secret", 1<<18), "loop.conf": "# secret\nInclude /etc/loop.conf\n", "latin1.conf": "# secr\xe9t\nlocal_umask=077\n",
		"conf/Umask": "secret\n",
	}
	cases := []struct{ server, base, want string }{
		{"proftpd", "nul.conf", `not-text 6: site "shop": line 2 of "nul.conf" has a NUL byte, which no server's config has.`},
		{"proftpd", "open.conf", `base-config-unreadable 6: Site "shop": open.conf:2: the section that starts here has no end. Correct it there.`},
		{"proftpd", "two.conf", `base-config-unreadable 6: Site "shop": two.conf:5: this <VirtualHost> and the one of line 1 both have control port 21 of the site. Correct it there.`},
		{"proftpd", "long.conf", `file-too-long 6: site "shop": "long.conf" is longer than 1024 KiB.`},
		{"proftpd", "loop.conf", `base-config-unreadable 6: Site "shop": loop.conf:2: files include each other without end, or too deep. Correct it there.`},
		{"vsftpd", "latin1.conf", ""},
		{"vsftpd", "conf", `base-config-unfit 6: Site "shop": base_config names a folder, and the config of vsftpd is a file. Name the file.`},
		{"pureftpd", "latin1.conf", ""},
		{"embedded", "latin1.conf", `base-config-unfit 6: Site "shop": pasvctl writes no config of that kind for server "embedded". Remove base_config, or run vsftpd, ProFTPD or Pure-FTPd there.`},
		{"pyftpdlib", "latin1.conf", `base-config-unfit 6: Site "shop": pasvctl writes no config of that kind for server "pyftpdlib". Remove base_config, or run vsftpd, ProFTPD or Pure-FTPd there.`},
		{"ftpserverlib", "latin1.conf", `base-config-unfit 6: Site "shop": pasvctl writes no config of that kind for server "ftpserverlib". Remove base_config, or run vsftpd, ProFTPD or Pure-FTPd there.`},
	}
	for _, c := range cases {
		files, diags := rendered(onBase(c.server, c.base, "port = 21", "sessions = 20", ""), beside)
		said := found(diags)
		if c.want == "" && (diags.HasErrors() || len(files) == 0) || c.want != "" && (!slices.Contains(said, c.want) || len(files) > 0) {
			t.Errorf("%s on %s: got %s", c.base, c.server, strings.Join(said, "\n"))
		}
		for _, s := range said {
			if strings.Contains(s, "secr") {
				t.Errorf("quotes the base: %s", s)
			}
		}
	}
}

// Pure-FTPd's folder: what is theirs stays, what the spec sets and has no value
// for is a file without one, and who copies the folder over the old one gets ours.
func TestBaseConfigOfPureFTPd(t *testing.T) {
	beside := map[string]string{
		"pure/Umask": "177 077\n", "pure/ForcePassiveIP": "198.51.100.9\n", "pure/PassivePortRange": "# ours\n30000 30009\n", "pure/README.old": "x",
		"pure/IPV4Only": "no", "pure/NoChmod": "yes", "pure/auth/50pure": "not read",
	}
	files, diags := rendered(onBase("pureftpd", "pure", "port = 21", "sessions = 5", ""), beside)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got := map[string]string{}
	for _, f := range files {
		if name, is := strings.CutPrefix(f.Path, "edge1/shop/pure-ftpd/conf/"); is {
			value := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(f.Content), "")
			got[name] = strings.TrimSpace(value)
		}
	}
	want := map[string]string{
		"Bind": "203.0.113.10,21", "PassivePortRange": "61000 61009", "MaxClientsNumber": "5", "MaxClientsPerIP": "5", "MaxIdleTime": "15", "TLS": "0", "IPV4Only": "yes",
		"ForcePassiveIP": "", "Umask": "177 077", "NoChmod": "yes",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Rendered twice, a base gives the same bytes, in any order of its files.
func TestBaseConfigRepeats(t *testing.T) {
	beside := map[string]string{"p/proftpd.conf": "Include /etc/proftpd/d/\n", "p/d/b": "Umask 1\n", "p/d/a": "Port 2\n", "p/d/.hidden": "Port 3\n"}
	spec := onBase("proftpd", "p/proftpd.conf", "port = 21", "sessions = 5", "")
	first, _ := rendered(spec, beside)
	second, _ := rendered(spec, beside)
	if len(first) == 0 || !slices.EqualFunc(first, second, func(a, b File) bool { return a.Path == b.Path && bytes.Equal(a.Content, b.Content) }) {
		t.Errorf("%d and %d files", len(first), len(second))
	}
	if !slices.ContainsFunc(first, func(f File) bool {
		return f.Path == "edge1/shop/d/a" && string(f.Content) == "# pasvctl: port sets this: Port 2\n"
	}) {
		t.Error("an included file is not written back")
	}
}

// A generated config that is the base again is the same, and says nothing else
// than the spec.
func TestBaseConfigOfItsOwn(t *testing.T) {
	tls := "tls {\n mode = \"explicit\"\n certificate = \"/c.pem\"\n key = \"/k.pem\"\n}"
	for server, base := range map[string]string{
		"vsftpd":  "ssl_enable=YES\nmax_clients=3\nlocal_umask=077\n",
		"proftpd": "TLSEngine on\nTLSOptions StdEnvVars NoSessionReuseRequired\nPassivePorts 40000 40900\nUmask 077\n",
	} {
		spec, name := onBase(server, server+".conf", "port = 21", "sessions = 5", tls), server+".conf"
		config := func(base string) (string, hcl.Diagnostics) {
			files, diags := rendered(spec, map[string]string{name: base})
			at := slices.IndexFunc(files, func(f File) bool { return f.Path == "edge1/shop/"+name })
			if at < 0 {
				t.Fatal(server, found(diags))
			}
			return string(files[at].Content), diags
		}
		first, _ := config(base)
		second, diags := config(first)
		if second != first || slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return finding.Of(d) == finding.BaseConfigDiffers }) {
			t.Errorf("%s: %v\n%s\nagain\n%s", server, found(diags), first, second)
		}
	}
}

// Switches of a base that turn off what the spec needs are comments, each with a
// warning that names its line; so is a range of another server that shares ports.
func TestBaseConfigSwitches(t *testing.T) {
	for name, tt := range map[string]struct {
		server, base, text, site string
		want                     []string // "file:line (name)"
	}{
		"vsftpd": {"vsftpd", "v.conf", "listen=NO\npasv_enable=NO\nport_promiscuous=YES\nlisten_ipv6=YES\nlocal_umask=022\n", "port = 21",
			[]string{"v.conf:1 (listen)", "v.conf:2 (pasv_enable)", "v.conf:3 (port_promiscuous)", "v.conf:4 (listen_ipv6)"}},
		"as ours":         {"vsftpd", "v.conf", "listen=YES\npasv_enable=YES\nport_promiscuous=NO\nlisten_ipv6=NO\n", "port = 21", nil},
		"all addresses":   {"pureftpd", "p/Bind", ",21\n", "port = 21", nil},
		"another port":    {"pureftpd", "p/Bind", ",2121\n", "port = 21", []string{"p/Bind:1 (Bind)"}},
		"NAT mode":        {"pureftpd", "p/NATmode", "yes\n", "port = 21", []string{"p/NATmode:1 (NATmode)"}},
		"another's range": {"proftpd", "f.conf", "<VirtualHost 10.0.0.9>\n  Port 2121\n  PassivePorts 60990 61000\n</VirtualHost>\n", "port = 21", []string{"f.conf:3 (PassivePorts)"}},
		"a range apart":   {"proftpd", "f.conf", "<VirtualHost 10.0.0.9>\n  Port 2121\n  PassivePorts 50000 50100\n</VirtualHost>\n", "port = 21", nil},
		"active mode": {"vsftpd", "v.conf", "port_enable=YES\nconnect_from_port_20=YES\n", "port = 21\n active_mode = false",
			[]string{"v.conf:1 (port_enable)"}},
		"active mode, unsaid": {"vsftpd", "v.conf", "port_enable=YES\nconnect_from_port_20=YES\n", "port = 21", nil},
	} {
		t.Run(name, func(t *testing.T) {
			base, _, _ := strings.Cut(tt.base, "/")
			files, diags := rendered(onBase(tt.server, base, tt.site, "sessions = 20", ""), map[string]string{tt.base: tt.text})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			for _, want := range tt.want {
				line := regexp.MustCompile(`Site "shop": .*` + regexp.QuoteMeta(want))
				if !slices.ContainsFunc(found(diags), line.MatchString) {
					t.Errorf("no warning of %s in\n%s", want, strings.Join(found(diags), "\n"))
				}
			}
			said := slices.DeleteFunc(found(diags), func(s string) bool { return !strings.Contains(s, `Site "shop"`) || !strings.Contains(s, tt.base+":") })
			if len(said) != len(tt.want) {
				t.Errorf("got\n%s", strings.Join(said, "\n"))
			}
			for _, f := range files {
				if stays := regexp.MustCompile(`(?m)^(pasv_enable=NO|listen=NO|port_promiscuous=YES|listen_ipv6=YES)$`).Find(f.Content); stays != nil {
					t.Errorf("%s stays in %s", stays, f.Path)
				}
			}
		})
	}
}
