package kernel_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/kerneltest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLoadIsRepeatableAndReadsBackAsExpected(t *testing.T) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			exec := kerneltest.Machine(t)
			kerneltest.Setup(t, exec)
			b, err := kernel.New(tt.Backend, exec)
			must(t, err)
			r := kerneltest.Rules(t, tt.Backend, tt.Spec(kerneltest.SecondSite))
			must(t, b.Check(t.Context(), r))
			if live, err := b.Live(t.Context()); err != nil || len(live) != 0 {
				t.Fatalf("a check left %v, %v", live, err)
			}
			expected, err := b.Expected(t.Context(), r)
			must(t, err)
			for range 3 {
				must(t, b.Load(t.Context(), r))
			}
			live, err := b.Live(t.Context())
			must(t, err)
			if d := kernel.Diff(expected, live); len(d) != 0 {
				t.Errorf("live rules differ from the rendered ones: %+v", d)
			}
			text := ""
			for _, o := range live {
				text += o.Name + "\n" + strings.Join(o.Lines, "\n") + "\n"
			}
			if strings.Contains(text, "jump in chain") != (tt.Name != "nft") {
				t.Errorf("a jump is missing or too much:\n%s", text)
			}
			for _, want := range []string{"192.0.2.0/24", "61000"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
		})
	}
}

func TestOlderVersionsLeaveNothingBehind(t *testing.T) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			exec := kerneltest.Machine(t)
			kerneltest.Setup(t, exec)
			b, err := kernel.New(tt.Backend, exec)
			must(t, err)
			small := kerneltest.Rules(t, tt.Backend, tt.Spec(""))
			must(t, b.Load(t.Context(), kerneltest.Rules(t, tt.Backend, tt.Spec(kerneltest.SecondSite))))
			must(t, b.Load(t.Context(), small))
			expected, err := b.Expected(t.Context(), small)
			must(t, err)
			live, err := b.Live(t.Context())
			must(t, err)
			if d := kernel.Diff(expected, live); len(d) != 0 {
				t.Errorf("the older version left %+v", d)
			}
		})
	}
}

// A host that gives its IPv6 addresses up must not go on letting clients in
// there, and a host without them needs nothing there.
func TestAFamilyWithoutAddressesHasNothingOfOurs(t *testing.T) {
	exec := kerneltest.Machine(t)
	kerneltest.Setup(t, exec)
	b, err := kernel.New(kernel.IPTables, exec)
	must(t, err)
	both := kerneltest.PlainHost(kerneltest.SecondSite)
	only4 := strings.Replace(both, `, "2001:db8::10"`, "", 1)
	for _, tt := range []struct {
		name, spec string
		families   []string
	}{
		{"IPv4 from the start", only4, []string{"iptables"}},
		{"IPv6 comes", both, []string{"iptables", "ip6tables"}},
		{"IPv6 goes", only4, []string{"iptables"}},
	} {
		r := kerneltest.Rules(t, kernel.IPTables, tt.spec)
		must(t, b.Check(t.Context(), r))
		must(t, b.Load(t.Context(), r))
		live, err := b.Live(t.Context())
		must(t, err)
		seen := map[string]bool{}
		for _, o := range live {
			if f := strings.Fields(strings.TrimPrefix(o.Name, "jump in ")); f[0] == "chain" {
				seen[f[1]] = true
			}
		}
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, slices.Sorted(slices.Values(tt.families))) {
			t.Errorf("%s: chains and jumps in %v, want %v", tt.name, got, tt.families)
		}
		expected, err := b.Expected(t.Context(), r)
		must(t, err)
		if d := kernel.Diff(expected, live); len(d) != 0 {
			t.Errorf("%s: live rules differ from the rendered ones: %+v", tt.name, d)
		}
	}
}

func TestMovingBetweenChainsTakesTheJumpAlong(t *testing.T) {
	exec := kerneltest.Machine(t)
	kerneltest.Setup(t, exec)
	b, err := kernel.New(kernel.NFT, exec)
	must(t, err)
	for _, spec := range []func(string) string{kerneltest.IntoHost, kerneltest.PlainHost, kerneltest.IntoHost} {
		r := kerneltest.Rules(t, kernel.NFT, spec(""))
		must(t, b.Load(t.Context(), r))
		expected, err := b.Expected(t.Context(), r)
		must(t, err)
		live, err := b.Live(t.Context())
		must(t, err)
		if d := kernel.Diff(expected, live); len(d) != 0 {
			t.Errorf("after the move: %+v", d)
		}
	}
}

