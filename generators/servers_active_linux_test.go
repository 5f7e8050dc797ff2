package generators

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// withActiveMode gives a site active mode, with the server's own way to it.
func withActiveMode(t *testing.T, s *plan.Site) {
	t.Helper()
	s.ActiveMode = true
	known, ok := sizing.Lookup(s.Server)
	if !ok {
		t.Fatal(s.Server)
	}
	s.Profile.ActiveFrom = known.ActiveFrom
}

// fetchActive fetches a file in active mode: it listens on the client's address,
// names that port, and returns the content and where the server came from.
func (s *ftpSession) fetchActive(client, name string, patience time.Duration) (content string, from netip.AddrPort, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(client)})
	if err != nil {
		return "", from, err
	}
	defer l.Close()
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", from, err
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	command := fmt.Sprintf("EPRT |2|%s|%d|", client, port)
	if !strings.Contains(client, ":") {
		command = fmt.Sprintf("PORT %s,%d,%d", strings.ReplaceAll(client, ".", ","), port>>8, port&255)
	}
	if _, err := s.cmd(200, "%s", command); err != nil {
		return "", from, err
	}
	if err := s.text.PrintfLine("RETR %s", name); err != nil {
		return "", from, err
	}
	raw, err := l.Accept()
	if err != nil {
		return "", from, err
	}
	defer raw.Close()
	from = netip.MustParseAddrPort(raw.RemoteAddr().String())
	if err := raw.SetDeadline(time.Now().Add(ftpPatience)); err != nil {
		return "", from, err
	}
	if s.private {
		raw = tls.Client(raw, s.config)
	}
	text, err := io.ReadAll(raw)
	if err != nil {
		return "", from, err
	}
	raw.Close()
	if _, _, err = s.text.ReadResponse(1); err == nil {
		_, _, err = s.text.ReadResponse(226)
	}
	return string(text), from, err
}

// With active_mode each server connects to its client, and to nobody else, from the
// port that the rules let out, in clear text and under TLS.
func TestServersServeActiveMode(t *testing.T) {
	for name, protection := range map[string]spec.TLS{
		"clear text": {Mode: spec.TLSOff},
		"TLS":        {Mode: spec.TLSExplicit, Required: true, ReuseRequired: true, Certificate: certificate, Key: certificate},
	} {
		t.Run(name, func(t *testing.T) {
			someServers(t, []string{"vsftpd", "proftpd", "pureftpd", "pyftpdlib"}, func(t *testing.T, server realServer) {
				p := realSite(server.name, func(s *plan.Site) { s.TLS, s.SessionsPerAddress = protection, 6; withActiveMode(t, s) })
				server.serve(t, p)
				awaitBoth(t)
				for i, address := range serverAddresses {
					client := clientAddresses[3*i]
					session := activeSession(t, client, address, protection)
					for range 3 {
						content, from, err := session.fetchActive(client, "list.txt", 3*time.Second)
						if err != nil || content != fileContent {
							t.Fatalf("from %s: %q, %v", from, content, err)
						}
						if from.Addr().String() != address || !p.Sites[0].Policy.Active.Contains(from.Port()) {
							t.Errorf("a data connection from %s, and the rules let out %s", from, p.Sites[0].Policy.Active)
						}
					}
					session.close()
				}
				// While two other sessions wait with a port named.
				for range 2 {
					waiting := activeSession(t, clientAddresses[0], serverAddresses[0], protection)
					l, err := net.Listen("tcp", net.JoinHostPort(clientAddresses[0], "0"))
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					if code := waiting.ask(activeCommandsTo(l)); code != 200 {
						t.Fatalf("PORT: %d", code)
					}
				}
				session := activeSession(t, clientAddresses[0], serverAddresses[0], protection)
				if content, from, err := session.fetchActive(clientAddresses[0], "list.txt", 3*time.Second); err != nil || content != fileContent || !p.Sites[0].Policy.Active.Contains(from.Port()) {
					t.Errorf("beside others, from %s: %q, %v", from, content, err)
				}
				session.close()
				session = activeSession(t, clientAddresses[1], serverAddresses[0], protection)
				if content, from, err := session.fetchActive(clientAddresses[1], "list.txt", 3*time.Second); err != nil || content != fileContent || !p.Sites[0].Policy.Active.Contains(from.Port()) {
					t.Errorf("beside others, from %s: %q, %v", from, content, err)
				}
				session.close()
				session = activeSession(t, clientAddresses[0], serverAddresses[0], protection)
				for _, command := range activeCommands(clientAddresses[1]) {
					if code := session.ask(command); code < 500 {
						t.Errorf("%s, to another client: %d", command, code)
					}
				}
				session.close()
				session = activeSession(t, clientAddresses[0], serverAddresses[0], protection)
				if code := session.ask("PORT " + strings.ReplaceAll(clientAddresses[0], ".", ",") + ",3,255"); code < 500 {
					t.Errorf("PORT to port 1023: %d", code)
				}
			})
		})
	}
}

