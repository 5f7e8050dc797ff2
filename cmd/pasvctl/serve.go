//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/portowner"
	"github.com/pasvctl/pasvctl/embeddedftpd"
	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// embedded is the server profile of the bundled daemon.
const embedded = "embedded"

type server struct {
	streams
	variables
	chosen           siteChoice
	listen           []string
	announce         string
	anonymous, users string
	user, metrics    string
	xferlog, logs    string
	handOverTime     time.Duration
	limits           serveLimits

	account   *account
	transfers *transferLog
	accounts  *usersFile
	scraped   *metricsServer
}

func newServe(s streams) *cobra.Command {
	d := &server{streams: s}
	c := &cobra.Command{
		Use:   "serve FILE|FOLDER [SITE]",
		Short: "run the bundled FTP daemon for a site, on its computed range",
		Long: `serve runs the bundled FTP daemon for a site whose server is "embedded". It binds the
control port and every port of the site's range at start, on the site's addresses or
on those of --listen, and refuses to start if another program has one of them.

If every --listen is on loopback, it is a trial: the daemon replaces any other server on
the same range, and makes a certificate if the site's does not exist. Otherwise it
refuses addresses outside the site's clients.

A users file (see "pasvctl user") has one line per user, NAME:HASH:FOLDER or
NAME:HASH:FOLDER:OPTIONS, with an argon2id or bcrypt hash.

It logs to stderr, and stops on SIGTERM or SIGINT: idle sessions end at once, running
transfers get a few seconds. SIGHUP reloads the users file and reopens the transfer log; a
changed certificate is reloaded without a signal. SIGUSR2 starts the program again and
hands over to it: no session is refused, and running sessions continue until they end.
The user of --user must be able to read the files that are reloaded.

Under systemd it reports when it is ready, answers the watchdog and uses the listeners of
a socket unit; see the target "systemd".`,
		Example: "  pasvctl serve examples/quickstart --site downloads \\\n    --listen 127.0.0.1:2121 --anonymous /srv/ftp",
		RunE:    func(c *cobra.Command, args []string) error { return d.run(c.Context(), args[0]) },
	}
	d.register(c)
	d.chosen.register(c, &d.variables, "serve the site `NAME`, like SITE; not needed if the spec has one")
	c.Flags().StringArrayVar(&d.listen, "listen", nil, "bind control and data ports on `ADDR:PORT` instead of the site's addresses; repeatable")
	c.Flags().StringVar(&d.announce, "announce", "", "name `ADDR` in the reply to PASV, an IPv4 address or a host name, as in a container")
	c.Flags().StringVar(&d.anonymous, "anonymous", "", "let anonymous users read `DIR`")
	c.Flags().StringVar(&d.users, "users", "", "let the users of `FILE` log in")
	c.Flags().StringVar(&d.user, "user", "", "drop privileges to `NAME` after binding ports and opening files")
	c.Flags().StringVar(&d.xferlog, "xferlog", "", "log each transfer to `FILE`, in xferlog format")
	c.Flags().StringVar(&d.logs, "log-format", "text", "log as `FORMAT`: text or json")
	_ = c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringVar(&d.metrics, "metrics", "", "serve /metrics and /ready over HTTP on `ADDR:PORT`, to whoever can reach it")
	c.Flags().DurationVar(&d.handOverTime, "hand-over-timeout", 0, "end sessions that still run `TIME` after a hand-over (default 5m)")
	d.limits.register(c)
	_ = c.MarkFlagDirname("anonymous")
	return c
}

func (d *server) run(ctx context.Context, path string) (err error) {
	defer func() {
		if err != nil {
			refuse(err)
		}
	}()
	if d.anonymous == "" && d.users == "" {
		return usage("write --anonymous DIR or --users FILE, or both", "no user could log in")
	}
	if logFormats[d.logs] == nil {
		return usage("write text or json", "there is no log format %q", d.logs)
	}
	if d.handOverTime < 0 {
		return usage("0 is the default", "--hand-over-timeout is negative")
	}
	if at, err := netip.ParseAddr(d.announce); d.announce != "" && !spec.HostName(d.announce) && (err != nil || !at.Is4()) {
		return usage("write the IPv4 address or the host name that clients connect to", "invalid address in --announce %q", d.announce)
	}
	if err := d.limits.check(); err != nil {
		return err
	}
	listen, err := parseListen(d.listen)
	if err != nil {
		return err
	}
	p, err := d.valid(d.streams, path)
	if err != nil {
		return err
	}
	site, err := p.site(d.chosen.name)
	if err != nil {
		return err
	}
	cfg, err := d.config(site, listen)
	if err != nil {
		return err
	}
	for _, at := range cfg.Listen {
		if site.DataPorts.Contains(at.Port()) {
			return usage("choose a control port outside the range", "--listen %s is in the passive range %s of site %q", at, site.DataPorts, site.Name)
		}
	}
	if err := d.servable(site, onLoopback(cfg.Listen)); err != nil {
		return err
	}
	p.warnUnkept(d.err, site)
	return d.serve(ctx, site, cfg)
}

