package kernel_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

var (
	tableLine = regexp.MustCompile(`^table (\S+ \S+) \{`)
	setLine   = regexp.MustCompile(`^\tset (\S+) \{`)
)

// learn puts a client into every gate that is live, for the given seconds.
func (m *machine) learn(seconds int) {
	m.t.Helper()
	client := map[string]string{"ipv4_addr": "192.0.2.7", "ipv6_addr": "2001:db8:1::", "classid": "1:2"}
	table, set, kind, taught := "", "", "", 0
	for line := range strings.Lines(kerneltest.Run(m.t, m.exec, "", "nft", "list", "ruleset")) {
		if f := tableLine.FindStringSubmatch(line); f != nil {
			table = f[1]
		}
		if f := setLine.FindStringSubmatch(line); f != nil {
			set = f[1]
		}
		if rest, found := strings.CutPrefix(line, "\t\ttype "); found {
			kind = strings.TrimSpace(rest)
		}
		if strings.TrimSpace(line) == "flags dynamic,timeout" {
			var key []string
			for part := range strings.SplitSeq(kind, " . ") {
				key = append(key, client[part])
			}
			kerneltest.Run(m.t, m.exec, "", "nft", "add", "element", table, set,
				fmt.Sprintf("{ %s timeout 120s expires %ds }", strings.Join(key, " . "), seconds))
			taught++
		}
	}
	for line := range strings.Lines(kerneltest.Run(m.t, m.exec, "", "ipset", "save")) {
		f := strings.Fields(line)
		if f[0] == "create" && slices.Contains(f, "timeout") {
			address := client["ipv4_addr"]
			if slices.Contains(f, "inet6") {
				address = client["ipv6_addr"]
			}
			kerneltest.Run(m.t, m.exec, "", "ipset", "add", f[1], address, "timeout", fmt.Sprint(seconds))
			taught++
		}
	}
	if taught == 0 {
		m.t.Fatal("no gate to teach")
	}
}

// left is the time that the gates' members have, which must be one for all.
func (m *machine) left() (seconds, members int) {
	m.t.Helper()
	learnt, err := m.Learnt(m.t.Context())
	must(m.t, err)
	for _, l := range learnt {
		seconds = max(seconds, int(l.Left/time.Second))
	}
	return seconds, len(learnt)
}

// touch changes our rules as somebody would by hand, and puts rules of others
// before our jump, if there is one.
func (m *machine) touch(backend string) {
	m.t.Helper()
	if backend == kernel.IPTables {
		kerneltest.Run(m.t, m.exec, "", "iptables", "-A", "PASVCTL", "-p", "tcp", "--dport", "9", "-j", "ACCEPT")
		kerneltest.Run(m.t, m.exec, "", "iptables", "-N", "PASVCTL-mine")
		kerneltest.Run(m.t, m.exec, "", "ip6tables", "-I", "INPUT", "-p", "tcp", "--dport", "443", "-j", "ACCEPT")
		return
	}
	chain := "inet pasvctl input"
	if jump := slices.ContainsFunc(m.live(), func(o kernel.Object) bool { return strings.HasPrefix(o.Name, "jump ") }); jump {
		chain = "inet filter pasvctl"
		kerneltest.Run(m.t, m.exec, "insert rule inet filter input tcp dport 443 accept\n", "nft", "-f", "-")
	}
	table := chain[:strings.LastIndex(chain, " ")]
	kerneltest.Run(m.t, m.exec, script(
		"add rule "+chain+` tcp dport 9 counter packets 5 bytes 300 accept comment "by hand, # handle 7"`,
		"add set "+table+` pasvctl_mine { type ipv4_addr; comment "mine"; }`,
		"add element "+table+` pasvctl_mine { 192.0.2.77 comment "a, b" }`,
	), "nft", "-f", "-")
}