// awaitBoth waits until the server listens on both addresses.
func awaitBoth(t *testing.T) {
	t.Helper()
	for _, address := range serverAddresses {
		await(t, net.JoinHostPort(address, "2121"))
	}
}

func activeCommandsTo(l net.Listener) string {
	a := l.Addr().(*net.TCPAddr)
	return fmt.Sprintf("PORT %s,%d,%d", strings.ReplaceAll(a.IP.String(), ".", ","), a.Port>>8, a.Port&255)
}

func activeSession(t *testing.T, client, server string, protection spec.TLS) *ftpSession {
	t.Helper()
	address := net.JoinHostPort(server, "2121")
	session, err := dialFTP(client, address, nil)
	if err == nil {
		t.Cleanup(session.close)
		if protection.Required {
			err = session.authTLS(clientTLS(trustedRoots(t)))
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

// A base config that denies active mode, or opens it from another port, gives way to
// the spec, and one that allows it to active_mode = false. Without active_mode it stays.
func TestActiveModeOnABaseConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		text   string
		active *bool // nil: the spec does not say
		serves bool
	}{
		"vsftpd-theirs":  {"port_enable=YES\n", nil, true},
		"vsftpd-on":      {"port_enable=NO\nftp_data_port=99\n", new(true), true},
		"vsftpd-off":     {"port_enable=YES\nconnect_from_port_20=YES\n", new(false), false},
		"proftpd-on":     {"RootRevoke off\n<Limit PORT EPRT>\n  DenyAll\n</Limit>\n<Global>\n<Limit PORT>\nDenyAll\n</Limit>\n</Global>\n", new(true), true},
		"proftpd-theirs": {"RootRevoke off\n", nil, true},
		"proftpd-off":    {"<Limit PORT EPRT>\n  AllowAll\n</Limit>\n", new(false), false},
	} {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, "-")
			server := realServerOf(kind, silent{kinds[kind].New()})
			if !inNamespaces(t, server) {
				return
			}
			text := "ftp_username=shop\nsecure_chroot_dir=/run/vsftpd/empty\nseccomp_sandbox=NO\nlocal_enable=YES\npam_service_name=vsftpd\n"
			if kind == "proftpd" {
				text = "User proftpd\nGroup nogroup\nAuthPAMConfig proftpd\n"
			}
			server.serve(t, realSite(kind, func(s *plan.Site) {
				s.Base = &spec.Base{Path: "b.conf", Files: []spec.BaseFile{{Name: "b.conf", Text: []byte(text + tt.text)}}}
				delete(s.Ranges, "active_mode")
				if tt.active != nil {
					withActiveMode(t, s)
					s.ActiveMode, s.Ranges["active_mode"] = *tt.active, s.Ranges["server"]
				}
			}))
			awaitBoth(t)
			session := activeSession(t, clientAddresses[0], serverAddresses[0], spec.TLS{})
			content, from, err := session.fetchActive(clientAddresses[0], "list.txt", 3*time.Second)
			if (content == fileContent) != tt.serves {
				t.Errorf("from %s: %q, %v", from, content, err)
			}
			if kind == "vsftpd" && tt.active != nil && *tt.active && from.Port() != 20 {
				t.Errorf("from %s", from)
			}
			if want := map[bool]bool{true: from.Port() == 2120, false: from.Port() >= 32768}[tt.active == nil]; kind == "proftpd" && tt.serves && !want {
				t.Errorf("from %s", from)
			}
		})
	}
}

