package kernel_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// machine is a kernel in a namespace, with other people's rules in it.
type machine struct {
	kernel.Backend
	t        *testing.T
	exec     kernel.Exec
	snapshot func() string // of all rules
}

func newMachine(t *testing.T, backend string) *machine {
	t.Helper()
	m := &machine{t: t, exec: kerneltest.Machine(t)}
	m.snapshot = kerneltest.Setup(t, m.exec)
	var err error
	m.Backend, err = kernel.New(backend, m.exec)
	must(t, err)
	return m
}

// each runs a test for every backend; rules renders its rules.
func each(t *testing.T, f func(t *testing.T, m *machine, name string, rules func(more string) kernel.Rules)) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			f(t, newMachine(t, tt.Backend), tt.Name, func(more string) kernel.Rules {
				return kerneltest.Rules(t, tt.Backend, tt.Spec(more))
			})
		})
	}
}

func (m *machine) load(r kernel.Rules) {
	m.t.Helper()
	must(m.t, kerneltest.Load(m.t.Context(), m, r))
}

func (m *machine) live() kernel.Listing {
	m.t.Helper()
	live, err := m.Live(m.t.Context())
	must(m.t, err)
	return live
}

// holds checks that the kernel has these rules of ours and no others.
func (m *machine) holds(r kernel.Rules) {
	m.t.Helper()
	expected, err := r.Expected(m.t.Context())
	must(m.t, err)
	if d := kernel.Diff(expected, m.live()); len(d) != 0 {
		m.t.Errorf("live rules differ from the rendered ones: %+v", d)
	}
}

func TestLoadIsRepeatableAndReadsBackAsExpected(t *testing.T) {
	each(t, func(t *testing.T, m *machine, name string, rules func(string) kernel.Rules) {
		r := rules(kerneltest.SecondSite)
		_, err := r.Expected(t.Context())
		must(t, err)
		if live := m.live(); len(live) != 0 {
			t.Fatalf("a check left %v", live)
		}
		for range 3 {
			m.load(r)
		}
		m.holds(r)
		text := ""
		for _, o := range m.live() {
			text += o.Name + "\n" + strings.Join(o.Lines, "\n") + "\n"
		}
		if strings.Contains(text, "jump in chain") != (name != "nft") {
			t.Errorf("a jump is missing or too much:\n%s", text)
		}
		for _, want := range []string{"192.0.2.0/24", "61000"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in\n%s", want, text)
			}
		}
	})
}

func TestOlderVersionsLeaveNothingBehind(t *testing.T) {
	each(t, func(t *testing.T, m *machine, _ string, rules func(string) kernel.Rules) {
		m.load(rules(kerneltest.SecondSite))
		m.load(rules(""))
		m.holds(rules(""))
	})
}

// A host that gives its IPv6 addresses up must not go on letting clients in
// there, and a host without them needs nothing there.
func TestAFamilyWithoutAddressesHasNothingOfOurs(t *testing.T) {
	m := newMachine(t, kernel.IPTables)
	both := kerneltest.PlainHost(kerneltest.SecondSite)
	only4 := strings.Replace(both, `, "2001:db8::10"`, "", 1)
	for _, tt := range []struct {
		name, spec string
		families   []string
	}{
		{"IPv4 from the start", only4, []string{"iptables"}},
		{"IPv6 comes", both, []string{"ip6tables", "iptables"}},
		{"IPv6 goes", only4, []string{"iptables"}},
	} {
		r := kerneltest.Rules(t, kernel.IPTables, tt.spec)
		_, err := r.Expected(t.Context())
		must(t, err)
		m.load(r)
		m.holds(r)
		seen := map[string]bool{}
		for _, o := range m.live() {
			if f := strings.Fields(strings.TrimPrefix(o.Name, "jump in ")); f[0] == "chain" {
				seen[f[1]] = true
			}
		}
		if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, tt.families) {
			t.Errorf("%s: chains and jumps in %v, want %v", tt.name, got, tt.families)
		}
	}
}

func TestMovingBetweenChainsTakesTheJumpAlong(t *testing.T) {
	m := newMachine(t, kernel.NFT)
	for _, spec := range []func(string) string{kerneltest.IntoHost, kerneltest.PlainHost, kerneltest.IntoHost} {
		r := kerneltest.Rules(t, kernel.NFT, spec(""))
		m.load(r)
		m.holds(r)
	}
}

