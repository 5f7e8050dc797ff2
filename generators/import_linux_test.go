package generators_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// loaded is what the tools list of a host's rules that a kernel has loaded: nft's
// ruleset, what iptables-save and ip6tables-save print, and the sets.
const loaded = `set -e
if [ -s nftables.jump.nft ]; then
  nft "add table $INTO_TABLE; add chain $INTO { type filter hook input priority 0; policy drop; }"
fi
nft -f nftables.nft
if [ -s nftables.jump.nft ]; then nft -f nftables.jump.nft; fi
nft -j list ruleset >ruleset.json
nft flush ruleset
ipset restore -exist <ipset
for f in iptables:v4 ip6tables:v6; do
  ${f%:*}-restore -w --noflush <iptables.${f#*:}
  ${f%:*} -w -I INPUT -m comment --comment pasvctl -j PASVCTL
  ${f%:*}-save >saved.${f#*:}
done
ipset save >saved.ipset
`

// What the kernel has loaded comes back from the tools' own listings.
func TestLoadedRulesComeBack(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "nft", "ipset", "iptables-restore", "ip6tables-restore"} {
		needs.Tool(t, tool)
	}
	type host struct {
		name  string
		files []generators.File
		*plan.Host
	}
	var hosts []host
	for name, p := range examples(t) {
		files, diags := p.Files()
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, h := range p.Plan.Hosts {
			hosts = append(hosts, host{name, files, h})
		}
	}
	for seed := uint64(1); seed < 40; seed += 3 {
		if p, files := generators.Random(t, seed); p != nil {
			for _, h := range p.Plan.Hosts {
				hosts = append(hosts, host{fmt.Sprint(seed), files, h})
			}
		}
	}
	for _, h := range hosts {
		fsys := generators.Texts(h.files)
		sources := sourcesOf(fsys, h.Host)
		if fsys[h.Name+"/nftables.nft"] == nil || fsys[h.Name+"/iptables.v4"] == nil || len(sources) == 0 {
			continue
		}
		t.Run(h.name+" "+h.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, name := range []string{"nftables.nft", "nftables.jump.nft", "iptables.v4", "iptables.v6", "ipset"} {
				if f := fsys[h.Name+"/"+name]; f != nil {
					if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			c := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", loaded)
			c.Dir = dir
			if chain := h.Firewall; chain != nil {
				c.Env = append(c.Environ(), "INTO_TABLE="+chain.Family+" "+chain.Table, "INTO="+chain.Family+" "+chain.Table+" "+chain.Chain)
			}
			var errs bytes.Buffer
			c.Stderr = &errs
			if err := c.Run(); err != nil {
				t.Fatalf("%v: %s", err, errs.String())
			}
			read := func(name string) (inventory.Source, bool) {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				return inventory.Source{Name: name, Text: text}, len(bytes.TrimSpace(text)) > 0
			}
			ruleset, _ := read("ruleset.json")
			t.Run("nftables", func(t *testing.T) { comesBack(t, h.Host, append(slices.Clone(sources), ruleset)...) })
			t.Run("iptables", func(t *testing.T) {
				all := slices.Clone(sources)
				for _, name := range []string{"saved.v4", "saved.v6", "saved.ipset"} {
					if s, any := read(name); any {
						all = append(all, s)
					}
				}
				comesBack(t, h.Host, all...)
			})
		})
	}
}
