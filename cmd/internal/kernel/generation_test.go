package kernel_test

import (
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

func TestGenerationChangesWithTheRules(t *testing.T) {
	needs.Root(t)
	needs.Tool(t, "nft")
	known := map[string]bool{}
	for range 2 { // two namespaces
		n, err := packets.NewNamespace()
		must(t, err)
		defer n.Close()
		generation := func() (g string) {
			must(t, n.Do(func() (err error) { g, err = kernel.Generation(); return err }))
			return g
		}
		for _, rules := range []string{"", "table inet filter { set s { type ipv4_addr; flags timeout; }; }", "delete table inet filter"} {
			_, err := n.Run(rules, "nft", "-f", "-")
			must(t, err)
			g := generation()
			if rules != "" && known[g] {
				t.Errorf("%q leaves the generation %s", rules, g)
			}
			if generation() != g {
				t.Error("it changes with nothing")
			}
			known[g] = true
		}
	}
	if len(known) != 6 {
		t.Errorf("the namespaces share generations: %v", known)
	}
}
