package serverconf

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// ours are lines of the sort that the targets render.
var ours = map[string]Ours{
	"vsftpd": {
		Header: HeaderStart + "0.1.0.",
		Server: "listen=YES\nlisten_ipv6=NO\nlisten_address=192.0.2.1\nlisten_port=2121\npasv_enable=YES\npasv_min_port=61000\npasv_max_port=61011\n" +
			"pasv_promiscuous=NO\nmax_clients=6\nmax_per_ip=3\naccept_timeout=60\ndata_connection_timeout=300\nidle_session_timeout=300\nssl_enable=YES\n" +
			"force_local_logins_ssl=YES\nforce_local_data_ssl=YES\nrequire_ssl_reuse=YES\nstrict_ssl_read_eof=NO\nrsa_cert_file=/c.pem\nrsa_private_key_file=/k.pem\n",
	},
	"pureftpd": {
		Header: HeaderStart + "0.1.0.",
		Server: "Bind 192.0.2.1,2121\nPassivePortRange 61000 61011\nMaxClientsNumber 6\nMaxClientsPerIP 3\nMaxIdleTime 5\nTLS 3\nIPV4Only yes\n",
	},
	"proftpd": {
		Header:  HeaderStart + "0.1.0.",
		Process: "LoadModule mod_tls.c\nMaxInstances 6\n",
		Server: "Port 2121\nPassivePorts 61000 61011\nAllowForeignAddress on\n<Limit EPRT PORT>\n  DenyAll\n</Limit>\nMaxClients 6\nMaxConnectionsPerHost 3\n" +
			"MaxClientsPerHost 3\nTimeoutIdle 600\nTimeoutNoTransfer 600\nTimeoutStalled 300\nTLSEngine on\nTLSRSACertificateFile \"/c.pem\"\n" +
			"TLSRSACertificateKeyFile \"/k.pem\"\nTLSRequired on\nTLSOptions UseImplicitSSL\n",
	},
}

