package serverconf

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestReadRefusesWhatNoServerReads(t *testing.T) {
	long := strings.Repeat("x", 4096)
	cases := []struct{ server, text, want string }{
		{"vsftpd", "a=\x00\n", "base.conf: it has a NUL byte"},
		{"vsftpd", strings.Repeat("\n", maxLines+1), "base.conf: the config has more than 20000 lines"},
		{"vsftpd", "#" + strings.Repeat(long, 25), "base.conf:1: the line is longer than 100000 bytes"},
		{"proftpd", "\n# " + long, "base.conf:2: the line is longer than 3900 bytes"},
		{"proftpd", "\nPort \\\n" + strings.Repeat(long[:3000]+"\\\n", 3), "base.conf:2: the line and what continues it is longer than 3900 bytes"},
		{"proftpd", "<Global>\n<Directory />\n</Global>\n", "base.conf:3: it ends a section that is not the innermost open one"},
		{"proftpd", "</Global>\n", "base.conf:1: it ends a section that is not the innermost open one"},
		{"proftpd", "\n<Global>\n", "base.conf:2: the section that starts here has no end"},
		{"proftpd", strings.Repeat("<IfModule a>\n", 33), "base.conf:33: more than 32 sections are open"},
		{"pureftpd", long + "x\n", "base.conf:1: the line is longer than 4096 bytes"},
	}
	for _, c := range cases {
		if _, err := Read(c.server, oneFile(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	vsftpd, err := Read("vsftpd", oneFile(strings.Repeat("#"+long+"\n", 24)+"#"+long[:1300]))
	if err == nil {
		_, err = vsftpd.Keep(siteOf("vsftpd"), ours["vsftpd"])
	}
	if err == nil || !strings.Contains(err.Error(), "100,000 bytes") {
		t.Errorf("a config whose end vsftpd would not read: %v", err)
	}
}

// shown lists directives as "file:line context name value".
func shown(all []Directive) []string {
	var lines []string
	for _, d := range all {
		var context []string
		for _, s := range d.Context {
			context = append(context, strings.TrimSpace(s.Name+" "+s.Args))
		}
		lines = append(lines, fmt.Sprintf("%s %s %s=%s", d.At(), strings.Join(context, "/"), d.Name, d.Value))
	}
	return lines
}

func TestDirectivesKnowTheirPlace(t *testing.T) {
	files := fstest.MapFS{
		"ftp/proftpd.conf": {Data: []byte("# x\nInclude /etc/proftpd/modules.conf\n<Global>\n  Include /etc/proftpd/conf.d/\n</Global>\n" +
			"Include /opt/else.conf\nInclude /etc/proftpd/empty\nInclude \"/srv/hosts/*.conf\"\nPort \\\n  21\n")},
		"ftp/modules.conf":    {Data: []byte("ModulePath /usr/lib/proftpd\n")},
		"ftp/conf.d/b.conf":   {Data: []byte("<IfModule mod_tls.c>\nTLSEngine on\n</IfModule>\n")},
		"ftp/conf.d/a.conf":   {Data: []byte("\numask 077\n")},
		"ftp/conf.d/sub/x":    {Data: []byte("Port 1\n")},
		"ftp/conf.d/.hidden":  {Data: []byte("MaxClients 3\n")},
		"ftp/hosts/.two.conf": {Data: []byte("Port 4\n")},
		"ftp/empty":           {Mode: fs.ModeDir},
		"ftp/hosts/one.conf":  {Data: []byte("<VirtualHost 192.0.2.1>\n  Port 2121\n  Umask 027\n</VirtualHost>\n")},
		"ftp/hosts/notes.txt": {Data: []byte("Port 2\n")},
	}
	base := &spec.Base{Path: "ftp/proftpd.conf", Files: []spec.BaseFile{{Name: "proftpd.conf", Text: files["ftp/proftpd.conf"].Data}}}
	if err := Include(files, "proftpd", base); err != nil {
		t.Fatal(err)
	}
	c, err := Read("proftpd", base)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"proftpd.conf:2  Include=/etc/proftpd/modules.conf", "modules.conf:1  ModulePath=/usr/lib/proftpd",
		"proftpd.conf:4 global Include=/etc/proftpd/conf.d/", "conf.d/.hidden:1 global MaxClients=3", "conf.d/a.conf:2 global umask=077", "conf.d/b.conf:2 global/ifmodule mod_tls.c TLSEngine=on",
		"proftpd.conf:6  Include=/opt/else.conf", "proftpd.conf:7  Include=/etc/proftpd/empty", `proftpd.conf:8  Include="/srv/hosts/*.conf"`,
		"hosts/one.conf:2 virtualhost 192.0.2.1 Port=2121", "hosts/one.conf:3 virtualhost 192.0.2.1 Umask=027", "proftpd.conf:9  Port=21",
	}
	if got := shown(c.Directives); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := shown(c.Unread); !slices.Equal(got, []string{"proftpd.conf:6  Include=/opt/else.conf"}) {
		t.Errorf("unread: %v", got)
	}

	// Ours of the process are behind ModulePath, those of the site in its section.
	kept, err := c.Keep(siteOf("proftpd"), Ours{Header: HeaderStart, Process: "MaxInstances 6\n", Server: "Port 2121\n"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range kept.Files {
		got[f.Name] = string(f.Text)
	}
	if text := got["hosts/one.conf"]; text != "<VirtualHost 192.0.2.1>\n# pasvctl begin\nPort 2121\n# pasvctl end\n# pasvctl: port sets this:   Port 2121\n  Umask 027\n</VirtualHost>\n" {
		t.Errorf("the section of the site:\n%s", text)
	}
	if text := got["proftpd.conf"]; !strings.Contains(text, "modules.conf\n# pasvctl begin\nMaxInstances 6\n# pasvctl end\n<Global>") || strings.Contains(text, "# pasvctl: port") {
		t.Errorf("the main file:\n%s", text)
	}
	if string(files["ftp/conf.d/a.conf"].Data) != got["conf.d/a.conf"] || len(got) != 6 {
		t.Errorf("%d files, %q", len(got), got["conf.d/a.conf"])
	}
}

// What the sections of two servers include is said of the one that is not ours.
func TestSharedFiles(t *testing.T) {
	const host = "<VirtualHost %s>\nPort 2121\nInclude /x/common.conf\n</VirtualHost>\n"
	main := fmt.Sprintf(host+host, "192.0.2.1", "192.0.2.2")
	base := oneFile(main)
	if err := Include(fstest.MapFS{"common.conf": {Data: []byte("Umask 077\nPassivePorts 1024 2048\n")}}, "proftpd", base); err != nil {
		t.Fatal(err)
	}
	c, err := Read("proftpd", base)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := c.Keep(siteOf("proftpd"), ours["proftpd"])
	if err != nil || len(kept.Shared) != 1 || kept.Shared[0].At() != "common.conf:2" {
		t.Errorf("%v, %v", kept, err)
	}
}

func TestUserFilesOfVsftpd(t *testing.T) {
	files := fstest.MapFS{
		"vsftpd.conf":     {Data: []byte("user_config_dir=/etc/vsftpd/users\n")},
		"users/partner":   {Data: []byte("local_root=/srv/partner\npasv_min_port=1024\nidle_session_timeout=7200\n")},
		"users/not.read/": {},
	}
	base := &spec.Base{Path: "vsftpd.conf", Files: []spec.BaseFile{{Name: "vsftpd.conf", Text: files["vsftpd.conf"].Data}}}
	if err := Include(files, "vsftpd", base); err != nil {
		t.Fatal(err)
	}
	c, err := Read("vsftpd", base)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := c.Keep(siteOf("vsftpd"), ours["vsftpd"])
	if err != nil || len(kept.Files) != 2 || len(kept.Differences) > 0 || len(c.Unread) > 0 {
		t.Fatalf("%v, %v, unread %v", kept, err, c.Unread)
	}
	want := "local_root=/srv/partner\n# pasvctl: data_ports sets this: pasv_min_port=1024\n# pasvctl: idle_timeout sets this: idle_session_timeout=7200\n"
	if got := string(kept.Files[1].Text); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestIncludesEnd(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"itself": {"base.conf": {Data: []byte("Include /x/base.conf\n")}},
		"a ring": {"base.conf": {Data: []byte("Include /x/a.conf\n")}, "a.conf": {Data: []byte("Include /x/b.conf\n")}, "b.conf": {Data: []byte("Include /x/a.conf\n")}},
		"too many": {"base.conf": {Data: []byte(strings.Repeat("Include /x/a.conf\n", 40))}, "a.conf": {Data: []byte(strings.Repeat("Include /x/b.conf\n", 40))},
			"b.conf": {Data: []byte("Port 1\n")}},
	} {
		base := oneFile(string(files["base.conf"].Data))
		err := Include(files, "proftpd", base)
		if err == nil {
			_, err = Read("proftpd", base)
		}
		if err == nil || !strings.Contains(err.Error(), "without end") {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := fstest.MapFS{"base.conf": {Data: []byte("Include /x/d/\n")}, "d/a": {Data: make([]byte, spec.MaxBase)}}
	if err := Include(large, "proftpd", oneFile("Include /x/d/\n")); err == nil || !strings.Contains(err.Error(), "longer than 1024 KiB") {
		t.Errorf("a large one: %v", err)
	}
}

// What a base says otherwise, and the line that says it in a spec.
func TestDifferences(t *testing.T) {
	cases := []struct {
		server, text string
		want         []string // "where attribute: line"
	}{
		{"vsftpd", "listen_port=2121\nPORT=1\nmax_clients=6 \nssl_enable=yes\npasv_address=\n", nil},
		{"vsftpd", "pasv_min_port=1\npasv_max_port=50000\npasv_min_port=40000\npasv_address=198.51.100.7\nlisten_port=21\nmax_clients=200\nmax_per_ip=0\n",
			[]string{"5 port: port = 21", "3 data_ports: data_ports = \"40000-50000\"", "4 announce: announce = \"198.51.100.7\"",
				"6 concurrency.sessions: sessions = 200", "7 concurrency.sessions_per_address: "}},
		{"vsftpd", "idle_session_timeout=7200\nssl_enable=NO\nrsa_cert_file=/old.pem\nstrict_ssl_read_eof=YES\npasv_promiscuous=1\n",
			[]string{"5 foreign_data: foreign_data = true", "1 idle_timeout: idle_timeout = \"7200s\"", "2 tls.mode: mode = \"off\""}},
		{"vsftpd", "ssl_enable=YES\nrsa_cert_file=/old.pem\nstrict_ssl_read_eof=YES\n",
			[]string{"2 tls.certificate: certificate = \"/old.pem\"", "3 truncated_uploads: truncated_uploads = \"refuse\""}},
		// What a spec refuses is no remedy.
		{"vsftpd", "pasv_min_port=100\npasv_max_port=2000\nlisten_port=70000\nmax_clients=100001\nmax_per_ip=100001\nidle_session_timeout=86401\n" +
			"data_connection_timeout=86401\npasv_address=0.0.0.0\nlisten_address6=fe80::1%eth0\n",
			[]string{"9 addresses: ", "3 port: ", "1 data_ports: ", "8 announce: ", "4 concurrency.sessions: ", "5 concurrency.sessions_per_address: ", "6 idle_timeout: ", "7 data_timeout: "}},
		{"vsftpd", "ssl_enable=YES\nrsa_cert_file=/old ${x}.pem\nrequire_ssl_reuse=NO\nforce_local_data_ssl=NO\nlisten_address=192.0.2.9\npasv_address=ftp.example.com\n",
			[]string{"5 addresses: addresses = [\"192.0.2.9\"]", "6 announce: announce = \"ftp.example.com\"", "4 tls.required: required = false",
				"2 tls.certificate: ", "3 tls.session_reuse: session_reuse = \"preferred\""}},
		{"proftpd", "<Global>\nMaxClients 10\nPassivePorts 61000 61011\n</Global>\nMaxClients 6 \"full\"\nPort 2121\nTLSEngine on\nTLSOptions useimplicitssl\n", nil},
		{"proftpd", "TimeoutIdle 10m\nTimeoutNoTransfer 00:10:00\nTimeoutStalled \"5MIN\"\n", nil},
		{"proftpd", "TimeoutIdle 2Hr\nTimeoutStalled 10d\n", []string{"1 idle_timeout: idle_timeout = \"7200s\"", "2 data_timeout: "}},
		{"proftpd", "TLSOptions StdEnvVars\n", nil},
		{"proftpd", "TimeoutIdle 600\nTimeoutNoTransfer 1200\n", []string{"2 idle_timeout: "}},
		{"proftpd", "<IfDefine X>\nPassivePorts 1024 2048\n</IfDefine>\nMaxInstances 30\nMaxClients 20\nTimeoutIdle 7200\nMaxClientsPerHost none\nTLSRequired ctrl\n" +
			"TLSEngine on\nTLSOptions UseImplicitSSL NoSessionReuseRequired\nMasqueradeAddress ftp.example.com\n<Anonymous x>\nMaxClients 1\n</Anonymous>\n",
			[]string{"2 data_ports: data_ports = \"1024-2048\"", "11 announce: announce = \"ftp.example.com\"", "4 concurrency.sessions: sessions = 20", "7 concurrency.sessions_per_address: ",
				"6 idle_timeout: idle_timeout = \"7200s\"", "8 tls.required: ", "10 tls.session_reuse: session_reuse = \"preferred\""}},
	}
	for _, c := range cases {
		config, err := Read(c.server, oneFile(c.text))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := config.Keep(siteOf(c.server), ours[c.server])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range kept.Differences {
			got = append(got, fmt.Sprintf("%d %s: %s", d.Line, d.Attr, d.Write))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: got\n%s\nwant\n%s", c.text, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// A pattern may be of folders, too: those without the file are left out here, and
// no hidden one is read.
func TestIncludePatternsOfFolders(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"sites/a/x.conf", "sites/b/x.conf", "sites/.h/x.conf", "sites/c/y.conf", "sites/d/x.conf/z", "other/x.conf", "a/x.conf"} {
		files[name] = &fstest.MapFile{Data: []byte("Umask 022\n")}
	}
	for include, want := range map[string][]string{
		"/etc/proftpd/sites/*/x.conf": {"sites/a/x.conf", "sites/b/x.conf"},
		"/srv/s?tes/[ab]/*.conf":      nil, // no folder is named
		"/etc/sites/*/*":              {"sites/a/x.conf", "sites/b/x.conf", "sites/c/y.conf"},
		"/etc/sites/.*/x.conf":        {"sites/.h/x.conf"},
	} {
		base := &spec.Base{Path: "base.conf", Files: []spec.BaseFile{{Name: "base.conf", Text: []byte("Include " + include + "\n")}}}
		if err := Include(files, "proftpd", base); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range base.Files[1:] {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", include, got, want)
		}
		c, err := Read("proftpd", base)
		if err != nil {
			t.Fatal(err)
		}
		if read := len(c.named("Umask")); read != len(want) || (len(want) == 0) != (len(c.Unread) == 1) {
			t.Errorf("%s: %d files are read, %v are not", include, read, c.Unread)
		}
	}
}