func TestRemoveLeavesNoTrace(t *testing.T) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			exec := kerneltest.Machine(t)
			snapshot := kerneltest.Setup(t, exec)
			before := snapshot()
			b, err := kernel.New(tt.Backend, exec)
			must(t, err)
			must(t, b.Load(t.Context(), kerneltest.Rules(t, tt.Backend, tt.Spec(kerneltest.SecondSite))))
			if snapshot() == before {
				t.Fatal("loading changed nothing")
			}
			for range 2 {
				must(t, b.Remove(t.Context()))
			}
			if after := snapshot(); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

func TestDiffFindsWhatOthersChanged(t *testing.T) {
	tests := []struct {
		name, backend string
		change        []string // a command
		object, line  string   // in one of the changes
	}{
		{"a rule more", kernel.NFT, []string{"nft", "add", "rule", "inet", "pasvctl", "input", "tcp", "dport", "9", "drop"}, "chain inet pasvctl input", "tcp dport 9 drop"},
		{"a chain more", kernel.NFT, []string{"nft", "add", "chain", "inet", "pasvctl", "more"}, "chain inet pasvctl more", "the whole chain"},
		{"rules less", kernel.NFT, []string{"nft", "flush", "chain", "inet", "pasvctl", "refuse"}, "chain inet pasvctl refuse", "counter drop"},
		{"a client more", kernel.NFT, []string{"nft", "flush", "set", "inet", "pasvctl", "clients4"}, "set inet pasvctl clients4", "192.0.2.0/24"},
		{"another policy", kernel.NFT, []string{"nft", "chain", "inet", "pasvctl", "input", "{ policy drop; }"}, "chain inet pasvctl input", `"policy":"drop"`},
		{"everything gone", kernel.NFT, []string{"nft", "delete", "table", "inet", "pasvctl"}, "table inet pasvctl", "the whole table"},
		{"no jump", kernel.IPTables, []string{"iptables", "-F", "INPUT"}, "jump in chain iptables filter INPUT", "the whole jump"},
		{"a rule more", kernel.IPTables, []string{"ip6tables", "-A", "PASVCTL", "-j", "DROP"}, "chain ip6tables filter PASVCTL", "-A PASVCTL -j DROP"},
		{"a client more", kernel.IPTables, []string{"ipset", "add", "pasvctl-downloads.c4", "198.51.100.0/24"}, "set pasvctl-downloads.c4", "198.51.100.0/24"},
	}
	for _, tt := range tests {
		t.Run(tt.backend+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			exec := kerneltest.Machine(t)
			b, err := kernel.New(tt.backend, exec)
			must(t, err)
			must(t, b.Load(t.Context(), kerneltest.Rules(t, tt.backend, kerneltest.PlainHost(""))))
			before, err := b.Live(t.Context())
			must(t, err)
			kerneltest.Run(t, exec, "", tt.change[0], tt.change[1:]...)
			after, err := b.Live(t.Context())
			must(t, err)
			found := slices.ContainsFunc(kernel.Diff(before, after), func(c kernel.Change) bool {
				return c.Object == tt.object && strings.Contains(c.Was+c.Now, tt.line)
			})
			if !found {
				t.Errorf("got %+v, want %s with %q", kernel.Diff(before, after), tt.object, tt.line)
			}
		})
	}
}

func TestLearntMembersAndCountersAreNoDifference(t *testing.T) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			exec := kerneltest.Machine(t)
			kerneltest.Setup(t, exec)
			b, err := kernel.New(tt.Backend, exec)
			must(t, err)
			must(t, b.Load(t.Context(), kerneltest.Rules(t, tt.Backend, tt.Spec(""))))
			before, err := b.Live(t.Context())
			must(t, err)
			switch tt.Name {
			case "nft":
				kerneltest.Run(t, exec, "", "nft", "add", "element", "inet", "pasvctl", "seen4", "{ 192.0.2.7 . 1:2 timeout 120s }")
			case "iptables":
				kerneltest.Run(t, exec, "", "ipset", "add", "pasvctl-downloads.s4", "192.0.2.7", "timeout", "120")
			default:
				kerneltest.Run(t, exec, "", "nft", "add", "element", "inet", "filter", "pasvctl_seen4", "{ 192.0.2.7 . 1:2 timeout 120s }")
			}
			after, err := b.Live(t.Context())
			must(t, err)
			if d := kernel.Diff(before, after); len(d) != 0 {
				t.Errorf("a learnt member shows as %+v", d)
			}
		})
	}
}

func TestDiffOfOrderedLines(t *testing.T) {
	was := kernel.Listing{{Name: "chain c", Ordered: true, Lines: []string{"a", "b", "c", "d"}}}
	now := kernel.Listing{{Name: "chain c", Ordered: true, Lines: []string{"a", "c", "b", "d", "e"}}}
	if d := kernel.Diff(was, was); len(d) != 0 {
		t.Errorf("a listing differs from itself: %+v", d)
	}
	d := kernel.Diff(was, now)
	if len(d) != 3 {
		t.Errorf("one rule moved and one is new, got %+v", d)
	}
}
