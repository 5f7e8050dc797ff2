package generators

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// With foreign_data a data connection from another address than the control
// connection's is served, in clear text and under TLS, while PORT and EPRT are
// refused to that address and to the client's own, before log-in and after. All
// other commands go on as ever.
func TestServersServeForeignData(t *testing.T) {
	for name, protection := range map[string]spec.TLS{
		"clear text": {Mode: spec.TLSOff},
		"TLS":        {Mode: spec.TLSExplicit, Required: true, ReuseRequired: true, Certificate: certificate, Key: certificate},
	} {
		t.Run(name, func(t *testing.T) {
			someServers(t, []string{"vsftpd", "proftpd", "pyftpdlib"}, func(t *testing.T, server realServer) {
				server.serve(t, realSite(server.name, func(s *plan.Site) { s.TLS, s.ForeignData = protection, true }))
				address := net.JoinHostPort(serverAddresses[0], "2121")
				await(t, address)
				var config *tls.Config
				if protection.Required {
					config = clientTLS(trustedRoots(t))
				}
				session := foreignSession(t, address, config)
				for _, from := range []string{clientAddresses[1], clientAddresses[0], clientAddresses[2]} {
					for _, extended := range []bool{true, false} {
						port, err := session.passive(extended)
						if err != nil {
							t.Fatal(err)
						}
						if content, err := session.retrieve("list.txt", from, port, true); err != nil || content != fileContent {
							t.Errorf("from %s: %q, %v", from, content, err)
						}
					}
				}
				if protection.Required && server.name != "pyftpdlib" { // a thief without the session
					port, err := session.passive(true)
					if err != nil {
						t.Fatal(err)
					}
					if content, _ := session.retrieve("list.txt", clientAddresses[1], port, false); content != "" {
						t.Errorf("a data connection in a TLS session of its own got %q", content)
					}
					session = foreignSession(t, address, config)
				}
				refusesActive(t, session)
				for _, command := range []string{"MKD d", "CWD d", "CDUP", "RMD d", "SIZE list.txt", "NOOP"} {
					if code := session.ask(command); code >= 400 {
						t.Errorf("%s: %d", command, code)
					}
				}
			})
		})
	}
}

// foreignSession has been refused PORT before it logged in.
func foreignSession(t *testing.T, address string, config *tls.Config) *ftpSession {
	t.Helper()
	session, err := dialFTP(clientAddresses[0], address, nil)
	if err == nil {
		t.Cleanup(session.close)
		refusesActive(t, session)
		if config != nil {
			err = session.authTLS(config)
		}
	}
	if err == nil {
		err = session.login()
	}
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func refusesActive(t *testing.T, session *ftpSession) {
	t.Helper()
	for _, client := range clientAddresses[:2] {
		for _, command := range activeCommands(client) {
			if code := session.ask(command); code < 500 {
				t.Errorf("%s: %d", command, code)
			}
		}
	}
}

func activeCommands(client string) []string {
	return []string{"PORT " + strings.ReplaceAll(client, ".", ",") + ",200,1", fmt.Sprintf("EPRT |1|%s|51201|", client)}
}

// ask is the code of the reply to a command; 0 if there is none.
func (s *ftpSession) ask(command string) int {
	if s.text.PrintfLine("%s", command) != nil {
		return 0
	}
	code, _, _ := s.text.ReadResponse(0)
	return code
}

// Pure-FTPd cannot have foreign_data: what admits data connections from other
// addresses has it take PORT and EPRT to them, too.
func TestPureFTPdCannotSeparateForeignData(t *testing.T) {
	for name, allowed := range map[string]bool{"as rendered": false, "AllowUserFXP": true} {
		t.Run(name, func(t *testing.T) {
			someServers(t, []string{"pureftpd"}, func(t *testing.T, server realServer) {
				if allowed {
					server.target = withFXP{server.target}
				}
				server.serve(t, realSite(server.name, nil))
				address := net.JoinHostPort(serverAddresses[0], "2121")
				await(t, address)
				session := mustSession(t, clientAddresses[0], address)
				for _, command := range activeCommands(clientAddresses[1]) {
					if code := session.ask(command); (code < 500) != allowed {
						t.Errorf("%s: %d", command, code)
					}
				}
				if err := session.raw.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
					t.Fatal(err)
				}
				port, err := session.passive(false)
				if err != nil {
					t.Fatal(err)
				}
				if content, err := session.retrieve("list.txt", clientAddresses[1], port, false); (content == fileContent) != allowed {
					t.Errorf("from another address: %q, %v", content, err)
				}
			})
		})
	}
}

// withFXP adds Pure-FTPd's AllowUserFXP to what its target renders.
type withFXP struct{ Target }

func (w withFXP) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	files, diags := w.Target.Files(p)
	return append(files, File{Path: "AllowUserFXP", Content: []byte("yes\n")}), diags
}
