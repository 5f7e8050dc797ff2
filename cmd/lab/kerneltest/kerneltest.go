// Package kerneltest makes throwaway kernels for tests of what loads rules: an
// empty network namespace, other people's rules in it, and rendered rules of
// ours to load there.
package kerneltest

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators"
)

const oneSite = `
host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
  INTO
}
site "downloads" {
  host    = "edge1"
  server  = "vsftpd"
  port    = 21
  clients = ["192.0.2.0/24", "2001:db8:1::/48"]
  concurrency {
    sessions             = 20
    sessions_per_address = 5
  }
}
`

// SecondSite is a site to be added to PlainHost and IntoHost.
const SecondSite = `
site "edi" {
  host   = "edge1"
  server = "proftpd"
  port   = 2121
  clients = ["192.0.2.0/26", "198.51.100.0/24", "2001:db8:1::/48", "2001:db8:3::/48"]
  concurrency {
    sessions             = 10
    sessions_per_address = 3
  }
}
`

// Rules renders a spec's rules for the host edge1.
func Rules(t testing.TB, backend, text string) kernel.Rules {
	t.Helper()
	fsys := fstest.MapFS{"test.pasv.hcl": {Data: []byte(text)}}
	p, diags := generators.Load(fsys, []string{"test.pasv.hcl"}, generators.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all, diags := p.Files()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, err := kernel.RulesOf(all, "edge1", backend)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// PlainHost is a spec of one host and one site, whose rules are in chains of
// their own.
func PlainHost(more string) string { return strings.Replace(oneSite, "INTO", "", 1) + more }

// IntoHost is the same, with rules in a chain of the owner of Foreign.
func IntoHost(more string) string {
	return strings.Replace(oneSite, "INTO", `firewall { into = "inet filter input" }`, 1) + more
}

// WithOutput gives the host of IntoHost a chain for outgoing packets, too.
func WithOutput(spec string) string {
	return strings.Replace(spec, `into = "inet filter input" }`, "\n    into = \"inet filter input\"\n    output = \"inet filter output\"\n  }", 1)
}

// ActiveSite is a site with active mode to be added to PlainHost and IntoHost.
const ActiveSite = `
site "old-clients" {
  host        = "edge1"
  server      = "vsftpd"
  port        = 2021
  clients     = ["192.0.2.0/26", "198.51.100.0/24", "2001:db8:1::/48"]
  active_mode = true
  concurrency {
    sessions             = 5
    sessions_per_address = 2
  }
}
`

// Machine is an empty namespace and a way to run programs in it.
func Machine(t testing.TB) kernel.Exec {
	t.Helper()
	needs.Root(t)
	for _, tool := range []string{"ip", "nft", "iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "ipset"} {
		needs.Tool(t, tool)
	}
	n, err := packets.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n.Exec
}

// Foreign is a ruleset of other people's, with the chain that into names.
const Foreign = `
table inet filter {
	set blocked { type ipv4_addr; elements = { 192.0.2.66 } }
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		tcp dport 22 accept
		ip saddr @blocked drop
	}
	chain output {
		type filter hook output priority filter; policy accept;
		udp dport 123 accept
	}
}
table ip dockerish { chain DOCKER { ip daddr 172.17.0.2 accept; }; }
table inet firewalld {
	chain filter_IN_public {
		tcp dport 443 accept
	}
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state established,related accept
		iifname "docker0" accept
		jump filter_IN_public
	}
}
`

// Backends are the ways into a kernel, each with the host that takes it.
var Backends = []struct {
	Name, Backend string
	Spec          func(more string) string
}{
	{"nft", kernel.NFT, PlainHost},
	{"nft into a chain of the owner", kernel.NFT, IntoHost},
	{"iptables", kernel.IPTables, PlainHost},
}

// Load makes r the rules in force.
func Load(ctx context.Context, b kernel.Backend, r kernel.Rules) error {
	expected, err := r.Expected(ctx)
	if err != nil {
		return err
	}
	t, err := b.Plan(ctx, r, expected)
	if err != nil {
		return err
	}
	return t.Load(ctx)
}

// Setup loads the Foreign rules and says how to read them back.
func Setup(t testing.TB, exec kernel.Exec) (snapshot func() string) {
	t.Helper()
	Run(t, exec, Foreign, "nft", "-f", "-")
	for _, command := range []string{"iptables", "ip6tables"} {
		Run(t, exec, "", command, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
		Run(t, exec, "", command, "-N", "f2b-sshd")
		legacy := strings.Replace(command, "tables", "tables-legacy", 1)
		Run(t, exec, "", legacy, "-A", "INPUT", "-p", "tcp", "--dport", "25", "-j", "ACCEPT")
		Run(t, exec, "", legacy, "-P", "FORWARD", "DROP")
	}
	Run(t, exec, "", "ipset", "create", "theirs", "hash:ip")
	return func() string {
		return Run(t, exec, "", "nft", "-s", "list", "ruleset") + Run(t, exec, "", "ipset", "list", "-n") +
			Lasting(Run(t, exec, "", "iptables-legacy-save")+Run(t, exec, "", "ip6tables-legacy-save"))
	}
}

// Lasting leaves out of what iptables-save printed all that changes by itself:
// the comments, which bear the time, and the chains' counters, which the
// kernel's own packets raise (an MLD report when a link comes up).
func Lasting(save string) string {
	var kept strings.Builder
	for line := range strings.Lines(save) {
		if !strings.HasPrefix(line, "#") {
			kept.WriteString(counters.ReplaceAllString(line, "$1"))
		}
	}
	return kept.String()
}

var counters = regexp.MustCompile(`^(:\S+ \S+) \[\d+:\d+\]`)

// Run runs a program and ends the test where it fails.
func Run(t testing.TB, exec kernel.Exec, stdin, program string, args ...string) string {
	t.Helper()
	out, err := exec(t.Context(), stdin, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