// On a host whose output chain drops, active mode works with the rules and not
// without them, and they let nothing in.
func TestRulesLetActiveModeOut(t *testing.T) {
	for backend, servers := range map[string][]string{"nftables": {"vsftpd", "proftpd", "pureftpd", "pyftpdlib"}, "iptables": {"vsftpd"}} {
		t.Run(backend, func(t *testing.T) {
			someServers(t, servers, func(t *testing.T, server realServer) {
				var p *plan.Plan
				rendered := func(active bool) map[string]string {
					p = realSite(server.name, func(s *plan.Site) {
						s.Clients = []netip.Prefix{netip.MustParsePrefix("10.99.0.11/32"), netip.MustParsePrefix("10.99.0.13/32"), netip.MustParsePrefix("fd00:99::/64")}
						s.Host.Firewall = &spec.Chain{Family: "inet", Table: "filter", Chain: "input"}
						s.Host.Output = &spec.Chain{Family: "inet", Table: "filter", Chain: "output"}
						if active {
							withActiveMode(t, s)
						}
					})
					if active {
						server.serve(t, p)
						awaitBoth(t)
					}
					return mustFiles(t, kinds[backend].New(), p)
				}
				without, with := rendered(false), rendered(true)
				load := droppingHost(t, backend)
				fetch := func(client, address string, patience time.Duration) error {
					session := activeSession(t, client, address, spec.TLS{})
					defer session.close()
					// pyftpdlib connects before it replies.
					if err := session.raw.SetDeadline(time.Now().Add(patience)); err != nil {
						return err
					}
					content, _, err := session.fetchActive(client, "list.txt", patience)
					if err == nil && content != fileContent {
						err = fmt.Errorf("got %q", content)
					}
					return err
				}
				admitted := map[bool]string{}
				for _, active := range []bool{false, true} {
					load(map[bool]map[string]string{true: with, false: without}[active])
					for i, address := range serverAddresses[:map[bool]int{true: 2, false: 1}[active]] {
						if err := fetch(clientAddresses[3*i], address, map[bool]time.Duration{true: ftpPatience, false: time.Second}[active]); (err == nil) != active {
							t.Errorf("%s, with the rules %t: %v", address, active, err)
						}
					}
					admitted[active] = admits(t)
				}
				if admitted[true] != admitted[false] || !strings.Contains(admitted[true], ":2121") {
					t.Errorf("the host admits %s, and without active mode %s", admitted[true], admitted[false])
				}
				data := int(p.Sites[0].Policy.Active.First)
				if !connects(t, serverAddresses[0], data, clientAddresses[0], 5000) {
					t.Errorf("no connection from port %d to a client goes out", data)
				}
				// From the data port to another address than a client's.
				if connects(t, serverAddresses[0], data, clientAddresses[1], 5000) {
					t.Error("a connection from port 20 to an address that is no client's went out")
				}
				if connects(t, serverAddresses[0], data, clientAddresses[0], 1023) {
					t.Error("a connection to port 1023 of a client went out")
				}
			})
		})
	}
}

// droppingHost has chains that drop incoming and outgoing packets, except those of
// established connections and what clients send, and returns what loads rendered
// rules as their headers say.
func droppingHost(t *testing.T, backend string) func(files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	if backend == "nftables" {
		write(t, dir+"/host", `table inet filter {
	chain input { type filter hook input priority 0; policy drop; ct state established accept; ip daddr 10.99.0.11-10.99.0.13 accept; ip6 daddr fd00:99::11 accept; meta l4proto ipv6-icmp accept; }
	chain output { type filter hook output priority 0; policy drop; ct state established accept; ip saddr 10.99.0.11-10.99.0.13 accept; ip6 saddr fd00:99::11 accept; meta l4proto ipv6-icmp accept; }
}
`, 0o644)
		run(t, "nft", "-f", dir+"/host")
	} else {
		for _, f := range []struct{ command, clients, all string }{{"iptables", "10.99.0.0/24", "10.99.0.1"}, {"ip6tables", "fd00:99::/64", "fd00:99::1"}} {
			for _, rule := range []string{"-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
				"-A INPUT ! -d " + f.all + " -j ACCEPT", "-A OUTPUT ! -s " + f.all + " -j ACCEPT", "-P INPUT DROP", "-P OUTPUT DROP"} {
				run(t, f.command, strings.Fields(rule)...)
			}
		}
	}
	return func(files map[string]string) {
		for path, content := range files {
			write(t, filepath.Join(dir, filepath.Base(path)), content, 0o644)
		}
		script := `nft -f nftables.nft && { nft list chain inet filter output | grep -q 'comment "pasvctl"' || nft -f nftables.jump.nft; }`
		if backend == "iptables" {
			script = `ipset restore -exist < ipset
for p in iptables:v4 ip6tables:v6; do
	c=${p%:*}; $c-restore -w --noflush iptables.${p#*:}
	$c -w -C INPUT -m comment --comment pasvctl -j PASVCTL 2>/dev/null || $c -w -I INPUT -m comment --comment pasvctl -j PASVCTL
	if grep -q ^:PASVCTL-OUT iptables.${p#*:}; then $c -w -I OUTPUT -m comment --comment pasvctl -j PASVCTL-OUT; fi
done`
		}
		run(t, "bash", "-ec", "cd "+dir+"\n"+script)
	}
}

// admits lists the ports of the server's address on which a client's connection
// gets through, among those that matter and some that do not.
func admits(t *testing.T) string {
	t.Helper()
	ports := []int{20, 21, 1023, 2120, 2121, 5000, 40000, 61000, 61011, 61012}
	open := make([]string, len(ports))
	var tries sync.WaitGroup
	for i, port := range ports {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(serverAddresses[0]), Port: port})
		if err == nil {
			defer l.Close()
		}
		tries.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddresses[0])}, Timeout: time.Second}
			if c, err := d.Dial("tcp", net.JoinHostPort(serverAddresses[0], fmt.Sprint(port))); err == nil {
				open[i] = fmt.Sprint(":", port)
				c.Close()
			}
		})
	}
	tries.Wait()
	return strings.Join(open, " ")
}

// connects reports whether a connection from the server's machine gets through.
func connects(t *testing.T, from string, port int, to string, toPort int) bool {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(to), Port: toPort})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from), Port: port}, Timeout: 300 * time.Millisecond, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
	}}
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Logf("from port %d: %v", port, err)
		return false
	}
	c.Close()
	return true
}
