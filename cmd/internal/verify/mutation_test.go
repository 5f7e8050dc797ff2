package verify_test

import (
	"context"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/verify"
	"github.com/pasvctl/pasvctl/generators"
)

// small has two sites, one with a gate and one without, behind a NAT.
func small(host string) string {
	return hostText(`["203.0.113.10", "2001:db8::10"]`, host) +
		siteText("downloads", 21, 3, `announce = "198.51.100.7"`, `clients = ["192.0.2.128/26", "2001:db8:1:1::/80", "2001:db8:1:8::/61"]`, `data_ports = "61000-61007"`) +
		siteText("public", 2121, 2, `announce = "198.51.100.7"`, `clients = ["192.0.2.0/24", "2001:db8:1::/48"]`, `gate = false`, `data_ports = "61010-61017"`) +
		nat
}

// equivalents are the mutants that change no policy, and why, by the rules
// that they are mutants of.
var equivalents = []struct{ rules, mutant, why string }{
	{"", `^\S+nft: dropped: (flush|delete table) `, "it clears what an older file left, and the kernel is empty"},
	{"", `^edge1/nftables.nft: moved to .* size \d+;`, "how many clients a set holds is a bound on memory"},
	{"", `^edge1/nftables.nft: (dropped|moved to meta priority set 1): meta priority set 0$`, "it gives a packet its priority back, which nothing reads on the way to a local socket"},
	{"", `: (dropped|\S.* turned into .*|moved to .*): .*"the set is full"$`, "it only counts"},
	{"nft", `^edge1/nftables.nft: dropped: (goto allow|accept)$`, "what falls out of a chain of ours comes to the end of our own base chain, which accepts"},
	{"iptables", `^edge1/ipset: moved to create \S+ hash:\w+ family \w+ (netmask 64 )?(timeout 0 )?maxelem \d+[357]: `, "how many clients a set holds is a bound on memory"},
	{"iptables", `^edge1/ipset: moved to create .* timeout 1 `, "it is for members that come without a time of their own, and none does"},
	{"iptables", `^edge1/ipset: dropped: (flush|destroy) `, "it clears what an older file left, and the kernel is empty"},
	{"iptables", `^edge1/iptables.v4: moved to .* --connlimit-mask 33 `, "an IPv4 address has 32 bits, and iptables makes 32 of it"},
}

func equivalent(rules string, m mutant) int {
	return slices.IndexFunc(equivalents, func(e struct{ rules, mutant, why string }) bool {
		return (e.rules == "" || e.rules == rules) && regexp.MustCompile(e.mutant).MatchString(m.String())
	})
}

// Every mutant of the rendered rules is caught by packets, but for those that
// change no policy; and a comparison with the live rules finds all of them that
// leave anything else in the kernel.
func TestMutantsAreCaught(t *testing.T) {
	tools(t)
	for name, tt := range map[string]struct {
		backend, host string
		files         []string
		coarse        bool // only lines dropped and turned round: the rest is the same as in another case
	}{
		"nft":      {kernel.NFT, `interface = "wan0"`, []string{"edge1/nftables.nft", "nat1/nftables.nft"}, false},
		"nft into": {kernel.NFT, `firewall { into = "inet filter input" }`, []string{"edge1/nftables.nft", "edge1/nftables.jump.nft"}, true},
		"iptables": {kernel.IPTables, `interface = "wan0"`, []string{"edge1/iptables.v4", "edge1/iptables.v6", "edge1/ipset", "nat1/iptables.v4"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, files := load(t, tt.backend, small(tt.host))
			var all []mutant
			for _, f := range files {
				if slices.Contains(tt.files, f.Path) {
					all = append(all, mutants(f.Path, string(f.Content))...)
				}
			}
			if tt.coarse {
				all = slices.DeleteFunc(all, func(m mutant) bool { return strings.HasPrefix(m.what, "moved") })
			}
			c := &court{name: name, t: t, project: p, files: files, backend: tt.backend, expected: map[string]kernel.Listing{}}
			if len(all) < 60 {
				t.Fatalf("only %d mutants", len(all))
			}
			var work errgroup.Group
			work.SetLimit(24) // they mostly wait
			for _, m := range all {
				work.Go(func() error { c.try(m); return nil })
			}
			if err := work.Wait(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d mutants: %d refused by the kernel, %d caught by packets, %d without a change of policy", len(all), c.refused, c.caught, len(all)-c.refused-c.caught)
		})
	}
}

// court tries mutants of one set of rules.
type court struct {
	t       *testing.T
	name    string
	project *generators.Project
	files   []generators.File
	backend string

	mu              sync.Mutex
	expected        map[string]kernel.Listing // of the rules as they were rendered
	refused, caught int
}

func (c *court) try(m mutant) {
	files := slices.Clone(c.files)
	i := slices.IndexFunc(files, func(f generators.File) bool { return f.Path == m.file })
	files[i].Content = []byte(m.content)
	node := path.Dir(m.file)
	was, err := c.listing(c.files, node)
	if err != nil {
		c.t.Error(err)
		return
	}
	now, err := c.listing(files, node)
	reason := equivalent(c.name, m)
	if err != nil {
		c.count(&c.refused)
		if reason >= 0 {
			c.t.Errorf("%s: is said to change nothing, and does not load: %v", m, err)
		}
		return
	}
	differs := len(kernel.Diff(was, now)) > 0
	r, err := verify.Run(context.Background(), c.project.Plan, files, verify.Options{Backend: c.backend, FirstOnly: true}, nil)
	if err != nil {
		c.t.Errorf("%s: could not be tried: %v", m, err)
		return
	}
	met := len(r.Unmet()) == 0
	if !met {
		c.count(&c.caught)
	}
	switch {
	case met && reason < 0:
		c.t.Errorf("%s: not caught by packets (in the kernel it differs: %v)", m, differs)
	case !met && reason >= 0:
		c.t.Errorf("%s: is said to change no policy, because %s, and is caught: %+v", m, equivalents[reason].why, r.Unmet())
	case !met && !differs:
		c.t.Errorf("%s: caught by packets, and not by a comparison", m)
	}
}

func (c *court) count(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// listing is what the rules of a node leave in an empty kernel.
func (c *court) listing(files []generators.File, node string) (kernel.Listing, error) {
	original := &files[0] == &c.files[0]
	c.mu.Lock()
	known, ok := c.expected[node]
	c.mu.Unlock()
	if original && ok {
		return known, nil
	}
	r, err := kernel.RulesOf(files, node, c.backend)
	if err != nil {
		return nil, err
	}
	b, err := kernel.New(c.backend, func(context.Context, string, string, ...string) (string, error) { return "", exec.ErrNotFound })
	if err != nil {
		return nil, err
	}
	l, err := b.Expected(context.Background(), r)
	if err == nil && original {
		c.mu.Lock()
		c.expected[node] = l
		c.mu.Unlock()
	}
	return l, err
}