func script(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

// What stood under our names comes back, whatever its state, and in the
// same order.
func TestPutBackBringsBackWhatStoodThere(t *testing.T) {
	each(t, func(t *testing.T, m *machine, name string, rules func(string) kernel.Rules) {
		backend := rules("").Backend
		m.load(rules(kerneltest.SecondSite))
		m.touch(backend)
		m.learn(100)
		before, live := m.snapshot(), m.live()
		_, members := m.left()
		saved, err := m.Save(t.Context())
		must(t, err)
		for _, since := range []struct {
			name   string
			change func()
		}{
			{"nothing", func() {}},
			{"fewer sites", func() { m.load(rules("")) }},
			{"the same rules without what was done by hand", func() { m.load(rules(kerneltest.SecondSite)) }},
			{"removed", func() { must(t, m.Remove(t.Context())) }},
		} {
			since.change()
			must(t, m.PutBack(t.Context(), saved, 30*time.Second))
			if d := kernel.Diff(live, m.live()); len(d) > 0 {
				t.Errorf("after %s: %+v", since.name, d)
			}
			if after := m.snapshot(); after != before {
				t.Errorf("after %s: before\n%s\nafter\n%s", since.name, before, after)
			}
			if seconds, n := m.left(); n != members || seconds < 40 || seconds > 100 {
				t.Errorf("after %s: %d of %d members, with %d seconds left", since.name, n, members, seconds)
			}
		}
		if seconds, _ := m.left(); seconds > 70 {
			t.Errorf("members that had 100 seconds 30 seconds ago have %d", seconds)
		}
		must(t, m.Remove(t.Context()))
		must(t, m.PutBack(t.Context(), saved, time.Hour))
		if _, n := m.left(); n != 0 {
			t.Errorf("%d members an hour later", n)
		}
		must(t, m.PutBack(t.Context(), kernel.Snapshot{}, 0))
		if l := m.live(); len(l) != 0 {
			t.Errorf("back to nothing left %v", l)
		}
	})
}

// A set is declared once: with another definition, it is made again.
func TestObjectsWithAnotherDefinitionAreMadeAgain(t *testing.T) {
	for _, spec := range []func(string) string{kerneltest.PlainHost, kerneltest.IntoHost} {
		m := newMachine(t, kernel.NFT)
		r := kerneltest.Rules(t, kernel.NFT, spec(""))
		other := kernel.Rules{Backend: kernel.NFT, Files: map[string]string{
			"nftables.nft":      regexp.MustCompile(`size \d+`).ReplaceAllString(r.Files["nftables.nft"], "size 131072"),
			"nftables.jump.nft": r.Files["nftables.jump.nft"],
		}}
		if other.Files["nftables.nft"] == r.Files["nftables.nft"] {
			t.Fatal("no set has a size")
		}
		m.load(other)
		m.load(r)
		m.holds(r)
	}
}

func TestAChainThatIsNotThereIsNamed(t *testing.T) {
	m := newMachine(t, kernel.NFT)
	r := kerneltest.Rules(t, kernel.NFT, kerneltest.IntoHost(""))
	kerneltest.Run(t, m.exec, "", "nft", "delete", "table", "inet", "filter")
	var none *kernel.NoChainError
	if err := kerneltest.Load(t.Context(), m, r); !errors.As(err, &none) || none.Chain != "inet filter input" || !slices.Contains(none.Has, "inet firewalld filter_INPUT") {
		t.Errorf("got %v", err)
	}
}

// Rules of others that go to our chains keep these from being removed.
func TestChainsThatOthersUse(t *testing.T) {
	for _, tt := range []struct {
		backend string
		spec    func(string) string
		use     []string
		remedy  string
	}{
		{kernel.NFT, kerneltest.IntoHost, []string{"nft", "add", "rule", "inet", "filter", "input", "tcp", "dport", "21", "goto", "pasvctl"}, "nft delete rule inet filter input handle"},
		{kernel.IPTables, kerneltest.PlainHost, []string{"iptables", "-A", "f2b-sshd", "-j", "PASVCTL"}, "iptables -t filter -D f2b-sshd -j PASVCTL"},
	} {
		m := newMachine(t, tt.backend)
		r := kerneltest.Rules(t, tt.backend, tt.spec(""))
		m.load(r)
		before := m.snapshot()
		kerneltest.Run(t, m.exec, "", tt.use[0], tt.use[1:]...)
		var busy *kernel.BusyError
		if err := m.Remove(t.Context()); !errors.As(err, &busy) || !strings.HasPrefix(busy.Rules[0], tt.remedy) {
			t.Fatalf("%s: got %v, want %q", tt.backend, err, tt.remedy)
		}
		m.load(r) // what stays may be used
		remedy, _, _ := strings.Cut(busy.Rules[0], "  #")
		f := strings.Fields(remedy)
		kerneltest.Run(t, m.exec, "", f[0], f[1:]...)
		if after := m.snapshot(); after != before {
			t.Errorf("the remedy left\n%s\nof\n%s", after, before)
		}
		must(t, m.Remove(t.Context()))
	}
}
