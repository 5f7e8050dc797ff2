package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Member is a client that a gate has learnt. An IPv6 client is the first
// address of its prefix.
type Member struct {
	Client netip.Addr
	Left   time.Duration // until it is forgotten, in whole seconds, rounded down
}

func (n *nft) gates(ctx context.Context) ([]*nftObject, error) {
	objects, err := n.read(ctx)
	return slices.DeleteFunc(objects, func(o *nftObject) bool {
		return o.kind != "set" || !strings.HasPrefix(strings.TrimPrefix(o.Name, "pasvctl_"), "seen")
	}), err
}

func (n *nft) Learnt(ctx context.Context) (members []Member, err error) {
	gates, err := n.gates(ctx)
	if err != nil {
		return nil, err
	}
	for _, set := range gates {
		for _, raw := range set.Elem {
			var e struct {
				Elem struct {
					Val     struct{ Concat []any }
					Expires int64
				}
			}
			if err := json.Unmarshal(raw, &e); err != nil || len(e.Elem.Val.Concat) == 0 {
				return nil, fmt.Errorf("reading the member %s of %s: %w", raw, set.id(), err)
			}
			client, err := netip.ParseAddr(fmt.Sprint(e.Elem.Val.Concat[0]))
			if err != nil {
				return nil, fmt.Errorf("reading a member of %s: %w", set.id(), err)
			}
			members = append(members, Member{client, time.Duration(e.Elem.Expires) * time.Second})
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
		lines = append(lines, "flush "+set.id())
	}
	_, err = n.exec(ctx, script(lines...), "nft", "-f", "-")
	return err
}

func (b *iptables) Learnt(ctx context.Context) (members []Member, err error) {
	text, err := b.exec(ctx, "", "ipset", "save")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line) // add NAME ADDRESS timeout SECONDS
		if len(f) != 5 || f[0] != "add" || !strings.HasPrefix(f[1], "pasvctl-") || f[3] != "timeout" {
			continue
		}
		client, err := netip.ParseAddr(f[2])
		seconds, err2 := strconv.Atoi(f[4])
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("reading a member of %s: %w", f[1], err)
		}
		members = append(members, Member{client, time.Duration(seconds) * time.Second})
	}
	return members, nil
}

func (b *iptables) Forget(ctx context.Context) error {
	text, err := b.exec(ctx, "", "ipset", "save")
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "create" || !strings.HasPrefix(f[1], "pasvctl-") || !slices.Contains(f, "timeout") {
			continue
		}
		if _, err := b.exec(ctx, "", "ipset", "flush", f[1]); err != nil {
			return err
		}
	}
	return nil
}