// servable reports whether the bundled daemon can run a site as the spec has it.
func (d *server) servable(s *plan.Site, trial bool) error {
	if s.Server != embedded && !trial {
		return failure(fmt.Errorf("site %q runs on %s, not on the bundled daemon", s.Name, s.Profile.Title),
			fmt.Sprintf("set server = %q in the spec, or try the range on this machine with --listen 127.0.0.1:2121", embedded))
	}
	if s.Server != embedded {
		fmt.Fprintf(d.err, "site %q runs on %s: the bundled daemon replaces it on the same range\n", s.Name, s.Profile.Title)
	}
	return nil
}

// warnUnkept warns if a site's range may not be the one that firewalls and
// other machines were given.
func (p *project) warnUnkept(w io.Writer, s *plan.Site) {
	for _, m := range p.Moves {
		switch {
		case m.Site != s.Name || m.From == m.To:
		case m.Kind() != plan.NewSite:
			fmt.Fprintf(w, "warning: the range of site %q has changed from %s to %s since the last generate: %s\n", s.Name, m.From, m.To, m.Why)
		case !s.Pinned:
			fmt.Fprintf(w, "warning: %s beside the spec has no range for site %q, so pasvctl chose %s now; copy the lock that generate wrote to this machine with the spec\n", plan.LockFile, s.Name, s.DataPorts)
		}
	}
}

// parseListen reads --listen: IP addresses with ports; no address is all.
func parseListen(values []string) ([]netip.AddrPort, error) {
	const hint = "write an IP address and a port, such as 127.0.0.1:2121, [::1]:2121 or :2121 for all addresses"
	var all []netip.AddrPort
	for _, value := range values {
		text := value
		if strings.HasPrefix(text, ":") {
			text = "[::]" + text
		}
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, usage(hint, "invalid address and port in --listen %q", value)
		}
		if slices.Contains(all, at) {
			return nil, usage("write each address once", "--listen %q is given twice", value)
		}
		for _, other := range all {
			wide, narrow := at, other
			if covers(other, at) {
				wide, narrow = other, at
			}
			if covers(wide, narrow) {
				return nil, usage(fmt.Sprintf("leave out --listen %v", narrow), "--listen %v covers --listen %v", wide, narrow)
			}
		}
		all = append(all, at)
	}
	return all, nil
}

// covers reports whether a binds b's address, too, so that both cannot bind the
// same passive ports. :: is no IPv4 address if there is one beside it.
func covers(a, b netip.AddrPort) bool {
	return a.Addr().IsUnspecified() && a.Addr() != b.Addr() && a.Addr().Is4() == b.Addr().Is4()
}

// bindFailure says why the daemon did not start, and who has its port.
func bindFailure(s *plan.Site, cfg embeddedftpd.Config, err error) error {
	var taken *passive.TakenError
	switch {
	case errors.As(err, &taken):
		return failure(fmt.Errorf("port %d of the range %s of site %q is taken by %s", taken.Addr.Port(), s.DataPorts, s.Name, owner(taken.Addr)),
			"end that program, or exclude its port with avoid_ports in the host block")
	case errors.Is(err, handover.ErrOtherPorts):
		return failure(err, "stop it and start it again: a hand-over keeps the ports as they are")
	case errors.Is(err, syscall.EADDRINUSE):
		return failure(fmt.Errorf("the control port of site %q is taken by %s", s.Name, owner(cfg.Listen...)),
			"end that program, or choose another port with --listen")
	case errors.Is(err, syscall.EMFILE):
		return failure(err, "the range has more ports than this process may open files: raise the limit with LimitNOFILE= or ulimit -n")
	case errors.Is(err, syscall.EACCES):
		return failure(err, "only root may bind ports below 1024: serve as root, or choose another port with --listen")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return failure(err, "this machine does not have the site's addresses: try it here with --listen 127.0.0.1:2121")
	default:
		return failure(err, "")
	}
}

// owner is who has the first of the ports that somebody has.
func owner(ports ...netip.AddrPort) string {
	for _, at := range ports {
		if owners, err := portowner.Of(at); err == nil && len(owners) > 0 {
			return owners[0].String()
		}
	}
	return "another program, which is gone or hidden"
}
