package kernel

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/needs"
	"github.com/pasvctl/pasvctl/generators"
)

const oneSite = `
host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
  INTO
}
site "downloads" {
  host    = "edge1"
  server  = "vsftpd"
  port    = 21
  clients = ["192.0.2.0/24", "2001:db8:1::/48"]
  concurrency {
    sessions             = 20
    sessions_per_address = 5
  }
}
`

const secondSite = `
site "edi" {
  host   = "edge1"
  server = "proftpd"
  port   = 2121
  concurrency {
    sessions             = 10
    sessions_per_address = 3
  }
}
`

// rules renders a spec's rules for the host edge1.
func rules(t testing.TB, backend, text string) Rules {
	t.Helper()
	fsys := fstest.MapFS{"test.pasv.hcl": {Data: []byte(text)}}
	p, diags := generators.Load(fsys, []string{"test.pasv.hcl"}, generators.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all, diags := p.Files()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, err := RulesOf(all, "edge1", backend)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func plainHost(more string) string { return strings.Replace(oneSite, "INTO", "", 1) + more }

func intoHost(more string) string {
	return strings.Replace(oneSite, "INTO", `firewall { into = "inet filter input" }`, 1) + more
}

// machine is an empty namespace and a way to run programs in it.
func machine(t testing.TB) Exec {
	t.Helper()
	needs.Root(t)
	for _, tool := range []string{"ip", "nft", "iptables", "ip6tables", "ipset"} {
		needs.Tool(t, tool)
	}
	n, err := packets.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return func(_ context.Context, stdin, program string, args ...string) (string, error) {
		return n.Run(stdin, program, args...)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, exec Exec, stdin, program string, args ...string) string {
	t.Helper()
	out, err := exec(t.Context(), stdin, program, args...)
	must(t, err)
	return out
}

// foreign is a ruleset of other people's, with the chain that into names.
const foreign = `
table inet filter {
	set blocked { type ipv4_addr; elements = { 192.0.2.66 } }
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		tcp dport 22 accept
		ip saddr @blocked drop
	}
}
table ip dockerish { chain DOCKER { ip daddr 172.17.0.2 accept; }; }
`

var backends = []struct {
	name, backend string
	spec          func(more string) string
}{
	{"nft", NFT, plainHost},
	{"nft into a chain of the owner", NFT, intoHost},
	{"iptables", IPTables, plainHost},
}

// setup loads the foreign rules and says how to read them back.
func setup(t testing.TB, exec Exec) (snapshot func() string) {
	t.Helper()
	run(t, exec, foreign, "nft", "-f", "-")
	for _, command := range []string{"iptables", "ip6tables"} {
		run(t, exec, "", command, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
		run(t, exec, "", command, "-N", "f2b-sshd")
	}
	run(t, exec, "", "ipset", "create", "theirs", "hash:ip")
	return func() string {
		return run(t, exec, "", "nft", "-s", "list", "ruleset") + run(t, exec, "", "ipset", "list", "-n")
	}
}

func TestLoadIsRepeatableAndReadsBackAsExpected(t *testing.T) {
	for _, tt := range backends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exec := machine(t)
			setup(t, exec)
			b, err := New(tt.backend, exec)
			must(t, err)
			r := rules(t, tt.backend, tt.spec(secondSite))
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
			if d := Diff(expected, live); len(d) != 0 {
				t.Errorf("live rules differ from the rendered ones: %+v", d)
			}
			text := ""
			for _, o := range live {
				text += o.Name + "\n" + strings.Join(o.Lines, "\n") + "\n"
			}
			if strings.Contains(text, "jump in chain") != (tt.name != "nft") {
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
	for _, tt := range backends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exec := machine(t)
			setup(t, exec)
			b, err := New(tt.backend, exec)
			must(t, err)
			small := rules(t, tt.backend, tt.spec(""))
			must(t, b.Load(t.Context(), rules(t, tt.backend, tt.spec(secondSite))))
			must(t, b.Load(t.Context(), small))
			expected, err := b.Expected(t.Context(), small)
			must(t, err)
			live, err := b.Live(t.Context())
			must(t, err)
			if d := Diff(expected, live); len(d) != 0 {
				t.Errorf("the older version left %+v", d)
			}
		})
	}
}

func TestMovingBetweenChainsTakesTheJumpAlong(t *testing.T) {
	exec := machine(t)
	setup(t, exec)
	b, err := New(NFT, exec)
	must(t, err)
	for _, spec := range []func(string) string{intoHost, plainHost, intoHost} {
		r := rules(t, NFT, spec(""))
		must(t, b.Load(t.Context(), r))
		expected, err := b.Expected(t.Context(), r)
		must(t, err)
		live, err := b.Live(t.Context())
		must(t, err)
		if d := Diff(expected, live); len(d) != 0 {
			t.Errorf("after the move: %+v", d)
		}
	}
}

func TestRemoveLeavesNoTrace(t *testing.T) {
	for _, tt := range backends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exec := machine(t)
			snapshot := setup(t, exec)
			before := snapshot()
			b, err := New(tt.backend, exec)
			must(t, err)
			must(t, b.Load(t.Context(), rules(t, tt.backend, tt.spec(secondSite))))
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
		{"a rule more", NFT, []string{"nft", "add", "rule", "inet", "pasvctl", "input", "tcp", "dport", "9", "drop"}, "chain inet pasvctl input", "tcp dport 9 drop"},
		{"a chain more", NFT, []string{"nft", "add", "chain", "inet", "pasvctl", "more"}, "chain inet pasvctl more", "the whole chain"},
		{"rules less", NFT, []string{"nft", "flush", "chain", "inet", "pasvctl", "refuse"}, "chain inet pasvctl refuse", "counter drop"},
		{"a client more", NFT, []string{"nft", "flush", "set", "inet", "pasvctl", "clients4"}, "set inet pasvctl clients4", "192.0.2.0/24"},
		{"another policy", NFT, []string{"nft", "chain", "inet", "pasvctl", "input", "{ policy drop; }"}, "chain inet pasvctl input", `"policy":"drop"`},
		{"everything gone", NFT, []string{"nft", "delete", "table", "inet", "pasvctl"}, "table inet pasvctl", "the whole table"},
		{"no jump", IPTables, []string{"iptables", "-F", "INPUT"}, "jump in chain iptables filter INPUT", "the whole jump"},
		{"a rule more", IPTables, []string{"ip6tables", "-A", "PASVCTL", "-j", "DROP"}, "chain ip6tables filter PASVCTL", "-A PASVCTL -j DROP"},
		{"a client more", IPTables, []string{"ipset", "add", "pasvctl-downloads.c4", "198.51.100.0/24"}, "set pasvctl-downloads.c4", "198.51.100.0/24"},
	}
	for _, tt := range tests {
		t.Run(tt.backend+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			exec := machine(t)
			b, err := New(tt.backend, exec)
			must(t, err)
			must(t, b.Load(t.Context(), rules(t, tt.backend, plainHost(""))))
			before, err := b.Live(t.Context())
			must(t, err)
			run(t, exec, "", tt.change[0], tt.change[1:]...)
			after, err := b.Live(t.Context())
			must(t, err)
			found := slices.ContainsFunc(Diff(before, after), func(c Change) bool {
				return c.Object == tt.object && strings.Contains(c.Was+c.Now, tt.line)
			})
			if !found {
				t.Errorf("got %+v, want %s with %q", Diff(before, after), tt.object, tt.line)
			}
		})
	}
}

