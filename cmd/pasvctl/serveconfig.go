//go:build linux

package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"

	"github.com/pasvctl/pasvctl/embeddedftpd"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// config is the site in the daemon's terms.
func (d *server) config(s *plan.Site, listen []netip.AddrPort) (embeddedftpd.Config, error) {
	cfg := embeddedftpd.Config{
		Listen:                listen,
		PassiveFirst:          s.DataPorts.First,
		PassiveLast:           s.DataPorts.Last,
		Announce:              s.Announce,
		AnnounceName:          s.AnnounceName,
		Clients:               s.Clients,
		MaxSessions:           s.Sessions,
		MaxSessionsPerAddress: s.SessionsPerAddress,
		IPv6ClientPrefix:      s.IPv6ClientPrefix,
		MaxWait:               s.Objective.MaxWait,
		ForeignData:           s.ForeignData,
		ActiveMode:            s.ActiveMode,
		IdleTimeout:           s.IdleTimeout,
		StallTimeout:          s.DataTimeout,
		AnonymousRoot:         d.anonymous,
		Log:                   slog.New(logFormats[d.logs](unfolded(d.err))).With("site", s.Name),
	}
	for _, to := range s.AnnounceTo {
		cfg.AnnounceTo = append(cfg.AnnounceTo, embeddedftpd.Announcement(to))
	}
	if d.announce != "" {
		cfg.Announce, cfg.AnnounceName = netip.Addr{}, d.announce
		if at, err := netip.ParseAddr(d.announce); err == nil {
			cfg.Announce, cfg.AnnounceName = at, ""
		}
	}
	if len(listen) == 0 {
		for _, a := range s.Addresses {
			cfg.Listen = append(cfg.Listen, netip.AddrPortFrom(a, s.Port))
		}
	}
	cfg.TLS = protection(s.Site)
	if onLoopback(cfg.Listen) {
		// A trial on this machine: its clients are here, the announced address
		// is somewhere else, and so may the certificate be.
		cfg.Clients, cfg.Announce, cfg.AnnounceName, cfg.AnnounceTo = nil, netip.Addr{}, "", nil
		if cfg.TLS != nil && !exists(cfg.TLS.Certificate) {
			cfg.TLS.Certificate, cfg.TLS.Key = "", ""
		}
	}
	d.limits.apply(&cfg)
	return cfg, d.open(&cfg)
}

// open opens the files that the daemon needs, while it still may.
func (d *server) open(cfg *embeddedftpd.Config) (err error) {
	if d.user != "" {
		if d.account, err = lookupAccount(d.user); err != nil {
			return err
		}
	}
	if d.users != "" {
		d.accounts = &usersFile{path: d.users}
		if err := d.accounts.read(); err != nil {
			return err
		}
		cfg.Users = d.accounts
	}
	if d.xferlog != "" {
		if d.transfers, err = openTransferLog(d.xferlog, d.account); err != nil {
			return failure(err, "name a file that can be written with --xferlog")
		}
		cfg.TransferLog = d.transfers
	}
	return nil
}

// protection is a site's TLS in the daemon's terms, nil for clear text.
func protection(s *spec.Site) *embeddedftpd.TLS {
	t := s.TLS
	if t.Mode == spec.TLSOff {
		return nil
	}
	return &embeddedftpd.TLS{
		Certificate: t.Certificate, Key: t.Key, Implicit: t.Mode == spec.TLSImplicit,
		Required: t.Required, CBC: t.CBC, ReusePreferred: !t.ReuseRequired, AcceptTruncated: !s.RefusesTruncated(),
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func onLoopback(listen []netip.AddrPort) bool {
	return !slices.ContainsFunc(listen, func(at netip.AddrPort) bool { return !at.Addr().Unmap().IsLoopback() })
}