// The rules that let active data connections out have a jump of their own, which
// comes with the first site that needs it and goes with the last.
func TestActiveModeHasItsOwnJump(t *testing.T) {
	for _, tt := range []struct {
		backend, jump string
		spec          func(more string) string
	}{
		{kernel.NFT, "jump in chain inet filter output", func(more string) string { return kerneltest.WithOutput(kerneltest.IntoHost(more)) }},
		{kernel.IPTables, "jump in chain ip6tables filter OUTPUT", kerneltest.PlainHost},
	} {
		t.Run(tt.backend, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, tt.backend)
			for _, command := range []string{"iptables", "ip6tables"} { // makes the chain OUTPUT, which stays
				kerneltest.Run(t, m.exec, "", command, "-A", "OUTPUT", "-p", "udp", "--dport", "123", "-j", "ACCEPT")
			}
			before := m.snapshot()
			with, without := kerneltest.Rules(t, tt.backend, tt.spec(kerneltest.ActiveSite)), kerneltest.Rules(t, tt.backend, tt.spec(""))
			for i, r := range []kernel.Rules{without, with, with, without, with} {
				was, err := m.Save(t.Context())
				must(t, err)
				held := m.snapshot()
				m.load(r)
				m.holds(r)
				jumps := 0
				for _, o := range m.live() {
					if o.Name == tt.jump {
						jumps += len(o.Lines)
					}
				}
				if want := map[bool]int{true: 1, false: 0}[i == 1 || i == 2 || i == 4]; jumps != want {
					t.Errorf("load %d: %d jumps, want %d:\n%v", i, jumps, want, m.live())
				}
				must(t, m.PutBack(t.Context(), was, 0))
				if got := m.snapshot(); got != held {
					t.Errorf("load %d, taken back:\n%s\nbefore\n%s", i, got, held)
				}
				m.load(r)
			}
			must(t, m.Remove(t.Context()))
			if after := m.snapshot(); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

// A machine without the chain for outgoing packets is told which it has.
func TestNoChainForOutgoingPackets(t *testing.T) {
	m := newMachine(t, kernel.NFT)
	spec := strings.Replace(kerneltest.WithOutput(kerneltest.IntoHost(kerneltest.ActiveSite)), "inet filter output", "inet filter out", 1)
	err := kerneltest.Load(t.Context(), m, kerneltest.Rules(t, kernel.NFT, spec))
	var none *kernel.NoChainError
	if !errors.As(err, &none) || !strings.Contains(none.Error(), "it has inet filter output") || !strings.Contains(none.Remedy(), `output = "inet filter output"`) {
		t.Errorf("%v", err)
	}
}

func TestRemoveLeavesNoTrace(t *testing.T) {
	each(t, func(t *testing.T, m *machine, _ string, rules func(string) kernel.Rules) {
		before := m.snapshot()
		m.load(rules(kerneltest.SecondSite))
		if m.snapshot() == before {
			t.Fatal("loading changed nothing")
		}
		for range 2 {
			must(t, m.Remove(t.Context()))
		}
		if after := m.snapshot(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
}

func TestDiffFindsWhatOthersChanged(t *testing.T) {
	tests := []struct {
		name, backend string
		change        []string // a command
		object, line  string   // in one of the changes
	}{
		{"a rule more", kernel.NFT, []string{"nft", "add", "rule", "inet", "pasvctl", "input", "tcp", "dport", "9", "drop"}, "chain inet pasvctl input", "tcp dport 9 drop"},
		{"a chain more", kernel.NFT, []string{"nft", "add", "chain", "inet", "pasvctl", "more"}, "chain inet pasvctl more", "the whole chain"},
		{"rules less", kernel.NFT, []string{"nft", "flush", "chain", "inet", "pasvctl", "downloads_data"}, "chain inet pasvctl downloads_data", "ip saddr != 192.0.2.0/24"},
		{"a way less", kernel.NFT, []string{"nft", "flush", "map", "inet", "pasvctl", "ports6"}, "map inet pasvctl ports6", "21 . 2001:db8::10 : goto downloads_control"},
		{"a client more", kernel.NFT, []string{"nft", "add", "element", "inet", "pasvctl", "edi_clients4", "{ 192.0.2.66 }"}, "set inet pasvctl edi_clients4", "192.0.2.66"},
		{"a counter more", kernel.NFT, []string{"nft", "add", "counter", "inet", "pasvctl", "more"}, "counter inet pasvctl more", "the whole counter"},
		{"another policy", kernel.NFT, []string{"nft", "chain", "inet", "pasvctl", "input", "{ policy drop; }"}, "chain inet pasvctl input", "policy drop"},
		{"everything gone", kernel.NFT, []string{"nft", "delete", "table", "inet", "pasvctl"}, "table inet pasvctl", "the whole table"},
		{"no jump", kernel.IPTables, []string{"iptables", "-F", "INPUT"}, "jump in chain iptables filter INPUT", "the whole jump"},
		{"a rule more", kernel.IPTables, []string{"ip6tables", "-A", "PASVCTL", "-j", "DROP"}, "chain ip6tables filter PASVCTL", "-A PASVCTL -j DROP"},
		{"a client more", kernel.IPTables, []string{"ipset", "add", "pasvctl-downloads.c4", "198.51.100.0/24"}, "set pasvctl-downloads.c4", "198.51.100.0/24"},
	}
	for _, tt := range tests {
		t.Run(tt.backend+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, tt.backend)
			m.load(kerneltest.Rules(t, tt.backend, kerneltest.PlainHost(kerneltest.SecondSite)))
			before := m.live()
			kerneltest.Run(t, m.exec, "", tt.change[0], tt.change[1:]...)
			after := m.live()
			found := slices.ContainsFunc(kernel.Diff(before, after), func(c kernel.Change) bool {
				return c.Object == tt.object && strings.Contains(c.Line, tt.line)
			})
			if !found {
				t.Errorf("got %+v, want %s with %q", kernel.Diff(before, after), tt.object, tt.line)
			}
		})
	}
}

func TestLearntMembersAndCountersAreNoDifference(t *testing.T) {
	each(t, func(t *testing.T, m *machine, _ string, rules func(string) kernel.Rules) {
		m.load(rules(""))
		before := m.live()
		m.learn(120)
		if d := kernel.Diff(before, m.live()); len(d) != 0 {
			t.Errorf("a learnt member shows as %+v", d)
		}
	})
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
