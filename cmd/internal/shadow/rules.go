// Package shadow copies this machine's firewall rules into a throwaway network,
// adds ours, and asks with packets whether a client gets through: the only way
// to know what chains of several owners do together. If one does not, the
// kernel's trace names the rule that dropped it.
//
// It never changes the machine's own rules.
package shadow

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// Rules is a whole ruleset: nftables, both kinds of iptables, and their sets.
type Rules struct {
	NFT  string // without the tables that iptables-nft manages
	Save []Save

	managed map[string]bool // "ip filter": tables that iptables-nft manages
}

// Save is what one program printed for another to restore.
type Save struct {
	Restore []string
	Text    string
}

var savers = []struct{ save, restore, family string }{
	{"iptables-nft-save", "iptables-nft-restore", "ip"},
	{"ip6tables-nft-save", "ip6tables-nft-restore", "ip6"},
	{"iptables-legacy-save", "iptables-legacy-restore", ""},
	{"ip6tables-legacy-save", "ip6tables-legacy-restore", ""},
}

// Live reads the rules that are in force. A program that is not installed has
// no rules; one that fails is an error, because its rules are unknown.
func Live(ctx context.Context, run kernel.Exec) (Rules, error) {
	r := Rules{managed: map[string]bool{}}
	// The sets come first: rules name them.
	if sets, err := run(ctx, "", "ipset", "save"); err == nil && len(sets) > 0 {
		r.Save = append(r.Save, Save{[]string{"ipset", "restore"}, sets})
	} else if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return r, err
	}
	for _, s := range savers {
		text, err := run(ctx, "", s.save)
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			return r, err
		}
		if tables := tableNames(text); len(tables) > 0 {
			r.Save = append(r.Save, Save{[]string{s.restore}, text})
			for _, table := range tables {
				if s.family != "" {
					r.managed[s.family+" "+table] = true
				}
			}
		}
	}
	text, err := run(ctx, "", "nft", "list", "ruleset")
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return r, err
	}
	r.NFT = without(text, r.managed)
	return r, nil
}

// Text is everything that the programs printed.
func (r Rules) Text() string {
	text := r.NFT
	for _, s := range r.Save {
		text += s.Text
	}
	return text
}

// Managed reports whether iptables-nft owns a table, "ip filter".
func (r Rules) Managed(table string) bool { return r.managed[table] }

// Legacy reports whether there are rules of iptables-legacy, which no trace
// shows.
func (r Rules) Legacy() bool {
	return slices.ContainsFunc(r.Save, func(s Save) bool {
		return strings.Contains(s.Restore[0], "legacy") && strings.Contains(s.Text, "\n-A ")
	})
}

var tableLine = regexp.MustCompile(`(?m)^\*(\S+)$`)

func tableNames(save string) (names []string) {
	for _, m := range tableLine.FindAllStringSubmatch(save, -1) {
		names = append(names, m[1])
	}
	return names
}

// without leaves out the tables that iptables-nft manages: nft prints them in
// a form that it does not always read back.
func without(ruleset string, managed map[string]bool) string {
	var out strings.Builder
	skip := false
	for line := range strings.Lines(ruleset) {
		if name, found := strings.CutPrefix(line, "table "); found {
			skip = managed[strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(name), "{"))]
		}
		if !skip {
			out.WriteString(line)
		}
		if strings.HasPrefix(line, "}") {
			skip = false
		}
	}
	return out.String()
}

// Hooks finds the base chains of nftables and their hooks: "inet filter input"
// → "input".
func (r Rules) Hooks() map[string]string {
	hooks := map[string]string{}
	table, chain := "", ""
	for line := range strings.Lines(r.NFT) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "table":
			table = f[1] + " " + f[2]
		case len(f) >= 2 && f[0] == "chain":
			chain = f[1]
		case len(f) >= 4 && f[0] == "type" && f[2] == "hook":
			hooks[table+" "+chain] = f[3]
		}
	}
	for table := range r.managed { // the built-in chains of iptables
		for chain, hook := range map[string]string{"INPUT": "input", "OUTPUT": "output", "FORWARD": "forward", "PREROUTING": "prerouting", "POSTROUTING": "postrouting"} {
			hooks[table+" "+chain] = hook
		}
	}
	return hooks
}

// devices are those of the names that the rules mention: a rule with iif is
// loaded only where its device is there.
func (r Rules) devices(names []string) (mentioned []string) {
	text := r.Text()
	for _, n := range names {
		if strings.Contains(text, `"`+n+`"`) {
			mentioned = append(mentioned, n)
		}
	}
	return mentioned
}

// Load puts the rules into a namespace, with the rate limits lifted: the
// trial opens more connections in a second than a client does in an hour.
func (r Rules) Load(n *packets.Namespace) error {
	if _, err := n.Run(unlimited(r.NFT), "nft", "-f", "-"); err != nil {
		if xtables.MatchString(r.NFT) {
			err = fmt.Errorf("a table of iptables has nftables rules, and iptables-save no longer prints it; if they are pasvctl's, run pasvctl apply --remove: %w", err)
		}
		return fmt.Errorf("copying the nftables rules: %w", err)
	}
	for _, s := range r.Save {
		if _, err := n.Run(unlimited(s.Text), s.Restore[0], s.Restore[1:]...); err != nil {
			return fmt.Errorf("copying the iptables rules: %w", err)
		}
	}
	return nil
}

// xtables is what nft prints for matches and targets of iptables.
var xtables = regexp.MustCompile(`(?m)^\t\t.*\bxt (match|target) `)

// limits are the ways to write a limit on rates or connections, and the
// largest value of each.
var limits = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\brate (over )?\d+( [kmg]?bytes)?/(second|minute|hour|day|week)( burst \d+ ([kmg]?bytes|packets))?`), "rate ${1}1000000/second burst 1000000 packets"},
	{regexp.MustCompile(`\bct count (over )?\d+`), "ct count ${1}1000000"},
	{regexp.MustCompile(`--limit \S+( --limit-burst \d+)?`), "--limit 10000/sec --limit-burst 10000"},
	{regexp.MustCompile(`--hashlimit-(upto|above) \S+( --hashlimit-burst \S+)?`), "--hashlimit-$1 10000/sec --hashlimit-burst 10000"},
	{regexp.MustCompile(`--connlimit-(upto|above) \d+`), "--connlimit-$1 1000000"},
	{regexp.MustCompile(` --hitcount \d+`), ""},
	{regexp.MustCompile(`--(rcheck|update)\b`), "--$1 --hitcount 255"}, // xt_recent remembers no more packets
}

func unlimited(rules string) string {
	for _, l := range limits {
		rules = l.what.ReplaceAllString(rules, l.with)
	}
	return rules
}
