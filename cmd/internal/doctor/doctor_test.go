package doctor

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/portowner"
	"github.com/pasvctl/pasvctl/cmd/internal/presence"
	"github.com/pasvctl/pasvctl/cmd/internal/shadow"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

var (
	now    = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	server = netip.MustParseAddr("203.0.113.10")
)

// healthy is a host with one site and a machine that has nothing against it.
func healthy() (*plan.Host, *fstest.MapFS, *Machine) {
	h := &spec.Host{Name: "edge1", Addresses: []netip.Addr{server}, EphemeralPorts: spec.PortRange{First: 32768, Last: 60999}}
	s := &plan.Site{
		Site: &spec.Site{Name: "downloads", Host: h, Addresses: h.Addresses, Server: "vsftpd", Port: 21,
			TLS:      spec.TLS{Mode: spec.TLSExplicit, Certificate: "/etc/ssl/ftp.pem"},
			Workload: sizing.Workload{Sessions: 400, SessionsPerAddress: 50}},
		DataPorts: spec.PortRange{First: 61000, Last: 61099},
	}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	files := &fstest.MapFS{
		"proc/sys/net/ipv4/ip_local_port_range":         file("32768\t60999\n"),
		reservedFile:                                    file("8080,61000-61099\n"),
		"proc/sys/net/netfilter/nf_conntrack_max":       file("262144\n"),
		"proc/sys/net/netfilter/nf_conntrack_count":     file("12\n"),
		"proc/sys/net/core/somaxconn":                   file("4096\n"),
		"etc/ssl/ftp.pem":                               file(certificate(now.AddDate(0, -1, 0), now.AddDate(1, 0, 0))),
		"sys/fs/selinux/enforce":                        file("1"),
		"sys/fs/selinux/booleans/ftpd_use_passive_mode": file("1 1"),
	}
	m := &Machine{
		Root:       files,
		Sockets:    func(portowner.Filter) ([]portowner.Owner, error) { return nil, nil },
		Now:        func() time.Time { return now },
		Privileged: true,
		Rules:      func() (shadow.Rules, error) { return shadow.Rules{}, nil },
		Trial:      func(shadow.Rules, string) (shadow.Report, error) { return shadow.Report{}, nil },
		Ours:       func() (apply.Known, error) { return apply.Known{Applied: &apply.Applied{}}, nil },
		Next:       apply.Applied{Rules: kernel.Rules{Backend: kernel.NFT}},
		Presence:   func(presence.Host) ([]finding.Finding, error) { return nil, nil },
	}
	return &plan.Host{Host: h, Sites: []*plan.Site{s}}, files, m
}

func certificate(from, to time.Time) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		panic(err)
	}
	return out.String()
}

