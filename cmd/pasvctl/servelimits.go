//go:build linux

package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/embeddedftpd"
)

// serveLimits are the bounds of the daemon that an operator may want to set;
// 0 is the daemon's own default.
type serveLimits struct {
	rate, totalRate            byteCount
	loginAttempts              int
	login, idle, stall, ending time.Duration
	active                     bool
}

func (l *serveLimits) register(c *cobra.Command) {
	f := c.Flags()
	f.Var(&l.rate, "rate", "limit each transfer to `BYTES` a second")
	f.Var(&l.totalRate, "total-rate", "limit all transfers together to `BYTES` a second")
	f.IntVar(&l.loginAttempts, "login-attempts", 0, "close a session after `N` wrong passwords (default 3)")
	f.DurationVar(&l.login, "login-timeout", 0, "close a session without a login after `TIME` (default 1m)")
	f.DurationVar(&l.idle, "idle-timeout", 0, "close a session without a command after `TIME` (default idle_timeout, or 5m)")
	f.DurationVar(&l.stall, "stall-timeout", 0, "abort a transfer that carries nothing for `TIME` (default data_timeout, or 1m)")
	f.DurationVar(&l.ending, "stop-timeout", 0, "let transfers run for `TIME` when the daemon stops (default 10s)")
	f.BoolVar(&l.active, "active", false, "let clients ask for active mode, to their own address only")
}

func (l *serveLimits) check() error {
	for name, negative := range map[string]bool{
		"login-attempts": l.loginAttempts < 0, "login-timeout": l.login < 0,
		"idle-timeout": l.idle < 0, "stall-timeout": l.stall < 0, "stop-timeout": l.ending < 0,
	} {
		if negative {
			return usage("0 is the default", "--%s is negative", name)
		}
	}
	return nil
}

func (l *serveLimits) apply(cfg *embeddedftpd.Config) {
	cfg.Rate, cfg.TotalRate, cfg.ActiveMode = int64(l.rate), int64(l.totalRate), cfg.ActiveMode || l.active
	cfg.MaxLoginAttempts, cfg.LoginTimeout = l.loginAttempts, l.login
	cfg.StopTimeout = l.ending
	cfg.IdleTimeout, cfg.StallTimeout = cmp.Or(l.idle, cfg.IdleTimeout), cmp.Or(l.stall, cfg.StallTimeout)
}
