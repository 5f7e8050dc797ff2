package generators

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// TestKernelToolsTakeTheExamples gives the committed files of each host and
// gateway to the programs that load them, in a network namespace of its own.
func TestKernelToolsTakeTheExamples(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "nft", "ipset", "iptables-restore", "ip6tables-restore"} {
		needs.Tool(t, tool)
	}
	rules, err := filepath.Glob("../examples/*/out/*/nftables.nft")
	if err != nil || len(rules) < 5 {
		t.Fatalf("only %d hosts in the examples: %v", len(rules), err)
	}
	const script = `set -eu
nft add table inet filter
nft add chain inet filter input
nft -c -f nftables.nft
if [ -e nftables.jump.nft ]; then
	nft -f nftables.nft
	nft -c -f nftables.jump.nft
fi
if [ -e ipset ]; then ipset restore -exist <ipset; fi
iptables-restore --test --noflush iptables.v4
if [ -e iptables.v6 ]; then ip6tables-restore --test --noflush iptables.v6; fi
`
	for _, file := range rules {
		t.Run(filepath.ToSlash(filepath.Dir(file)), func(t *testing.T) {
			c := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", script)
			c.Dir = filepath.Dir(file)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, bytes.TrimSpace(out))
			}
		})
	}
}

// TestKernelToolsTakeRandomSpecs gives drawn specs to the programs that load
// the files, each host in a network namespace of its own.
func TestKernelToolsTakeRandomSpecs(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "nft", "ipset", "iptables-restore", "ip6tables-restore", "sysctl"} {
		needs.Tool(t, tool)
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := newRandomSpec(r)
		if len(s.sites) == 0 {
			continue
		}
		files, diags := s.load(t, r, nil).Files("nftables", "iptables", "sysctl")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		dir := t.TempDir()
		for _, f := range files {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(f.Path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.Path), f.Content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", loadTwice)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, bytes.TrimSpace(out))
		}
	}
}

// loadTwice loads every host's files as their headers say, and again.
const loadTwice = `set -eu
for host in */; do (
	cd "$host"
	nft flush ruleset
	nft add table inet filter
	nft add chain inet filter input
	for time in first second; do
		nft -f nftables.nft
		if [ -e nftables.jump.nft ]; then nft -c -f nftables.jump.nft; fi
		if [ -e ipset ]; then ipset restore -exist <ipset; fi
		for v in 4 6; do
			if [ $v = 4 ]; then restore=iptables-restore; else restore=ip6tables-restore; fi
			if [ -e iptables.v$v ]; then $restore --noflush iptables.v$v; fi
		done
		if [ -e 60-pasvctl.conf ]; then
			sysctl -q -e -p 60-pasvctl.conf
			[ "net.ipv4.ip_local_reserved_ports = $(sysctl -n net.ipv4.ip_local_reserved_ports)" = "$(grep ^net 60-pasvctl.conf)" ]
		fi
	done
	nft flush ruleset
); done
`

// The kernel itself reads the file, in a network namespace of its own (the
// list is per namespace), and gives the same list back.
func TestSysctlIsReadByTheKernel(t *testing.T) {
	needs.Root(t)
	unshare, sysctlTool := needs.Tool(t, "unshare"), needs.Tool(t, "sysctl")
	for name, reserved := range map[string][]spec.PortRange{
		"a few":   {{First: 8080, Last: 8080}, {First: 32768, Last: 33000}},
		"to 4 KB": alternate(10000, 680), // 4,091 bytes with the site's own range
	} {
		t.Run(name, func(t *testing.T) {
			host := handHost("edge1", "203.0.113.10")
			host.ReservedPorts = reserved
			p := handPlan(handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil))
			content := mustFiles(t, &sysctl{}, p)["edge1/60-pasvctl.conf"]
			file := filepath.Join(t.TempDir(), "60-pasvctl.conf")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(unshare, "-n", "sh", "-c",
				`"$0" -q -e -p "$1" && cat /proc/sys/net/ipv4/ip_local_reserved_ports`, sysctlTool, file).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := portList(reservations(p.Hosts[0]))
			if got := strings.TrimSpace(string(out)); got != want {
				t.Errorf("the kernel reads %d characters, %.60s…; written were %d, %.60s…", len(got), got, len(want), want)
			}
		})
	}
}

// BenchmarkNftCheck is the measure of the two before it: nft only checks the
// files for nftables among those that it makes.
func BenchmarkNftCheck(b *testing.B) {
	needs.Root(b)
	unshare, nft := needs.Tool(b, "unshare"), needs.Tool(b, "nft")
	for _, size := range sizes {
		files, diags := load(b, fleet(size.sites, size.perHost)).Files("nftables")
		if diags.HasErrors() {
			b.Fatal(diags)
		}
		folder := b.TempDir()
		for i, f := range files {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%05d.nft", i)), f.Content, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		perSite(b, size.sites, size.perHost, func(b *testing.B) {
			for i := range files {
				check := exec.CommandContext(b.Context(), unshare, "-n", nft, "-c", "-f", fmt.Sprintf("%05d.nft", i))
				check.Dir = folder
				if out, err := check.CombinedOutput(); err != nil {
					b.Fatalf("%s: %s\n%s", files[i].Path, err, out)
				}
			}
		})
	}
}
