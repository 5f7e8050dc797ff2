package packets_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestTenLoadsAreOne(t *testing.T) {
	for _, b := range backends() {
		for _, dropping := range []bool{false, true} {
			name := b.name + "/accepting"
			if dropping {
				name = b.name + "/dropping"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var into *spec.Chain
				if dropping {
					into = b.into
				}
				s := newScenario(t, b, "IPv4", into)
				if dropping {
					b.dropping(t, s.bed.Server)
				}
				s.load()
				once := b.list(t, s.bed.Server)
				for range reloads - 1 {
					s.load()
				}
				if gone, came := difference(once, b.list(t, s.bed.Server)); len(gone)+len(came) > 0 {
					t.Errorf("after ten loads these lines are gone:\n%s\nand these are new:\n%s",
						strings.Join(gone, "\n"), strings.Join(came, "\n"))
				}
			})
		}
	}
}

// difference lists the lines that only one of two listings has.
func difference(a, b string) (onlyA, onlyB []string) {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]++
	}
	for line := range strings.Lines(b) {
		count[line]--
	}
	for line, n := range count {
		switch {
		case n > 0:
			onlyA = append(onlyA, line)
		case n < 0:
			onlyB = append(onlyB, line)
		}
	}
	return onlyA, onlyB
}

// The jump into our chain is there once, and the owner's rules are as they were.
func TestOwnersChainGetsOneJump(t *testing.T) {
	b := nft()
	s := newScenario(t, b, "IPv4", b.into)
	b.dropping(t, s.bed.Server)
	chain := func() string {
		return run(t, s.bed.Server, "", "nft", "-s", "list", "chain", "inet", "filter", "input")
	}
	before := chain()
	plain := rendered(t, b.target, nil, scenarioSites(nil)...) // as it was before the spec named the chain
	b.load(t, s.bed.Server, "edge1", plain)
	for range reloads {
		s.load()
	}
	if tables := run(t, s.bed.Server, "", "nft", "list", "tables"); tables != "table inet filter\n" {
		t.Errorf("the tables are now\n%s", tables)
	}
	const jump = "\t\tjump pasvctl comment \"pasvctl\"\n"
	after := chain()
	if n := strings.Count(after, jump); n != 1 {
		t.Fatalf("the jump is there %d times:\n%s", n, after)
	}
	if without := strings.Replace(after, jump, "", 1); without != before {
		t.Errorf("the owner's chain was\n%s\nand is now\n%s", before, after)
	}
}

func TestLearntClientsOutliveReload(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		s.expect(want{s.client, downloadsData.First, packets.Dropped, "data port before a control connection"})
		control := s.connect(s.client, downloads)
		control.Close()
		counted := s.refusals()
		for range reloads {
			s.load()
		}
		if b.name == "nft" && (counted == 0 || s.refusals() < counted) {
			t.Errorf("%d refusals were counted before the re-loads, %d after", counted, s.refusals())
		}
		s.expect(
			want{s.client, downloadsData.First, packets.Admitted, "data port of a client that was learnt before the re-loads"},
			want{s.cousin, downloadsData.First, packets.Dropped, "data port of a client that was never learnt"},
		)
	})
}

// refusals is what the named counters of nftables have counted.
func (s *scenario) refusals() int {
	s.t.Helper()
	if s.backend.name != "nft" {
		return 0
	}
	return sum(s.t, nftRefused, run(s.t, s.bed.Server, "", "nft", "list", "counters"))
}

var nftRefused = regexp.MustCompile(`counter \S+_refused \{\s+packets (\d+)`)

// A file that has other sites replaces the policy of the one before, and what
// was learnt for a site never counts for another.
func TestChangedSitesReplaceTheOldOnes(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		s.connect(s.client, downloads)
		s.connect(s.cousin, edi)

		sites := scenarioSites(nil)
		sites[0].DataPorts = spec.PortRange{First: 62000, Last: 62009} // moved
		sites[0].Sessions, sites[0].SessionsPerAddress = 5, 5
		sites[1].Clients = prefixes(s.client) // less the cousin
		added := newSite(sites[0].Host, "added", 2123, downloadsData, 1, "0.0.0.0/0", "::/0")
		s.files = rendered(t, b.target, nil, sites[0], sites[1], added) // without public
		s.load()
		s.expect(
			want{s.client, downloadsData.First, packets.Dropped, "the old range, now another site's"},
			want{s.cousin, ediData.First, packets.Dropped, "data port of a learnt client that is no longer one"},
			want{s.cousin, edi, packets.Dropped, "control port of a client that is no longer one"},
			want{s.outside, publicData.First, packets.Admitted, "data port of a site that is gone: the host's own again"},
			want{s.outside, public, packets.Admitted, "control port of a site that is gone: the host's own again"},
		)
		s.connect(s.client, downloads)
		s.expect(
			want{s.client, 62000, packets.Admitted, "first port of the moved range"},
			want{s.client, 62009, packets.Admitted, "last port of the moved range"},
			want{s.client, 62010, packets.Admitted, "port above the moved range: the host's own"},
		)
		for range 2 { // two more than the old cap
			s.connect(s.client, downloads)
		}
	})
}
