package spec

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// laterNftWords are not yet words to the oldest nft that is in use.
var laterNftWords = []string{"destroy", "geneve", "gre", "gretap", "vni", "vxlan"}

// TestNftTakesOnlyOtherWordsForNames holds the list to the program.
func TestNftTakesOnlyOtherWordsForNames(t *testing.T) {
	needs.Root(t)
	needs.Tool(t, "unshare")
	needs.Tool(t, "nft")
	names := slices.Sorted(maps.Keys(nftWords))
	if len(names) < 150 {
		t.Fatalf("the list has only %d words", len(names))
	}
	names = append(names, "filter", "input", "INPUT", "nat", "raw", "mangle", "security", "prerouting", "forward", "output",
		"prefix", "count", "state", "services", "public", "ssh", "ftp", "IP", "Accept", "ip_filter", "drop-all")
	// One line a name: whether nft refuses it for a table and for a chain. What
	// it takes for both at once it takes for each.
	script := strings.NewReader("refuses() { nft -c \"$1\" >/dev/null 2>&1; test $? != 0 && echo 1 || echo 0; }\n" +
		"for name in " + strings.Join(names, " ") + "; do\n" +
		"if nft -c \"table inet $name { chain $name { }; }\" >/dev/null 2>&1; then echo $name 0 0; else\n" +
		"echo $name $(refuses \"table inet $name { chain x { }; }\") $(refuses \"table inet x { chain $name { }; }\"); fi; done\n")
	c := exec.CommandContext(t.Context(), "unshare", "--net", "sh")
	c.Stdin = script
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(names) {
		t.Fatalf("%d answers to %d names:\n%s", len(lines), len(names), out)
	}
	for _, line := range lines {
		f := strings.Fields(line)
		if slices.Contains(laterNftWords, f[0]) {
			continue
		}
		if table, chain := f[1] != "0", f[2] != "0"; table != nftWords[f[0]] || chain != nftWords[f[0]] {
			t.Errorf("%s: nft refuses it as a table %v, as a chain %v; the list says %v", f[0], table, chain, nftWords[f[0]])
		}
	}
}
