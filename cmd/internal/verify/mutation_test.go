package verify_test

import (
	"context"
	"fmt"
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
	{"", `: (dropped|\S.* turned into .*|moved to .*): .*"the set is full"$`, "it only counts"},
	{"", `: (dropped|.* turned into .*|moved to .*): .*_full (accept|goto pasvctl_pass)$`, "only clients that find the set full come to it"},
	{"nft", `^edge1/nftables.nft: dropped: accept$`, "what falls out of a chain of ours comes to the end of our own base chain, which accepts"},
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

// Every mutant of the rendered rules is caught by packets, except those that
// change no policy; and a comparison with the live rules finds all of them that
// leave anything else in the kernel.
func TestMutantsAreCaught(t *testing.T) {
	tools(t)
	t.Parallel()
	runs := map[string]*mutationRun{
		"nft":      {backend: kernel.NFT, host: `interface = "wan0"`, mutated: []string{"edge1/nftables.nft", "nat1/nftables.nft"}},
		"nft into": {backend: kernel.NFT, host: `firewall { into = "inet filter input" }`, mutated: []string{"edge1/nftables.nft", "edge1/nftables.jump.nft"}, coarse: true},
		"iptables": {backend: kernel.IPTables, host: `interface = "wan0"`, mutated: []string{"edge1/iptables.v4", "edge1/iptables.v6", "edge1/ipset", "nat1/iptables.v4"}},
	}
	var work errgroup.Group
	work.SetLimit(64) // they mostly wait
	for name, c := range runs {
		c.name, c.expected = name, map[string]kernel.Listing{}
		c.project, c.files = load(t, c.backend, small(c.host))
		for _, f := range c.files {
			if slices.Contains(c.mutated, f.Path) {
				c.mutants = append(c.mutants, mutants(f.Path, string(f.Content))...)
			}
		}
		if c.coarse {
			c.mutants = slices.DeleteFunc(c.mutants, func(m mutant) bool { return strings.HasPrefix(m.what, "moved") })
		}
		if len(c.mutants) < 60 {
			t.Fatalf("%s: only %d mutants", name, len(c.mutants))
		}
		c.found = make([]outcome, len(c.mutants))
		for i, m := range c.mutants {
			work.Go(func() error { c.found[i] = c.try(m); return nil })
		}
	}
	work.Wait() // no error: the outcomes have them
	for name, c := range runs {
		t.Run(name, c.check)
	}
}

// check reports the outcomes of the mutants.
func (c *mutationRun) check(t *testing.T) {
	count := map[string]int{}
	for i, m := range c.mutants {
		// What is not as it should be may be so for want of time: again, alone.
		for try := 0; try < 2 && c.found[i].problem != ""; try++ {
			c.found[i] = c.try(m)
		}
		o := c.found[i]
		count[o.what]++
		switch {
		case o.what == unmeasured:
			t.Logf("%s: %s", m, o.problem)
		case o.problem != "":
			t.Errorf("%s: %s", m, o.problem)
		}
	}
	t.Logf("%d mutants: %v", len(c.mutants), count)
}

// mutationRun tries mutants of one set of rules.
type mutationRun struct {
	name, backend, host string
	mutated             []string // paths of the files
	coarse              bool     // only lines dropped and turned round: the rest is the same as in another run

	project *generators.Project
	files   []generators.File
	mutants []mutant
	found   []outcome // of each mutant

	mu       sync.Mutex
	expected map[string]kernel.Listing // of the rules as they were rendered
}

// outcome is the fate of a mutant, and what is wrong with it.
type outcome struct{ what, problem string }

const (
	refused    = "refused by the kernel"
	caught     = "caught by packets"
	unchanged  = "without a change of policy"
	unmeasured = "not measured"
	untried    = "not tried"
)

func (c *mutationRun) try(m mutant) outcome {
	files := slices.Clone(c.files)
	i := slices.IndexFunc(files, func(f generators.File) bool { return f.Path == m.file })
	files[i].Content = []byte(m.content)
	node := path.Dir(m.file)
	was, err := c.listing(c.files, node)
	if err != nil {
		return outcome{untried, err.Error()}
	}
	now, err := c.listing(files, node)
	reason := equivalent(c.name, m)
	if err != nil {
		if reason >= 0 {
			return outcome{refused, fmt.Sprintf("is said to change nothing, and does not load: %v", err)}
		}
		return outcome{what: refused}
	}
	differs := len(kernel.Diff(was, now)) > 0
	r, err := verify.Run(context.Background(), c.project.Plan, files, verify.Options{Backend: c.backend, FirstOnly: true}, nil)
	if err != nil {
		return outcome{untried, fmt.Sprintf("could not be tried: %v", err)}
	}
	met := len(r.Unmet()) == 0
	switch {
	case met && reason < 0 && slices.ContainsFunc(r.Untried, tooSlow):
		return outcome{unmeasured, fmt.Sprintf("not caught by packets, and %+v", r.Untried)}
	case met && reason < 0:
		return outcome{unchanged, fmt.Sprintf("not caught by packets (in the kernel it differs: %v)", differs)}
	case !met && reason >= 0:
		return outcome{caught, fmt.Sprintf("is said to change no policy, because %s, and is caught: %+v", equivalents[reason].why, r.Unmet())}
	case !met && !differs:
		return outcome{caught, "caught by packets, and not by a comparison"}
	case met:
		return outcome{what: unchanged}
	}
	return outcome{what: caught}
}

// tooSlow reports whether something was not measured for want of time.
func tooSlow(u verify.Untried) bool { return strings.HasPrefix(u.Why, "not measured") }

// listing is what the rules of a node leave in an empty kernel.
func (c *mutationRun) listing(files []generators.File, node string) (kernel.Listing, error) {
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
	l, err := r.Expected(context.Background())
	if err == nil && original {
		c.mu.Lock()
		c.expected[node] = l
		c.mu.Unlock()
	}
	return l, err
}
