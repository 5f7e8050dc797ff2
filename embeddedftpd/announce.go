package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// Announcement is the address that the 227 reply names to clients of a network.
type Announcement struct {
	Clients netip.Prefix
	Address netip.Addr
}

// announcer knows the address that a 227 reply names.
type announcer struct {
	single []Announcement
	name   string // "" if the address is a fixed one
	lookup func(ctx context.Context, network, name string) ([]netip.Addr, error)
	log    *slog.Logger
	answer atomic.Pointer[netip.Addr]
}

const (
	announceEvery   = time.Minute
	announceTimeout = 10 * time.Second // of one resolution
)

func newAnnouncer(ctx context.Context, cfg Config) (*announcer, error) {
	a := &announcer{single: cfg.AnnounceTo, name: cfg.AnnounceName, lookup: net.DefaultResolver.LookupNetIP, log: cfg.Log}
	fixed := cfg.Announce.Unmap()
	a.answer.Store(&fixed)
	if a.name == "" {
		return a, nil
	}
	return a, a.resolve(ctx)
}

// to is what to announce to a client.
func (a *announcer) to(client netip.Addr) netip.Addr {
	for _, one := range a.single {
		if one.Clients.Contains(client.Unmap()) {
			return one.Address
		}
	}
	return a.address()
}

// address is what to announce to all others; zero: the control connection's own.
func (a *announcer) address() netip.Addr { return *a.answer.Load() }

// resolve looks the name up. The answer stays while it is among the name's addresses.
func (a *announcer) resolve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	all, err := a.lookup(ctx, "ip4", a.name)
	if err == nil && len(all) == 0 {
		err = errors.New("it has no IPv4 address")
	}
	if err != nil {
		return fmt.Errorf("cannot resolve %s, which is to be announced: %w", a.name, err)
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	before, now := a.address(), slices.MinFunc(all, netip.Addr.Compare)
	if slices.Contains(all, before) {
		return nil
	}
	a.answer.Store(&now)
	if before.IsValid() {
		a.log.Info("the announced address has changed", "name", a.name, "from", before.String(), "to", now.String())
	}
	return nil
}

// follow resolves the name again and again until ctx ends.
func (a *announcer) follow(ctx context.Context) {
	for a.name != "" && pause(ctx, announceEvery) {
		if err := a.resolve(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("the last announced address stays", "address", a.address().String(), "error", err)
		}
	}
}
