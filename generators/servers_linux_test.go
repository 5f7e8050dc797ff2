package generators

import (
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func eachServer(t *testing.T, test func(*testing.T, realServer)) {
	someServers(t, []string{"vsftpd", "proftpd", "pureftpd", "pyftpdlib"}, test)
}

func someServers(t *testing.T, names []string, test func(*testing.T, realServer)) {
	for _, server := range realServers {
		if !slices.Contains(names, server.name) {
			continue
		}
		t.Run(server.name, func(t *testing.T) {
			if inNamespaces(t, server) {
				test(t, server)
			}
		})
	}
}

// Each server starts with the rendered configuration and hands out every port
// of the computed range and no other, to sessions that hold their ports at the
// same time. 600 draws miss a given one of 12 ports with a probability below
// 1e-22; ProFTPD comes to the highest port only when it finds all others
// taken, and so twelve of its sessions hold one each.
func TestServersHandOutExactlyTheRange(t *testing.T) {
	eachServer(t, func(t *testing.T, server realServer) {
		crowd := 2
		if server.name == "proftpd" {
			crowd = 12
		}
		server.serve(t, realSite(server.name, func(s *plan.Site) {
			s.Sessions, s.SessionsPerAddress = max(6, crowd+4), crowd
		}))
		v4, v6 := net.JoinHostPort(serverAddresses[0], "2121"), net.JoinHostPort(serverAddresses[1], "2121")
		await(t, v4)
		await(t, v6)
		sessions := []holder{{mustSession(t, clientAddresses[3], v6), clientAddresses[3], true}}
		for i := range crowd {
			sessions = append(sessions, holder{mustSession(t, clientAddresses[0], v4), clientAddresses[0], i%2 == 0})
		}
		drawn := map[uint16]int{}
		for range 600 / len(sessions) {
			for _, session := range sessions {
				address, err := session.passive(session.extended)
				if err != nil {
					t.Fatal(err)
				}
				drawn[address.Port()]++
			}
		}
		if ports := slices.Sorted(maps.Keys(drawn)); len(ports) != 12 || ports[0] != 61000 || ports[11] != 61011 {
			t.Errorf("drew %v, want 61000 to 61011", drawn)
		}
		for _, session := range sessions[:3] {
			address, err := session.passive(session.extended)
			if err != nil {
				t.Fatal(err)
			}
			if content, err := session.retrieve("list.txt", session.from, address, false); err != nil || content != fileContent {
				t.Errorf("from %s to %s: %q, %v", session.from, address, content, err)
			}
		}
	})
}

// holder is a session that keeps the port it was given last.
type holder struct {
	*ftpSession
	from     string
	extended bool
}

// The old question at its plainest: vsftpd on one port. While one session holds
// it, another one's PASV is refused and ends that session, as the model has it;
// once the transfer is over the port serves the next.
func TestVsftpdOnOnePortServesOneSession(t *testing.T) {
	p, _ := sizing.Lookup("vsftpd")
	if refused := sizing.Refused(p, sizing.Workload{Sessions: 2}, 1); refused != 1 {
		t.Errorf("two sessions on one port: the model says %g", refused)
	}
	someServers(t, []string{"vsftpd"}, func(t *testing.T, server realServer) {
		server.serve(t, realSite(server.name, func(s *plan.Site) {
			s.Addresses = s.Addresses[:1]
			s.DataPorts = spec.PortRange{First: 61000, Last: 61000}
		}))
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		for round := range 3 {
			first, second := mustSession(t, clientAddresses[0], address), mustSession(t, clientAddresses[1], address)
			port, err := first.passive(false)
			if err != nil || port.Port() != 61000 {
				t.Fatalf("round %d: the first session: %s, %v", round, port, err)
			}
			if port, err := second.passive(false); err == nil {
				t.Errorf("round %d: the second session was given %s while the first holds the only port", round, port)
			}
			if content, err := first.retrieve("list.txt", clientAddresses[0], port, false); err != nil || content != fileContent {
				t.Errorf("round %d: the first session: %q, %v", round, content, err)
			}
			first.close()
			second.close()
		}
	})
}

// The caps that the range is computed for: three sessions an address, six in
// all.
func TestServersKeepTheCaps(t *testing.T) {
	eachServer(t, func(t *testing.T, server realServer) {
		server.serve(t, realSite(server.name, func(s *plan.Site) { s.Addresses = s.Addresses[:1] }))
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		admitted := func(from string) bool {
			s, err := dialFTP(from, address, nil)
			if err != nil {
				return false
			}
			if s.login() != nil {
				s.close()
				return false
			}
			t.Cleanup(s.close)
			return true
		}
		for _, client := range clientAddresses[:2] {
			for i := range 3 {
				in := false
				for try := 0; try < 40 && !in; try++ { // until a closed one is no longer counted
					time.Sleep(time.Duration(try) * 5 * time.Millisecond)
					in = admitted(client)
				}
				if !in {
					t.Fatalf("session %d from %s was refused", i+1, client)
				}
			}
			if admitted(client) {
				t.Errorf("a fourth session from %s was admitted", client)
			}
		}
		if admitted(clientAddresses[2]) {
			t.Error("a seventh session was admitted")
		}
	})
}

// Behind NAT the 227 reply names the announced address, and a data port is
// still bound to the server's own.
func TestServersAnnounceTheirAddress(t *testing.T) {
	eachServer(t, func(t *testing.T, server realServer) {
		server.serve(t, realSite(server.name, func(s *plan.Site) {
			s.Announce = netip.MustParseAddr("198.51.100.7")
			s.Addresses = s.Addresses[:1]
		}))
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		session := mustSession(t, clientAddresses[0], address)
		told, err := session.passive(false)
		if err != nil {
			t.Fatal(err)
		}
		if told.Addr().String() != "198.51.100.7" {
			t.Errorf("announced %s", told.Addr())
		}
		own := netip.AddrPortFrom(netip.MustParseAddr(serverAddresses[0]), told.Port())
		if content, err := session.retrieve("list.txt", clientAddresses[0], own, false); err != nil || content != fileContent {
			t.Errorf("%q, %v", content, err)
		}
	})
}

// A host name is resolved for the 227 reply, by the server.
func TestServersAnnounceAHostName(t *testing.T) {
	someServers(t, []string{"vsftpd", "proftpd", "pureftpd"}, func(t *testing.T, server realServer) {
		server.prepare = func(t *testing.T) { write(t, "/etc/hosts", "198.51.100.7 nat.example.com\n", 0o644) }
		server.serve(t, realSite(server.name, func(s *plan.Site) {
			s.AnnounceName = "nat.example.com"
			s.Addresses = s.Addresses[:1]
		}))
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		told, err := mustSession(t, clientAddresses[0], address).passive(false)
		if err != nil || told.Addr().String() != "198.51.100.7" {
			t.Errorf("announced %s, %v", told, err)
		}
	})
}

// No server tells strangers its version.
func TestServersKeepTheirVersion(t *testing.T) {
	eachServer(t, func(t *testing.T, server realServer) {
		server.serve(t, realSite(server.name, nil))
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		session := mustSession(t, clientAddresses[0], address)
		if regexp.MustCompile(`\d+\.\d+\.\d+`).MatchString(session.greeting) || session.greeting == "" {
			t.Errorf("greets with %q", session.greeting)
		}
	})
}

// A stranger who connects to a session's data port gets nothing.
func TestServersRefuseADataConnectionFromAStranger(t *testing.T) {
	eachServer(t, func(t *testing.T, server realServer) {
		server.serve(t, realSite(server.name, nil))
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		session := mustSession(t, clientAddresses[0], address)
		port, err := session.passive(false)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.raw.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if content, err := session.retrieve("list.txt", clientAddresses[1], port, false); content != "" {
			t.Errorf("the stranger got %q (%v)", content, err)
		}
	})
}

// TLS as the spec has it: required, with the control connection's session
// resumed on data connections where the server can demand that.
func TestServersSpeakTLS(t *testing.T) {
	secure := func(mode spec.TLSMode, required, reuse bool) spec.TLS {
		return spec.TLS{Mode: mode, Required: required, ReuseRequired: reuse, Certificate: certificate, Key: certificate}
	}
	cases := []struct {
		name    string
		tls     spec.TLS
		servers []string
	}{
		{"explicit and required", secure(spec.TLSExplicit, true, true), []string{"vsftpd", "proftpd", "pureftpd", "pyftpdlib"}},
		{"explicit, reuse preferred", secure(spec.TLSExplicit, false, false), []string{"vsftpd", "proftpd", "pureftpd"}},
		{"certificate at an odd path", spec.TLS{Mode: spec.TLSExplicit, Required: true, ReuseRequired: true, Certificate: oddPath, Key: oddPath}, []string{"vsftpd", "proftpd", "pyftpdlib"}},
		{"implicit", secure(spec.TLSImplicit, true, true), []string{"vsftpd", "proftpd"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			someServers(t, c.servers, func(t *testing.T, server realServer) {
				server.serve(t, realSite(server.name, func(s *plan.Site) { s.TLS = c.tls }))
				speakTLS(t, server, c.tls)
			})
		})
	}
}

// An upload under TLS that ends without close_notify: what each server makes of
// it is what explain and the diagnostics say.
func TestServersTakeTruncatedUploads(t *testing.T) {
	for written, code := range map[spec.Truncated]map[string]int{
		"":                   {"vsftpd": 226, "proftpd": 226, "pureftpd": 226},
		spec.RefuseTruncated: {"vsftpd": 426},
	} {
		t.Run("written "+string(written), func(t *testing.T) {
			someServers(t, slices.Collect(maps.Keys(code)), func(t *testing.T, server realServer) {
				server.serve(t, realSite(server.name, func(s *plan.Site) {
					s.TLS = spec.TLS{Mode: spec.TLSExplicit, Required: true, ReuseRequired: true, Certificate: certificate, Key: certificate}
					s.TruncatedUploads = written
				}))
				address := net.JoinHostPort(serverAddresses[0], "2121")
				await(t, address)
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					config := clientTLS(trustedRoots(t))
					config.MinVersion, config.MaxVersion = version, version
					session, err := dialFTP(clientAddresses[0], address, nil)
					if err == nil {
						t.Cleanup(session.close)
						err = session.authTLS(config)
					}
					if err == nil {
						err = session.login()
					}
					if err != nil {
						t.Fatal(err)
					}
					if got, err := session.storeTruncated("up", "half of it", clientAddresses[0]); err != nil || got != code[server.name] {
						t.Errorf("%s: %d, %v, want %d", tls.VersionName(version), got, err, code[server.name])
					}
				}
			})
		})
	}
}