func TestLearntMembersAndCountersAreNoDifference(t *testing.T) {
	for _, tt := range backends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exec := machine(t)
			setup(t, exec)
			b, err := New(tt.backend, exec)
			must(t, err)
			must(t, b.Load(t.Context(), rules(t, tt.backend, tt.spec(""))))
			before, err := b.Live(t.Context())
			must(t, err)
			switch tt.name {
			case "nft":
				run(t, exec, "", "nft", "add", "element", "inet", "pasvctl", "seen4", "{ 192.0.2.7 . 1:2 timeout 120s }")
			case "iptables":
				run(t, exec, "", "ipset", "add", "pasvctl-downloads.s4", "192.0.2.7", "timeout", "120")
			default:
				run(t, exec, "", "nft", "add", "element", "inet", "filter", "pasvctl_seen4", "{ 192.0.2.7 . 1:2 timeout 120s }")
			}
			after, err := b.Live(t.Context())
			must(t, err)
			if d := Diff(before, after); len(d) != 0 {
				t.Errorf("a learnt member shows as %+v", d)
			}
		})
	}
}

func TestDiffOfOrderedLines(t *testing.T) {
	was := Listing{{Name: "chain c", Ordered: true, Lines: []string{"a", "b", "c", "d"}}}
	now := Listing{{Name: "chain c", Ordered: true, Lines: []string{"a", "c", "b", "d", "e"}}}
	if d := Diff(was, was); len(d) != 0 {
		t.Errorf("a listing differs from itself: %+v", d)
	}
	d := Diff(was, now)
	if len(d) != 3 {
		t.Errorf("one rule moved and one is new, got %+v", d)
	}
}
