package kernel

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Member is a client that a gate has learnt. An IPv6 client is the first
// address of its prefix.
type Member struct {
	Client netip.Addr
	Left   time.Duration // until it is forgotten, in whole seconds, rounded down
}

func (n *nft) gates(ctx context.Context) (ruleset, error) {
	all, err := n.read(ctx)
	return slices.DeleteFunc(all, func(o *object) bool { return !o.ours || !o.isGate() }), err
}

func (n *nft) Learnt(ctx context.Context) (members []Member, err error) {
	gates, err := n.gates(ctx)
	if err != nil {
		return nil, err
	}
	for _, set := range gates {
		for _, e := range set.elements() {
			client, err := netip.ParseAddr(strings.Fields(e)[0])
			if err != nil {
				return nil, fmt.Errorf("reading a member of %s: %w", set.id, err)
			}
			m := Member{Client: client}
			if left := expires.FindStringSubmatch(e); left != nil {
				m.Left = parseLeft(left[1]).Truncate(time.Second)
			}
			members = append(members, m)
		}
	}
	return members, nil
}

func (n *nft) Forget(ctx context.Context) error {
	gates, err := n.gates(ctx)
	if err != nil || len(gates) == 0 {
		return err
	}
	var lines []string
	for _, set := range gates {
		lines = append(lines, "flush "+set.id)
	}
	_, err = n.exec(ctx, script(lines...), "nft", "-f", "-")
	return err
}

func (b *iptables) Learnt(ctx context.Context) (members []Member, err error) {
	text, err := b.saveSets(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range parseSets(text) {
		if !s.learns() {
			continue
		}
		for _, member := range s.members {
			client, err := netip.ParseAddr(strings.Fields(member)[0])
			m := Member{Client: client}
			if t := memberTimeout.FindStringSubmatch(member); t != nil && err == nil {
				m.Left, err = time.ParseDuration(t[1] + "s")
			}
			if err != nil {
				return nil, fmt.Errorf("reading a member of %s: %w", s.name, err)
			}
			members = append(members, m)
		}
	}
	return members, nil
}

func (b *iptables) Forget(ctx context.Context) error {
	text, err := b.saveSets(ctx)
	if err != nil {
		return err
	}
	for _, s := range parseSets(text) {
		if !s.learns() {
			continue
		}
		if _, err := b.exec(ctx, "", "ipset", "flush", s.name); err != nil {
			return err
		}
	}
	return nil
}