func speakTLS(t *testing.T, server realServer, want spec.TLS) {
	address := net.JoinHostPort(serverAddresses[0], "2121")
	await(t, address)
	config := clientTLS(trustedRoots(t))
	connect := func(protect bool) (*ftpSession, error) {
		var implicit *tls.Config
		if want.Mode == spec.TLSImplicit {
			implicit = config
		}
		s, err := dialFTP(clientAddresses[0], address, implicit)
		if err != nil {
			return nil, err
		}
		t.Cleanup(s.close)
		if protect && implicit == nil {
			if err := s.authTLS(config); err != nil {
				return nil, err
			}
		}
		return s, s.login()
	}
	if want.Mode == spec.TLSExplicit {
		if _, err := connect(false); (err != nil) != want.Required {
			t.Errorf("login in clear text: %v", err)
		}
	}
	for _, resume := range []bool{true, false} {
		session, err := connect(true)
		if err != nil {
			t.Fatal(err)
		}
		port, err := session.passive(true)
		if err != nil {
			t.Fatal(err)
		}
		if !(61000 <= port.Port() && port.Port() <= 61011) {
			t.Errorf("port %d", port.Port())
		}
		content, err := session.retrieve("list.txt", clientAddresses[0], port, resume)
		refused := !resume && want.ReuseRequired && server.name != "pureftpd" && server.name != "pyftpdlib"
		if refused && content != "" {
			t.Errorf("a data connection in a TLS session of its own got %q", content)
		}
		if !refused && (err != nil || content != fileContent) {
			t.Errorf("resumed %v: %q, %v", resume, content, err)
		}
	}
}
