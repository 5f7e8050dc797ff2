package generators

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/audit"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
)

// TestLoadedRulesHaveNoFinding judges a generated config beside the rules as the
// kernel lists them, and both after one port of the config has changed.
func TestLoadedRulesHaveNoFinding(t *testing.T) {
	needs.Root(t)
	needs.Tool(t, "unshare")
	needs.Tool(t, "nft")
	const script = `set -eu
if [ -e nftables.jump.nft ]; then
	nft add table inet filter
	nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
fi
nft -f nftables.nft
if [ -e nftables.jump.nft ]; then nft -f nftables.jump.nft; fi
nft -j list ruleset`
	for _, example := range []struct{ host, config, first, last string }{
		{"quickstart/out/edge1", "downloads/vsftpd.conf", "pasv_max_port=62856", "pasv_max_port=62857"},
		{"fleet/out/hub", "archive/vsftpd.conf", "pasv_max_port=21499", "pasv_max_port=21500"},
	} {
		folder := "../examples/" + example.host
		c := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", script)
		c.Dir = folder
		listed, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		config, err := os.ReadFile(folder + "/" + example.config)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{config, bytes.Replace(config, []byte(example.first), []byte(example.last), 1)} {
			inv, err := inventory.Read(inventory.Source{Name: example.config, Text: text}, inventory.Source{Name: "ruleset.json", Text: listed})
			if err != nil {
				t.Fatal(err)
			}
			if len(inv.Servers) != 1 || len(inv.Firewalls) == 0 {
				t.Fatalf("%s: %d servers, %d firewalls", example.host, len(inv.Servers), len(inv.Firewalls))
			}
			var serious []string
			for _, f := range audit.Judge(inv, audit.Terms{}) {
				if f.Severity != finding.Note {
					serious = append(serious, f.Rule.ID+": "+f.Detail)
				}
			}
			said := strings.Join(serious, "\n")
			if bytes.Equal(text, config) != (said == "") || said != "" && !strings.Contains(said, "firewall-differs") {
				t.Errorf("%s with %s: %s", example.host, example.config, said)
			}
		}
	}
}
