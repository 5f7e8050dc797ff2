package kernel

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

type nft struct{ exec Exec }

// jumpRule is a rule of nftables.jump.nft.
var jumpRule = regexp.MustCompile(`(?m)^insert rule (\S+) (\S+) (\S+) jump (\S+) comment "pasvctl"$`)

// ownTable is the table that is all ours.
const ownTable = "table inet pasvctl"

// jump is what nftables.jump.nft adds: to a chain of the owner, the way to one of ours.
type jump struct {
	from owner
	to   string
	rule string // with its line end
}

func jumpsOf(r Rules) (all []jump) {
	for _, m := range jumpRule.FindAllStringSubmatch(r.Files["nftables.jump.nft"], -1) {
		all = append(all, jump{owner{m[1], m[2], m[3]}, m[4], m[0] + "\n"})
	}
	return all
}

func (n *nft) Plan(ctx context.Context, r Rules, expected Listing) (*Transaction, error) {
	live, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	text, err := transaction(live, r, expected)
	if err != nil {
		return nil, err
	}
	if _, err := n.exec(ctx, text, "nft", "-c", "-f", "-"); err != nil {
		return nil, err
	}
	return &Transaction{Backend: NFT, Live: live.listing(), Expected: expected, Users: live.users(live), Load: func(ctx context.Context) error {
		_, err := n.exec(ctx, text, "nft", "-f", "-")
		return err
	}}, nil
}

// users are rules of others that go to some chains of ours.
func (r ruleset) users(ours ruleset) (rules []string) {
	chains := ours.index()
	for _, o := range r {
		if o.ours {
			continue
		}
		for _, rule := range o.rules() {
			if rule.uses != "" && !rule.jump && chains["chain "+owner{o.family, o.table, rule.uses}.String()] != nil {
				rules = append(rules, fmt.Sprintf("nft delete rule %s handle %s  # %s", o.chain(), rule.handle, rule.text))
			}
		}
	}
	return rules
}

// transaction is the whole of a load as one file: the rules, the jump if it is
// not there, and the end of what only an older version had.
func transaction(live ruleset, r Rules, expected Listing) (string, error) {
	jumps := jumpsOf(r)
	for _, j := range jumps {
		if live.index()["chain "+j.from.String()] == nil {
			return "", live.noChain(j.from, map[bool]string{false: "input", true: "output"}[strings.HasSuffix(j.to, "_output")])
		}
	}
	var before strings.Builder
	_, keepsTable := expected.find(ownTable)
	if !keepsTable { // "add" makes "delete" safe if there is none
		before.WriteString(script("add "+ownTable, "delete "+ownTable))
	}
	var gone, changed ruleset
	for _, o := range live.ours() {
		if o.inOwnTable() && !keepsTable {
			continue
		}
		switch as, wanted := expected.find(o.id); {
		case !wanted:
			gone = append(gone, o)
		case o.kind != "table" && !slices.Equal(as.declared, o.definition()):
			changed = append(changed, o)
		}
	}
	if len(changed) > 0 {
		// nft declares no object again with another definition.
		before.WriteString(emptied(live.ours()))
		before.WriteString(deletion(changed))
	}
	if users := live.users(gone); len(users) > 0 {
		return "", &BusyError{users}
	}
	stale, missing := live.withoutJumps(jumps)
	text := before.String() + r.Files["nftables.nft"] + "\n"
	for _, j := range missing {
		text += j.rule
	}
	return text + stale + emptied(gone) + deletion(gone), nil
}

// emptied is a file that takes the rules out of chains and the elements out of
// sets and maps, except what these have learnt: nothing refers to anything then.
func emptied(objects ruleset) string {
	var lines []string
	for _, o := range objects {
		if (o.kind == "chain" || o.kind == "set" || o.kind == "map") && !o.learns() {
			lines = append(lines, "flush "+o.id)
		}
	}
	return script(lines...)
}

