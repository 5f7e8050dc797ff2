// Package shadow copies this machine's firewall rules into a throwaway network,
// adds ours, and asks with packets whether a client gets through: the only way
// to know what chains of several owners do together. Where one does not, the
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
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// Run runs a program on this machine and returns its standard output. Its
// error wraps exec.ErrNotFound where there is no such program.
type Run func(ctx context.Context, name string, args ...string) ([]byte, error)

// Rules is a whole ruleset: nftables, both kinds of iptables, and their sets.
type Rules struct {
	NFT  string // without the tables that iptables-nft manages
	Save []Save
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

// Live reads the rules that are in force. Programs that are not installed have
// no rules; one that fails is an error, for what it would have said is not
// known.
func Live(ctx context.Context, run Run) (Rules, error) {
	var r Rules
	managed := map[string]bool{}
	// The sets come first: rules name them.
	if sets, err := run(ctx, "ipset", "save"); err == nil && len(sets) > 0 {
		r.Save = append(r.Save, Save{[]string{"ipset", "restore"}, string(sets)})
	} else if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return r, err
	}
	for _, s := range savers {
		text, err := run(ctx, s.save)
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			return r, err
		}
		if tables := tableNames(string(text)); len(tables) > 0 {
			r.Save = append(r.Save, Save{[]string{s.restore}, string(text)})
			for _, table := range tables {
				managed[s.family+" "+table] = true
			}
		}
	}
	text, err := run(ctx, "nft", "list", "ruleset")
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return r, err
	}
	r.NFT = without(string(text), managed)
	return r, nil
}

var tableLine = regexp.MustCompile(`(?m)^\*(\S+)$`)

func tableNames(save string) (names []string) {
	for _, m := range tableLine.FindAllStringSubmatch(save, -1) {
		names = append(names, m[1])
	}
	return names
}

// without leaves out the tables that are managed by iptables-nft: nft prints
// them in a form that it does not always read back.
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

// Load puts the rules into a namespace.
func (r Rules) Load(n *packets.Namespace) error {
	if _, err := n.Run(r.NFT, "nft", "-f", "-"); err != nil {
		return fmt.Errorf("copying the nftables rules: %w", err)
	}
	for _, s := range r.Save {
		if _, err := n.Run(s.Text, s.Restore[0], s.Restore[1:]...); err != nil {
			return fmt.Errorf("copying the iptables rules: %w", err)
		}
	}
	return nil
}
