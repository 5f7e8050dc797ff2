package generators

import (
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// base is a config in the shape of those that people have, and what shows that
// it is in force.
type base struct {
	name           string // in testdata/bases
	server         string
	setUp          func(t *testing.T)
	user, password string
	greeting       string      // a part of it
	home           string      // where the user's uploads go
	mode           os.FileMode // of an upload, by the base's umask
	anonymous      bool
	v4             bool                              // the site has no IPv6 address
	also           func(t *testing.T, s *ftpSession) // on a session of the user's
}

var realBases = []base{
	{
		name: "vsftpd-virtual.conf", server: "vsftpd", setUp: virtualByDB, user: "partner", password: "theirs",
		greeting: "Partner exchange", home: "/home/shop/partner", mode: 0o640,
		also: func(t *testing.T, s *ftpSession) { // the account itself cannot log in: its password is not in the DB
			if err := mustDial(t, s).loginAs("shop", "secret"); err == nil {
				t.Error("shop logs in, and is no virtual user")
			}
		},
	},
	{
		name: "vsftpd-anonymous.conf", server: "vsftpd", user: "shop", password: "secret",
		greeting: "Firmware mirror", home: "/home/shop", mode: 0o600, anonymous: true,
		setUp: func(t *testing.T) {
			anonymousAccount(t)
			write(t, "/home/shop/docs/.welcome", "read me first\n", 0o644)
		},
		also: func(t *testing.T, s *ftpSession) {
			if said, err := s.cmd(250, "CWD docs"); err != nil || !strings.Contains(said, "read me first") {
				t.Errorf("the folder's message: %q, %v", said, err)
			}
		},
	},
	{
		name: "vsftpd-container.conf", server: "vsftpd", user: "shop", password: "secret", greeting: "container-ftp", home: "/home/shop", mode: 0o664, v4: true,
		also: func(t *testing.T, s *ftpSession) { // port_enable is theirs
			if _, err := s.cmd(200, "PORT 10,99,0,11,200,1"); err != nil {
				t.Error(err)
			}
		},
	},
	{
		name: "vsftpd-latin1.conf", server: "vsftpd", user: "shop", password: "secret", greeting: "Bienvenue", home: "/home/shop", mode: 0o640,
		also: func(t *testing.T, s *ftpSession) {
			if code := s.ask("DELE list.txt"); code != 550 {
				t.Errorf("DELE, which the base denies: %d", code)
			}
		},
	},
	{
		name: "proftpd-global.conf", server: "proftpd", user: "shop", password: "secret", greeting: "Example FTP", home: "/home/shop", mode: 0o660,
		anonymous: true, setUp: anonymousAccount,
		also: func(t *testing.T, s *ftpSession) {
			if code := s.ask("CWD a.b/"); code < 500 {
				t.Errorf("a path that DenyFilter denies: %d", code)
			}
		},
	},
	{
		name: "proftpd-virtual-users.conf", server: "proftpd", user: "virt", password: "secret", greeting: "Files of Example", home: "/home/shop", mode: 0o640,
		setUp: func(t *testing.T) {
			write(t, "/etc/proftpd/ftpd.passwd", "virt:"+passwordHash(t)+":2000:2000::/home/shop:/bin/false\n", 0o600)
		},
		also: func(t *testing.T, s *ftpSession) {
			if code := s.ask("SITE CHMOD 777 list.txt"); code < 500 {
				t.Errorf("SITE CHMOD, which the base denies: %d", code)
			}
		},
	},
	{
		name: "proftpd-hosts.conf", server: "proftpd", user: "shop", password: "secret", greeting: "Company A", home: "/home/shop", mode: 0o600, v4: true,
		also: func(t *testing.T, _ *ftpSession) { // the other server of the process has its own range
			other, err := dialFTP(clientAddresses[1], serverAddresses[0]+":2122", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer other.close()
			if !strings.Contains(other.greeting, "Company B") {
				t.Errorf("the other server greets with %q", other.greeting)
			}
			if err := other.login(); err != nil {
				t.Fatal(err)
			}
			if text, _ := os.ReadFile("/etc/proftpd/proftpd.conf"); !strings.Contains(string(text), "\nMaxInstances 60\n") {
				t.Errorf("the cap of all servers together is not theirs any more:\n%s", text)
			}
			if port, err := other.passive(true); err != nil || port.Port() < 50000 || 50175 < port.Port() {
				t.Errorf("the other server: %s, %v", port, err)
			}
		},
	},
	{
		name: "proftpd-panel.conf", server: "proftpd", user: "shop", password: "secret", greeting: "Panel FTP", home: "/home/shop", mode: 0o640,
		setUp: func(t *testing.T) { write(t, "/etc/proftpd/conf.d/late.conf", "PassivePorts 52000 52001\n", 0o644) },
	},
	{
		name: "pureftpd-puredb", server: "pureftpd", setUp: pureDB, user: "virt", password: "secret", greeting: "Fortune", home: "/home/shop/virt", mode: 0o640,
		also: func(t *testing.T, s *ftpSession) {
			if err := mustDial(t, s).login(); err == nil {
				t.Error("shop logs in, and is not in the PureDB")
			}
		},
	},
	{
		name: "pureftpd-file.conf", server: "pureftpd", user: "shop", password: "secret", greeting: "Warehouse", home: "/home/shop", mode: 0o640,
		setUp: func(t *testing.T) { write(t, "/etc/pure-ftpd/welcome", "Warehouse files\n", 0o644) },
		also: func(t *testing.T, s *ftpSession) {
			if code := s.ask("SITE CHMOD 777 list.txt"); code < 500 {
				t.Errorf("SITE CHMOD, which the base denies: %d", code)
			}
		},
	},
	{
		name: "pureftpd-anonymous", server: "pureftpd", user: "shop", password: "secret", greeting: "Pure-FTPd", home: "/home/shop", mode: 0o600,
		also: func(t *testing.T, s *ftpSession) {
			if code := s.ask("SITE CHMOD 777 list.txt"); code < 500 {
				t.Errorf("SITE CHMOD, which the base denies: %d", code)
			}
		},
	},
}

// Each base runs with our lines in it: its own settings work, and the data
// ports are ours, in clear text and under TLS.
func TestServersRunOnTheirOwnersConfigs(t *testing.T) {
	t.Parallel()
	for _, b := range realBases {
		t.Run(b.name, func(t *testing.T) {
			for name, protection := range map[string]spec.TLS{
				"clear text": {Mode: spec.TLSOff},
				"TLS":        {Mode: spec.TLSExplicit, Required: true, ReuseRequired: true, Certificate: certificate, Key: certificate},
			} {
				t.Run(name, func(t *testing.T) {
					server := realServerOf(b.server, kinds[b.server].New())
					if inNamespaces(t, server) {
						runs(t, b, server, protection)
					}
				})
			}
		})
	}
}

func runs(t *testing.T, b base, server realServer, protection spec.TLS) {
	server.target = silent{server.target}
	server.prepare = b.setUp
	server.serve(t, realSite(b.server, func(s *plan.Site) {
		s.TLS, s.Base = protection, readBase(t, b.name)
		if b.v4 {
			s.Addresses = s.Addresses[:1]
		}
	}))
	address := net.JoinHostPort(serverAddresses[0], "2121")
	await(t, address)
	open := func() *ftpSession {
		s, err := dialFTP(clientAddresses[0], address, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		if protection.Required {
			if err := s.loginAs(b.user, b.password); err == nil {
				t.Error("logs in without TLS, which is required")
			}
			s.close()
			if s, err = dialFTP(clientAddresses[0], address, nil); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.close)
			if err := s.authTLS(clientTLS(trustedRoots(t))); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	s := open()
	if !strings.Contains(s.greeting, b.greeting) {
		t.Errorf("greets with %q, want %q", s.greeting, b.greeting)
	}
	if err := s.loginAs(b.user, b.password); err != nil {
		t.Fatal(err)
	}
	drawn := map[uint16]bool{}
	for i := range 120 {
		port, err := s.passive(i%2 == 0)
		if err != nil {
			t.Fatal(err)
		}
		drawn[port.Port()] = true
		if port.Addr().String() != serverAddresses[0] {
			t.Fatalf("announced %s", port.Addr())
		}
	}
	for port := range drawn {
		if port < 61000 || 61011 < port {
			t.Errorf("a port of another range: %d", port)
		}
	}
	if len(drawn) < 8 {
		t.Errorf("drew only %v", slices.Sorted(maps.Keys(drawn)))
	}
	if err := s.store("upload.bin", "theirs", clientAddresses[0]); err != nil {
		t.Error(err)
	} else if info, err := os.Stat(filepath.Join(b.home, "upload.bin")); err != nil || info.Mode().Perm() != b.mode {
		t.Errorf("the upload: %v, %v, want mode %o", info, err, b.mode)
	}
	if b.also != nil {
		b.also(t, s)
	}
	if b.anonymous {
		a, err := dialFTP(clientAddresses[1], address, nil)
		if err == nil && protection.Required {
			t.Cleanup(a.close)
			err = a.authTLS(clientTLS(trustedRoots(t)))
		}
		if err == nil {
			err = a.loginAs("anonymous", "guest@")
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := a.store("intruder", "x", clientAddresses[1]); err == nil {
			t.Error("anonymous may write")
		}
	}
}

// silent renders without the warnings, which bases of other ranges bring.
type silent struct{ Target }

func (s silent) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	files, diags := s.Target.Files(p)
	if diags.HasErrors() {
		return nil, diags
	}
	return files, nil
}

// readBase reads a base as the loader of a spec does.
func readBase(t *testing.T, name string) *spec.Base {
	t.Helper()
	at := filepath.Join("testdata", "bases", name)
	names := []string{at}
	b := &spec.Base{Path: name}
	if entries, err := os.ReadDir(at); err == nil {
		b.Folder, names = true, nil
		for _, e := range entries {
			names = append(names, filepath.Join(at, e.Name()))
		}
	}
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		b.Files = append(b.Files, spec.BaseFile{Name: filepath.Base(n), Text: text})
	}
	if !b.Folder {
		server, _, _ := strings.Cut(name, "-")
		if err := serverconf.Include(os.DirFS("testdata/bases"), server, b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// mustDial opens another session as another client, with TLS if s has it.
func mustDial(t *testing.T, s *ftpSession) *ftpSession {
	t.Helper()
	other, err := dialFTP(clientAddresses[2], s.raw.RemoteAddr().String(), nil)
	if err == nil {
		t.Cleanup(other.close)
		if s.config != nil {
			err = other.authTLS(s.config)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// anonymousAccount is what servers map anonymous sessions to. Its home is not
// its own: vsftpd refuses one that it may write to.
func anonymousAccount(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/etc/passwd", os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("ftp:x:2002:65534::/home/shop:/bin/false\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// passwordHash is that of shop, whose password is secret.
func passwordHash(t *testing.T) string {
	t.Helper()
	shadow, err := os.ReadFile("/etc/shadow")
	if err != nil {
		t.Fatal(err)
	}
	_, entry, _ := strings.Cut(string(shadow), "\nshop:")
	hash, _, _ := strings.Cut(entry, ":")
	return hash
}

// homeOf makes a virtual user's home.
func homeOf(t *testing.T, name string) {
	t.Helper()
	home := "/home/shop/" + name
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, 2000, 2000); err != nil {
		t.Fatal(err)
	}
}

// virtualByDB keeps virtual users in a Berkeley DB, which pam_userdb reads.
func virtualByDB(t *testing.T) {
	homeOf(t, "partner")
	write(t, "/etc/pam.d/vsftpd.virtual", "auth required pam_userdb.so db=/etc/vsftpd-users\naccount required pam_userdb.so db=/etc/vsftpd-users\n", 0o644)
	run(t, "perl", "-MDB_File", "-e", `tie my %users, "DB_File", "/etc/vsftpd-users.db", O_RDWR|O_CREAT, 0600, $DB_HASH or die; $users{partner} = "theirs"`)
}

// pureDB keeps a virtual user in a PureDB, made by pure-pw(8).
func pureDB(t *testing.T) {
	homeOf(t, "virt")
	write(t, "/etc/pure-ftpd/welcome", "Fortune favours the prepared.\n", 0o644)
	cmd := exec.Command("pure-pw", "useradd", "virt", "-u", "2000", "-g", "2000", "-d", "/home/shop/virt", "-f", "/etc/pure-ftpd/pureftpd.passwd")
	cmd.Stdin = strings.NewReader("secret\nsecret\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	run(t, "pure-pw", "mkdb", "/etc/pure-ftpd/pureftpd.pdb", "-f", "/etc/pure-ftpd/pureftpd.passwd")
	if err := os.Symlink("../conf/PureDB", "/etc/pure-ftpd/auth/50pure"); err != nil {
		t.Fatal(err)
	}
}