// deletion is a file that deletes objects that nothing refers to any more:
// chains, then what their rules have used, then tables.
func deletion(objects ruleset) string {
	var chains, others, tables []string
	for _, o := range objects {
		switch o.kind {
		case "chain":
			chains = append(chains, "delete "+o.id)
		case "table":
			tables = append(tables, "delete "+o.id)
		default:
			others = append(others, "delete "+o.id)
		}
	}
	return script(slices.Concat(chains, others, tables)...)
}

func (n *nft) Live(ctx context.Context) (Listing, error) {
	live, err := n.read(ctx)
	return live.listing(), err
}

func (n *nft) Fill(ctx context.Context, r Rules) error {
	text := r.Files["nftables.nft"] + "\n" + r.Files["nftables.jump.nft"]
	for _, j := range jumpsOf(r) {
		text = script(fmt.Sprintf("add table %s %s", j.from.family, j.from.table), "add chain "+j.from.String()) + text
	}
	_, err := n.exec(ctx, text, "nft", "-f", "-")
	return err
}

func (n *nft) Remove(ctx context.Context) error { return n.PutBack(ctx, Snapshot{Backend: NFT}, 0) }

// Remedied is an error that says what to do about it.
type Remedied interface {
	error
	Remedy() string
}

// NoChainError means that the machine lacks the chain that our rules are to be
// jumped to from.
type NoChainError struct {
	Chain string   // "inet filter input"
	Hook  string   // input or output
	Has   []string // chains of others with that hook
}

// maxNamed bounds the chains that a NoChainError names.
const maxNamed = 8

func (e *NoChainError) Error() string {
	if len(e.Has) == 0 {
		return fmt.Sprintf("this machine has no chain %s, nor any other that sees %s packets", e.Chain, map[string]string{"input": "incoming", "output": "outgoing"}[e.Hook])
	}
	has := strings.Join(e.Has[:min(len(e.Has), maxNamed)], ", ")
	if more := len(e.Has) - maxNamed; more > 0 {
		has += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("this machine has no chain %s; it has %s", e.Chain, has)
}

// Remedy says what to do.
func (e *NoChainError) Remedy() string {
	attr, leave := "into", "leave firewall out of the host"
	if e.Hook == "output" {
		attr, leave = "output", "leave output out of the host's firewall block"
	}
	first := slices.IndexFunc(e.Has, func(c string) bool { return !Managed(c) })
	switch {
	case len(e.Has) == 0:
		return leave + ", since no chain drops there, or load the rules that make the chain first"
	case first < 0:
		return leave + ", or load the rules that make the chain first"
	}
	return fmt.Sprintf("write firewall { %s = %q } in the host, or load the rules that make the chain first", attr, e.Has[first])
}

// Managed reports whether a chain is named as those of firewalld and iptables
// are, which wipe rules of others or are broken by them.
func Managed(chain string) bool { return managed.MatchString(chain) }

var managed = regexp.MustCompile(`^(inet firewalld\S* |(ip|ip6) (filter|nat|mangle|raw|security) (INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING)$)`)

func (r ruleset) noChain(at owner, hook string) error {
	e := &NoChainError{Chain: at.String(), Hook: hook}
	for _, o := range r {
		if !o.ours && o.kind == "chain" && slices.ContainsFunc(o.lines, func(l string) bool { return strings.HasPrefix(l, "type filter hook "+hook+" ") }) {
			e.Has = append(e.Has, o.chain().String())
		}
	}
	return e
}

// BusyError means that chains of ours cannot go, because rules of others use
// them.
type BusyError struct{ Rules []string } // commands that delete them

func (e *BusyError) Error() string {
	if len(e.Rules) == 1 {
		return "a rule that is not pasvctl's goes to a chain of its name"
	}
	return fmt.Sprintf("%d rules that are not pasvctl's jump to its chains", len(e.Rules))
}

// Remedy says what to do.
func (e *BusyError) Remedy() string {
	return "delete them first, pasvctl adds the jumps that it needs: " + strings.Join(e.Rules, "; ")
}

func isMissing(err error) bool { return errors.Is(err, exec.ErrNotFound) }