func TestHealthyHostHasNoFindings(t *testing.T) {
	h, _, m := healthy()
	if found := Examine(*m, h); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestFindings(t *testing.T) {
	sockets := func(owners ...portowner.Owner) func(*plan.Host, fstest.MapFS, *Machine) {
		return func(_ *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Sockets = func(match portowner.Filter) (all []portowner.Owner, _ error) {
				for _, o := range owners {
					if match(o.Local) {
						all = append(all, o)
					}
				}
				return all, nil
			}
		}
	}
	set := func(name, text string) func(*plan.Host, fstest.MapFS, *Machine) {
		return func(_ *plan.Host, files fstest.MapFS, _ *Machine) { files[name] = &fstest.MapFile{Data: []byte(text)} }
	}
	known := func(k apply.Known) func(*plan.Host, fstest.MapFS, *Machine) {
		return func(_ *plan.Host, _ fstest.MapFS, m *Machine) { m.Ours = func() (apply.Known, error) { return k, nil } }
	}
	// blocked is a rule that drops both connections of a client.
	blocked := func(b shadow.Blocked) func(*plan.Host, fstest.MapFS, *Machine) {
		return func(h *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Trial = func(shadow.Rules, string) (r shadow.Report, _ error) {
				for _, ports := range []spec.PortRange{{First: 21, Last: 21}, {First: 61000, Last: 61099}} {
					b.Site, b.From, b.To, b.Ports = h.Sites[0], server, netip.AddrPortFrom(server, ports.First), []spec.PortRange{ports}
					r.Blocked = append(r.Blocked, b)
				}
				return r, nil
			}
		}
	}
	listener := func(at string, process string) portowner.Owner {
		return portowner.Owner{Local: netip.MustParseAddrPort(at), State: portowner.Listening, PID: 42, Process: process, Started: now}
	}
	outbound := listener("203.0.113.10:61005", "curl")
	outbound.State, outbound.Remote = portowner.Connected, netip.MustParseAddrPort("192.0.2.1:443")

	tests := []struct {
		name     string
		spoil    func(*plan.Host, fstest.MapFS, *Machine)
		severity finding.Severity
		rule     *finding.Rule // nil if nothing is to be found
		says     []string      // in Detail, Evidence or Remedy
	}{
		{"listener on the site's address", sockets(listener("203.0.113.10:61005", "java")), finding.Error, finding.PortSquatted,
			[]string{"port 61005", "java (pid 42", "2026-06-01 12:00:00 UTC", "kill 42"}},
		{"listener on the wildcard", sockets(listener("[::]:61099", "java")), finding.Error, finding.PortSquatted, []string{"port 61099"}},
		{"listener on another address", sockets(listener("203.0.113.11:61005", "java")), "", nil, nil},
		{"listener beside the range", sockets(listener("203.0.113.10:61100", "java")), "", nil, nil},
		{"the site's own server", sockets(listener("203.0.113.10:61005", "vsftpd")), "", nil, nil},
		{"outbound connection", sockets(outbound), finding.Warning, finding.PortUsedOutbound, []string{"curl", "192.0.2.1:443"}},
		{"other local ports than the spec's", set("proc/sys/net/ipv4/ip_local_port_range", "30000 60999"), finding.Warning, finding.EphemeralDiffers,
			[]string{"30000-60999", `ephemeral_ports = "30000-60999"`}},
		{"not reserved", set(reservedFile, "8080"), finding.Warning, finding.RangeUnreserved, []string{"61000-61099", "60-pasvctl.conf"}},
		{"reserved except one port", set(reservedFile, "61000-61049,61051-61099"), finding.Warning, finding.RangeUnreserved, nil},
		{"reserved in two pieces", set(reservedFile, "61000-61049,61050-61200"), "", nil, nil},
		{"small conntrack table", set("proc/sys/net/netfilter/nf_conntrack_max", "800"), finding.Error, finding.ConntrackFull,
			[]string{"800 entries", "nf_conntrack_max=2048"}},
		{"no conntrack", func(_ *plan.Host, f fstest.MapFS, _ *Machine) { delete(f, "proc/sys/net/netfilter/nf_conntrack_max") }, "", nil, nil},
		{"liberal conntrack", func(h *plan.Host, f fstest.MapFS, _ *Machine) {
			h.Sites[0].Gate = true
			f["proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"] = &fstest.MapFile{Data: []byte("1\n")}
		}, finding.Warning, finding.ConntrackLiberal, []string{"in a client's name", "be_liberal: 1", "be_liberal=0"}},
		{"liberal conntrack without a gate", set("proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", "1"), "", nil, nil},
		{"strict conntrack", func(h *plan.Host, f fstest.MapFS, _ *Machine) {
			h.Sites[0].Gate = true
			f["proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"] = &fstest.MapFile{Data: []byte("0\n")}
		}, "", nil, nil},
		{"small backlog", set("proc/sys/net/core/somaxconn", "128"), finding.Warning, finding.BacklogShort, []string{"400 sessions", "128"}},
		{"certificate expired", set("etc/ssl/ftp.pem", certificate(now.AddDate(-1, 0, 0), now.AddDate(0, 0, -1))), finding.Error, finding.CertificateInvalid,
			[]string{"expired", "2026-05-31 12:00 UTC"}},
		{"certificate of the future", set("etc/ssl/ftp.pem", certificate(now.AddDate(0, 0, 1), now.AddDate(1, 0, 0))), finding.Error, finding.CertificateInvalid,
			[]string{"not valid yet"}},
		{"certificate about to expire", set("etc/ssl/ftp.pem", certificate(now.AddDate(-1, 0, 0), now.AddDate(0, 0, 7))), finding.Warning, finding.CertificateExpires,
			[]string{"two weeks"}},
		{"no certificate", func(_ *plan.Host, f fstest.MapFS, _ *Machine) { delete(f, "etc/ssl/ftp.pem") }, finding.Error, finding.CertificateUnreadable, []string{"cannot be read"}},
		{"something else in its place", set("etc/ssl/ftp.pem", "hello"), finding.Error, finding.CertificateUnreadable, []string{"PEM"}},
		{"SELinux", set("sys/fs/selinux/booleans/ftpd_use_passive_mode", "0 0"), finding.Error, finding.SELinuxDenies, []string{"setsebool -P ftpd_use_passive_mode on"}},
		{"a chain that drops", blocked(shadow.Blocked{Rule: "inet filter input: policy drop", Base: "inet filter input", Hook: "input"}), finding.Error, finding.ClientsDropped,
			[]string{"port 21, 61000-61099", "inet filter input: policy drop", `firewall { into = "inet filter input" }`}},
		{"a network that is dropped on purpose", blocked(shadow.Blocked{Rule: "inet f i: ip saddr 5.5.0.0/16 drop", Base: "inet f i", Hook: "input", Aimed: true, Clients: "5.5.0.0/16"}), finding.Note, finding.ClientsDropped,
			[]string{"5.5.0.0/16", "on purpose"}},
		{"no time for all", func(_ *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Trial = func(shadow.Rules, string) (shadow.Report, error) {
				return shadow.Report{Untried: []string{`site "x": the data ports`}}, nil
			}
		}, finding.Warning, finding.TrialIncomplete, []string{`site "x": the data ports`}},
		{"a trial that fails", func(_ *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Trial = func(shadow.Rules, string) (shadow.Report, error) {
				return shadow.Report{}, errors.New("operation not permitted")
			}
		}, finding.Warning, finding.CheckFailed, []string{"could not be checked", "operation not permitted"}},
		{"rules that cannot be read", func(_ *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Privileged = false
			m.Rules = func() (shadow.Rules, error) { return shadow.Rules{}, errors.New("operation not permitted") }
		}, finding.Warning, finding.CheckFailed, []string{"could not be checked", "operation not permitted", "as root"}},
		{"firewalld", func(_ *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Rules = func() (shadow.Rules, error) { return shadow.Rules{NFT: "table inet firewalld {"}, nil }
		}, finding.Note, finding.FirewallManager, []string{"survives its reloads", `target "firewalld" {}`, "HOST/firewalld"}},
		{"ufw", func(_ *plan.Host, _ fstest.MapFS, m *Machine) {
			m.Rules = func() (shadow.Rules, error) {
				return shadow.Rules{Save: []shadow.Save{{Text: ":ufw-before-input - [0:0]"}}}, nil
			}
		}, finding.Note, finding.FirewallManager, []string{"survive its reloads", `target "ufw" {}`, "HOST/ufw"}},
		{"loose conntrack off and nothing tracked", func(_ *plan.Host, files fstest.MapFS, _ *Machine) {
			files["proc/sys/net/netfilter/nf_conntrack_tcp_loose"] = &fstest.MapFile{Data: []byte("0\n")}
			files["proc/sys/net/netfilter/nf_conntrack_count"] = &fstest.MapFile{Data: []byte("0\n")}
		}, finding.Warning, finding.ConntrackStrict, []string{"running transfers stop", "nf_conntrack_tcp_loose=1"}},
		{"loose conntrack off", set("proc/sys/net/netfilter/nf_conntrack_tcp_loose", "0"), finding.Note, finding.ConntrackStrict, nil},
		{"a saved file with our chains", set("etc/iptables/rules.v4", "*filter\n:PASVCTL - [0:0]\n"), finding.Warning, finding.RulesSaved, []string{"/etc/iptables/rules.v4", "sed -i /PASVCTL/d"}},
		{"a saved file with our chains, and the sets before it", func(_ *plan.Host, files fstest.MapFS, _ *Machine) {
			files["etc/iptables/rules.v4"] = &fstest.MapFile{Data: []byte(":PASVCTL - [0:0]")}
			files["etc/systemd/system/sysinit.target.wants/pasvctl-sets.service"] = &fstest.MapFile{}
		}, "", nil, nil},
		{"gone", known(apply.Known{Applied: &apply.Applied{}, Gone: true}), finding.Error, finding.RulesGone, []string{"gone", "apply --restore"}},
		{"nothing applied yet", known(apply.Known{Gone: true}), "", nil, nil},
		{"changed", known(apply.Known{Applied: &apply.Applied{}, Changes: []kernel.Change{{Object: "chain inet pasvctl input", Sign: kernel.InKernel, Line: "accept"}, {Object: "set a", Sign: kernel.InRules, Line: "b"}}}), finding.Error, finding.RulesChanged,
			[]string{"chain inet pasvctl input: - accept, set a: + b", "see pasvctl diff", "apply --adopt"}},
		{"another spec", known(apply.Known{Applied: &apply.Applied{Host: "edge9", Path: "/srv/other"}}), finding.Error, finding.RulesOfAnother, []string{`host "edge9" from /srv/other`, "--replace"}},
		{"a deadline that has passed", known(apply.Known{Applied: &apply.Applied{}, Pending: &apply.Pending{ID: "x", Deadline: now.Add(-time.Minute)}}), finding.Error, finding.ChangePending,
			[]string{"its guard is gone", "pasvctl rollback"}},
		{"a dead guard", known(apply.Known{Applied: &apply.Applied{}, Pending: &apply.Pending{ID: "x", Deadline: now.Add(time.Minute)}}), finding.Error, finding.ChangePending,
			[]string{"its guard is gone", "pasvctl confirm"}},
		{"a live guard", func(h *plan.Host, files fstest.MapFS, m *Machine) {
			known(apply.Known{Applied: &apply.Applied{}, Pending: &apply.Pending{ID: "x", Deadline: now.Add(time.Minute)}})(h, files, m)
			files["proc/77/cmdline"] = &fstest.MapFile{Data: []byte("/usr/bin/pasvctl\x00guard\x00x\x002026-06-01T12:01:00Z\x00")}
		}, finding.Note, finding.ChangePending, []string{"waits to be confirmed"}},
		{"one process on many ports", sockets(listener("203.0.113.10:61005", "java"), listener("203.0.113.10:61006", "java"), listener("203.0.113.10:61009", "java")), finding.Error, finding.PortSquatted,
			[]string{"port 61005-61006, 61009 of the range"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, files, m := healthy()
			tt.spoil(h, *files, m)
			found := Examine(*m, h)
			if tt.rule == nil {
				if len(found) != 0 {
					t.Errorf("found %+v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Rule != tt.rule || found[0].Severity != tt.severity {
				t.Fatalf("found %+v, want one %s of %s", found, tt.severity, tt.rule.ID)
			}
			f := found[0]
			if slices.Contains(figured, f.Rule) != (len(f.Figures) > 0) {
				t.Errorf("figures %v", f.Figures)
			}
			if m.Privileged && strings.Contains(f.Remedy, "as root") {
				t.Errorf("root is told to be root: %s", f.Remedy)
			}
			for _, s := range tt.says {
				if text := f.Detail + "\n" + f.Evidence + "\n" + f.Remedy; !strings.Contains(text, s) {
					t.Errorf("%q is missing in\n%s", s, text)
				}
			}
		})
	}
}

// figured are the rules whose findings rest on figures.
var figured = []*finding.Rule{
	finding.PortSquatted, finding.PortUsedOutbound, finding.EphemeralDiffers, finding.EphemeralUnreserved, finding.RangeUnreserved,
	finding.ConntrackFull, finding.BacklogShort, finding.CertificateInvalid, finding.CertificateExpires, finding.RulesChanged, finding.ChangePending,
}

func TestFigures(t *testing.T) {
	h, files, m := healthy()
	(*files)["proc/sys/net/netfilter/nf_conntrack_max"] = &fstest.MapFile{Data: []byte("800")}
	if found := Examine(*m, h); len(found) != 1 || found[0].Figures["entries_max"] != 800 || found[0].Figures["entries_needed"] != 800 {
		t.Errorf("found %+v", found)
	}
}

func TestEphemeralRangeThatOverlaps(t *testing.T) {
	h, files, m := healthy()
	(*files)["proc/sys/net/ipv4/ip_local_port_range"] = &fstest.MapFile{Data: []byte("1024 61049")}
	(*files)[reservedFile] = &fstest.MapFile{Data: []byte("61000-61048")}
	found := Examine(*m, h)
	if len(found) != 2 || found[1].Rule != finding.EphemeralDiffers || found[0].Rule != finding.EphemeralUnreserved || found[0].Severity != finding.Error || !strings.Contains(found[0].Detail, "61000-61049") {
		t.Errorf("found %+v", found)
	}
}