func siteOf(server string) *spec.Site {
	return &spec.Site{Server: server, Port: 2121, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
}

func oneFile(text string) *spec.Base {
	return &spec.Base{Path: "base.conf", Files: []spec.BaseFile{{Name: "base.conf", Text: []byte(text)}}}
}

var (
	commented = regexp.MustCompile(`(?m)^# pasvctl(?:: [a-z_.]+)? sets this: `)
	block     = regexp.MustCompile(`(?s)# pasvctl begin\n.*?# pasvctl end\n`)
)

// undo takes ours out of a kept config, and makes directives of the comments.
func undo(text []byte) string {
	_, rest, _ := strings.Cut(string(text), Warning+"\n")
	rest = block.ReplaceAllString(rest, "")
	var out strings.Builder
	continued, options := false, ""
	for _, line := range strings.SplitAfter(rest, "\n") {
		if options != "" && line == options { // what is left of the commented one
			options = ""
			continue
		}
		at := commented.FindStringIndex(line)
		switch {
		case at != nil:
			line = line[at[1]:]
			continued, options = true, ""
			if name, value := cutWord(line); strings.EqualFold(name, "TLSOptions") {
				options = "TLSOptions"
				for _, w := range words(value) {
					if option.MatchString(w) && !strings.EqualFold(w, tlsOptions[0]) && !strings.EqualFold(w, tlsOptions[1]) {
						options += " " + w
					}
				}
				options = strings.TrimSuffix(options+"\n", "TLSOptions\n")
			}
		case continued && strings.HasPrefix(line, "#   "):
			line = line[len("#   "):]
		default:
			continued, options = false, ""
		}
		continued = continued && strings.HasSuffix(line, "\\\n")
		out.WriteString(line)
	}
	return out.String()
}

// checkKeep holds a kept config to what Keep promises: every byte that is not
// ours survives, a second run changes nothing, and who reads it finds ours.
func checkKeep(t *testing.T, server, text string) {
	c, err := Read(server, oneFile(text))
	if err != nil {
		return
	}
	site := siteOf(server)
	kept, err := c.Keep(site, ours[server])
	if err != nil {
		return
	}
	out := kept.Files[0].Text
	if back := undo(out); !strings.Contains(text, "pasvctl") && strings.TrimSuffix(back, "\n") != strings.TrimSuffix(text, "\n") {
		t.Errorf("%s: of\n%q\nremains\n%q\nin\n%s", server, text, back, out)
	}
	again, err := Read(server, oneFile(string(out)))
	if err != nil {
		t.Fatalf("%s: cannot read what Keep wrote: %v\n%s", server, err, out)
	}
	twice, err := again.Keep(site, ours[server])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(twice.Files[0].Text, out) {
		t.Errorf("%s: a second run of\n%q\nmakes of\n%s\nthis:\n%s", server, text, out, twice.Files[0].Text)
	}
	own, err := Read(server, oneFile(ours[server].Process+ours[server].Server))
	if err != nil {
		t.Fatal(err)
	}
	host, err := again.hostOf(site)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range formats[server].owned {
		got, _ := again.values(g, host)
		want, _ := own.values(g, nil)
		line, _ := g.says(got)
		if wanted, _ := g.says(want); line != wanted && !(g.attr == "addresses" && host != nil) {
			t.Errorf("%s: %s reads %q, want %q, in\n%s", server, g.names, line, wanted, out)
		}
	}
}

var awkward = map[string][]string{
	"vsftpd": {
		"", "\n\n", "#", "listen_port=21", "pasv_min_port=1024\n  pasv_min_port=1025\r\n#pasv_min_port=1026\n", "local_umask=077\nssl_enable=YES\n\xe9\xff=\x01\n",
		"=\n==\nmax_clients\nmax_clients=\nuser_config_dir=/etc/vsftpd/users\n", "# pasvctl begin\nlisten_port=1\n# pasvctl end\n", "# pasvctl begin\nlocal_umask=077\n",
	},
	"proftpd": {
		"", "Port 0\n<VirtualHost 192.0.2.1>\nPort 2121\nTLSOptions NoSessionReuseRequired EnableDiags\n</VirtualHost>\n",
		"ModulePath /x\n<Global>\nPassivePorts 1024 \\\n 2048\nUmask 022\n</Global>\n<Anonymous ~ftp>\nMaxClients 3\nTLSRequired off\n</Anonymous>\n",
		"<IfModule mod_tls.c>\n TLSEngine off\n</IfModule>\n\"Port\" 21\npOrT 22 # x\n", "<Limit PORT>\nDenyAll\n</Limit>\n", "# x \\\nPort 23\n", "Port \\\n# 24\n 25\n",
		"<VirtualHost ftp.example.com>\nPort 2121\n</VirtualHost>\nPort 0\n", "<VirtualHost 192.0.2.1>\nPort 2121\n</VirtualHost>\n<VirtualHost 192.0.2.1>\nPort 2121\n</VirtualHost>\n",
		"TLSOptions \"NoSessionReuseRequired\"\nTLSOptions a useimplicitssl b", "Port 1\\", "<a>\n</b>\n", "</a>", "<a>", "Include /etc/proftpd/x.conf\n", "<VirtualHost 192.0.2.1>\nUmask 1\n</VirtualHost>\nPort 2121",
	},
}

func TestKeep(t *testing.T) {
	for server, texts := range awkward {
		for _, text := range texts {
			checkKeep(t, server, text)
		}
	}
	bases, err := filepath.Glob("../testdata/bases/*.conf")
	if err != nil || len(bases) < 8 {
		t.Fatal(bases, err)
	}
	for _, name := range bases {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		server, _, _ := strings.Cut(filepath.Base(name), "-")
		checkKeep(t, server, string(text))
	}
}

// FuzzKeep looks for a config that loses a byte, that another run changes, or
// in which ours are not in force.
func FuzzKeep(f *testing.F) {
	for server, texts := range awkward {
		for _, text := range texts {
			f.Add(server == "proftpd", text)
		}
	}
	f.Fuzz(func(t *testing.T, proftpd bool, text string) {
		server := "vsftpd"
		if proftpd {
			server = "proftpd"
		}
		checkKeep(t, server, text)
	})
}

// FuzzKeepPureFile does the same for pure-ftpd.conf.
func FuzzKeepPureFile(f *testing.F) {
	for _, text := range []string{"", "Bind ,21\n", " TLS 0 # x\n\"Bind\" 1,2\nMaxIdleTime\n#Umask\n", "PassivePortRange\t1 2\r\n\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkKeep(t, "pureftpd", text) })
}

// FuzzKeepFolder looks for a setting that is lost or stays owned by the base.
func FuzzKeepFolder(f *testing.F) {
	f.Add("Umask", "137 027\n")
	f.Add("PassivePortRange", "# x\n\n 30000 30009 \n")
	f.Add("ForcePassiveIP", "\x00")
	f.Add("notes.txt", "")
	f.Fuzz(func(t *testing.T, name, text string) {
		base := &spec.Base{Path: "conf", Folder: true, Files: []spec.BaseFile{{Name: name, Text: []byte(text)}}}
		c, err := Read("pureftpd", base)
		if err != nil {
			return
		}
		kept, err := c.KeepFolder(base, []spec.BaseFile{{Name: "PassivePortRange", Text: []byte("61000 61011")}})
		if err != nil {
			t.Fatal(err)
		}
		_, owned := Owned("pureftpd", name)
		if theirs := len(kept.Theirs) == 1; theirs != (!owned && setting.MatchString(name)) || theirs && string(kept.Theirs[0].Text) != text {
			t.Errorf("%q: %v", name, kept)
		}
	})
}

// FuzzInclude looks for includes that never end, or leave the folder.
func FuzzInclude(f *testing.F) {
	f.Add("Include /etc/proftpd/a.conf\n", "Include /etc/proftpd/base.conf\n")
	f.Add("<Global>\nInclude /etc/proftpd/d/\n</Global>\n", "Include /etc/proftpd/d/b.conf\n")
	f.Add("Include /etc/proftpd/d/*.conf\nInclude ../../x\n", "Port 1\n")
	f.Fuzz(func(t *testing.T, main, other string) {
		fsys := fstest.MapFS{
			"base.conf": {Data: []byte(main)}, "a.conf": {Data: []byte(other)}, "d/a.conf": {Data: []byte(other)}, "d/b.conf": {Data: []byte(main)},
		}
		base := oneFile(main)
		if Include(fsys, "proftpd", base) != nil {
			return
		}
		for _, file := range base.Files {
			if fsys[file.Name] == nil || !bytes.Equal(fsys[file.Name].Data, file.Text) {
				t.Errorf("read %q", file.Name)
			}
		}
		c, err := Read("proftpd", base)
		if err != nil {
			return
		}
		if _, err := c.Keep(siteOf("proftpd"), ours["proftpd"]); err != nil {
			t.Log(err)
		}
	})
}
