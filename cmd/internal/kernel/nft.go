package kernel

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
)

// nft is the nftables backend.
type nft struct{ exec Exec }

// jumpRule is the one rule of nftables.jump.nft.
var jumpRule = regexp.MustCompile(`(?m)^insert rule (\S+) (\S+) (\S+) jump (\S+) comment "pasvctl"$`)

// ownTable is the table that is all ours.
const ownTable = "table inet pasvctl"

// owner is the chain that our own is jumped to from.
type owner struct{ family, table, chain string }

// into reads the owner's chain from the rules; false where there is none.
func into(r Rules) (owner, bool) {
	m := jumpRule.FindStringSubmatch(r.Files["nftables.jump.nft"])
	if m == nil {
		return owner{}, false
	}
	return owner{m[1], m[2], m[3]}, true
}

func (n *nft) Check(ctx context.Context, r Rules) error {
	script, err := n.transaction(ctx, r)
	if err != nil {
		return err
	}
	_, err = n.exec(ctx, script, "nft", "-c", "-f", "-")
	return err
}

func (n *nft) Load(ctx context.Context, r Rules) error {
	script, err := n.transaction(ctx, r)
	if err != nil {
		return err
	}
	_, err = n.exec(ctx, script, "nft", "-f", "-")
	return err
}

// transaction is the whole of a load as one file: the rules, the jump if it is
// not there, and the end of what only an older version had.
func (n *nft) transaction(ctx context.Context, r Rules) (string, error) {
	live, err := n.read(ctx)
	if err != nil {
		return "", err
	}
	expected, err := n.Expected(ctx, r)
	if err != nil {
		return "", err
	}
	var text string
	_, keepsTable := expected.find(ownTable)
	if !keepsTable { // "add" makes "delete" safe where there is none
		text = script("add "+ownTable, "delete "+ownTable)
	}
	text += r.Files["nftables.nft"] + "\n"
	at, jump := into(r)
	there := false
	var stale []*nftObject
	for _, o := range live {
		switch {
		case o.kind == "jump" && jump && o.owner() == at && !there:
			there = true // the first of them stays
		case o.kind == "rule" || o.inOwnTable() && !keepsTable:
		case o.kind == "jump":
			stale = append(stale, o)
		default:
			if _, wanted := expected.find(o.id()); !wanted {
				stale = append(stale, o)
			}
		}
	}
	if jump && !there {
		text += r.Files["nftables.jump.nft"] + "\n"
	}
	return text + deletion(stale), nil
}

// deletion is a file that deletes objects: first what points to chains, then
// the chains, then what chains point to.
func deletion(objects []*nftObject) string {
	var jumps, flushes, chains, sets, tables []string
	for _, o := range objects {
		id := o.id()
		switch o.kind {
		case "jump":
			jumps = append(jumps, fmt.Sprintf("delete rule %s %s %s handle %d", o.Family, o.Table, o.Chain, o.Handle))
		case "chain":
			flushes, chains = append(flushes, "flush "+id), append(chains, "delete "+id)
		case "set", "map":
			flushes, sets = append(flushes, "flush "+id), append(sets, "delete "+id)
		case "table":
			tables = append(tables, "delete "+id)
		}
	}
	lines := slices.Concat(jumps, flushes, chains, sets, tables)
	if len(lines) == 0 {
		return ""
	}
	return script(lines...)
}

func (n *nft) Live(ctx context.Context) (Listing, error) {
	objects, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	return list(objects), nil
}

func (n *nft) Expected(ctx context.Context, r Rules) (l Listing, err error) {
	err = scratch(func(exec Exec) error {
		empty := &nft{exec}
		if err := empty.prepare(ctx, r); err != nil {
			return err
		}
		if _, err := exec(ctx, r.Files["nftables.nft"]+"\n"+r.Files["nftables.jump.nft"], "nft", "-f", "-"); err != nil {
			return err
		}
		l, err = empty.Live(ctx)
		return err
	})
	return l, err
}

// prepare makes the owner's chain in an empty kernel.
func (n *nft) prepare(ctx context.Context, r Rules) error {
	at, jump := into(r)
	if !jump {
		return nil
	}
	_, err := n.exec(ctx, script(
		fmt.Sprintf("add table %s %s", at.family, at.table),
		fmt.Sprintf("add chain %s %s %s", at.family, at.table, at.chain),
	), "nft", "-f", "-")
	return err
}

func (n *nft) Remove(ctx context.Context) error {
	objects, err := n.read(ctx)
	if errors.Is(err, exec.ErrNotFound) {
		return nil // without nft there is nothing of ours in nftables
	}
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return nil
	}
	_, err = n.exec(ctx, deletion(objects), "nft", "-f", "-")
	return err
}
