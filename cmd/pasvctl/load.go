package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
	"github.com/pasvctl/pasvctl/cmd/internal/loadmodel"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type loader struct {
	streams
	variables
	config           ftpload.Config
	sources          []string
	delay, op, ports string
	passwordFile, ca string
	tls, insecure    bool
	spec, site       string
	asJSON           bool
}

func newLoad(s streams) *cobra.Command {
	l := &loader{streams: s}
	c := &cobra.Command{
		Use:   "load ADDR",
		Short: "measure what a running FTP server refuses",
		Long: `load keeps sessions open on an FTP server, asks for passive ports at a rate or as fast
as it can, uses them, and counts refusals by kind: a reply, a reset, silence, or a port
outside the range. It compares the data with what the session's file held when it was
fetched alone, and so detects data that reaches the wrong session: write %d into --path
to give each session its own file.

With --spec and --site the model computes the refused share for the measured load. A
model outside the measured 95 % interval ends with exit code 2; if the model is only an
upper bound, a measurement above it does. On a server that keeps a session's port until
the session ends (Pure-FTPd), the bound assumes that all sessions hold a port; with
--relogin each session serves one transfer.

The password comes from PASVCTL_PASSWORD or --password-file.`,
		Example: `  pasvctl load 127.0.0.1:2121 --path hello.txt --sessions 20 --rate 50
  pasvctl load ftp.example.net:21 --user mirror --path file%d \
    --spec edge.pasv.hcl --site downloads`,
		Args: exactly("ADDR"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := interruptible(c.Context())
			defer stop()
			return l.run(ctx, args[0])
		},
	}
	l.register(c)
	c.ValidArgsFunction = cobra.NoFileCompletions
	f, cfg := c.Flags(), &l.config
	f.StringVar(&cfg.User, "user", "anonymous", "log in as `NAME`")
	f.StringVar(&l.passwordFile, "password-file", "", "read the password from the first line of `FILE`")
	f.IntVar(&cfg.Sessions, "sessions", 10, "keep `N` sessions")
	f.StringArrayVar(&l.sources, "source", nil, "bind to `ADDR`, or to each of FIRST-LAST, in turn; repeatable")
	f.BoolVar(&cfg.Extended, "epsv", false, "ask with EPSV instead of PASV")
	f.StringVar(&l.op, "op", string(ftpload.Retrieve), "use data connections for `OPERATION`: retr, stor or list")
	_ = c.RegisterFlagCompletionFunc("op", cobra.FixedCompletions([]string{"retr", "stor", "list"}, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&cfg.Path, "path", "", "fetch, store or list `PATH`; %d stands for the session's number")
	cfg.Size = 1024
	f.Var((*byteCount)(&cfg.Size), "size", "store files of `BYTES`")
	f.Float64Var(&cfg.Rate, "rate", 0, "ask `N` times a second in a Poisson stream; 0: each session asks again when it is done")
	f.StringVar(&l.delay, "connect-delay", "0s", "connect `TIME` after the reply; exponential:TIME draws it")
	f.Float64Var(&cfg.Abandoned, "abandoned", 0, "never connect for this `SHARE` of the replies")
	f.DurationVar(&cfg.AbandonFor, "abandoned-for", 10*time.Second, "stay silent for `TIME` after a reply without a connection")
	f.Float64Var(&cfg.ReadRate, "read-rate", 0, "read `N` bytes a second; 0 is full speed")
	f.BoolVar(&l.tls, "tls", false, "use AUTH TLS and PROT P, and resume the TLS session on data connections")
	f.StringVar(&l.ca, "ca", "", "trust the certificates of `FILE`")
	f.BoolVar(&l.insecure, "insecure", false, "trust any certificate")
	f.BoolVar(&cfg.Relogin, "relogin", false, "log in again after each port")
	f.DurationVar(&cfg.Duration, "duration", 30*time.Second, "measure for `TIME`")
	f.DurationVar(&cfg.Timeout, "timeout", 30*time.Second, "wait at most `TIME` for a reply or for data")
	f.StringVar(&l.ports, "ports", "", "the server should use only `FIRST-LAST`; the site's range with --spec")
	f.Uint64Var(&cfg.Seed, "seed", 1, "start the random numbers from `N`")
	f.StringVar(&l.spec, "spec", "", "compare with the model of a site in `FILE`")
	f.StringVar(&l.site, "site", "", "the server is the site `NAME` of --spec; not needed if the spec has one")
	f.BoolVar(&l.asJSON, "json", false, "write the result as JSON")
	_ = c.RegisterFlagCompletionFunc("site", func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return l.completeSite(c, []string{l.spec}, typed)
	})
	return c
}

func (l *loader) run(ctx context.Context, addr string) error {
	compare, err := l.prepare(addr)
	if err != nil {
		return err
	}
	bar := newProgress(l.err)
	r, err := ftpload.Run(ctx, l.config, func(p ftpload.Progress) {
		if p.Phase == "measuring" {
			bar.show(p.Elapsed.Seconds()/p.Duration.Seconds(), fmt.Sprintf("%s asked, %s refused", sizing.Count(p.Asked), sizing.Count(p.Refused)))
		} else {
			bar.show(float64(p.Done)/float64(p.Sessions), p.Phase)
		}
	})
	bar.clear()
	if err != nil {
		return failure(err, "")
	}
	m := modelOf(compare, l.config, r)
	if l.asJSON {
		err = envelope.Write(l.out, "load", struct {
			*ftpload.Report
			Model *modelled `json:"model,omitempty"`
		}{r, m})
	} else {
		err = writeLoad(l.out, r, m)
	}
	if err != nil {
		return err
	}
	return l.verdict(r, m)
}

// verdict ends with 1 where data reached the wrong session, with 2 where model
// and measurement disagree.
func (l *loader) verdict(r *ftpload.Report, m *modelled) error {
	if n := r.Kinds[ftpload.WrongContent]; n > 0 {
		return failure(fmt.Errorf("%s carried another session's data", sizing.Plural(n, "transfer")), "do not use this server as it is")
	}
	if m != nil && !m.Agrees {
		fmt.Fprintf(l.err, "the model computes %s, but the measured interval is %s\n", m.said(), interval(r.Low, r.High))
		return silent(exitDifference)
	}
	return nil
}

// prepare turns the flags into a configuration, and finds the site to compare
// with; nil if none is named.
func (l *loader) prepare(addr string) (compare *plan.Site, err error) {
	c := &l.config
	c.Addr, c.Op = addr, ftpload.Operation(l.op)
	if _, _, err := net.SplitHostPort(addr); err != nil {
		c.Addr = net.JoinHostPort(addr, "21")
	}
	if c.Sources, err = parseSources(l.sources); err != nil {
		return nil, err
	}
	if c.ConnectDelay, err = parseDelay(l.delay); err != nil {
		return nil, err
	}
	if c.Password, err = l.password(); err != nil {
		return nil, err
	}
	if c.TLS, err = l.tlsConfig(c.Addr); err != nil {
		return nil, err
	}
	if l.site != "" && l.spec == "" {
		return nil, usage("write --spec FILE", "--site needs the spec of the site")
	}
	if l.spec != "" {
		p, err := l.valid(l.streams, l.spec)
		if err != nil {
			return nil, err
		}
		s, err := p.site(l.site)
		if err != nil {
			return nil, err
		}
		compare = s
		c.FirstPort, c.LastPort = s.DataPorts.First, s.DataPorts.Last
	}
	if l.ports != "" {
		r, ok := spec.ParsePortRange(l.ports)
		if !ok {
			return nil, usage("write --ports 61000-61099", "invalid range in --ports %q", l.ports)
		}
		c.FirstPort, c.LastPort = r.First, r.Last
	}
	if err := c.Check(); err != nil {
		return nil, usage("see pasvctl load --help", "%w", err)
	}
	return compare, nil
}

func (l *loader) password() (string, error) {
	if l.passwordFile == "" {
		if p := os.Getenv("PASVCTL_PASSWORD"); p != "" {
			return p, nil
		}
		return "pasvctl@", nil // what anonymous servers ask for is an address (RFC 1635)
	}
	text, err := source.Read(l.passwordFile)
	if err != nil {
		return "", failure(err, "")
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

func (l *loader) tlsConfig(addr string) (*tls.Config, error) {
	if !l.tls {
		return nil, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usage("write HOST:PORT", "%w", err)
	}
	c := &tls.Config{ServerName: host, InsecureSkipVerify: l.insecure}
	if l.ca != "" {
		text, err := source.Read(l.ca)
		if err != nil {
			return nil, failure(err, "")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, failure(fmt.Errorf("%s has no certificate", l.ca), "")
		}
	}
	return c, nil
}

// maxSources bounds the addresses of --source.
const maxSources = 65536

// parseSources reads addresses and ranges of them.
func parseSources(list []string) (all []netip.Addr, err error) {
	for _, text := range list {
		first, last, isRange := strings.Cut(text, "-")
		if !isRange {
			last = first
		}
		from, err1 := netip.ParseAddr(first)
		to, err2 := netip.ParseAddr(last)
		if err := errors.Join(err1, err2); err != nil || to.Less(from) || from.Is4() != to.Is4() {
			return nil, usage("write --source 127.0.0.2 or --source 127.0.0.2-127.0.0.50", "--source %q is neither an address nor a range of them", text)
		}
		for a := from; !to.Less(a); a = a.Next() {
			if len(all) == maxSources {
				return nil, usage("give fewer", "--source takes at most %d addresses", maxSources)
			}
			all = append(all, a)
			if a == to {
				break
			}
		}
	}
	return all, nil
}

// parseDelay reads "50ms" or "exponential:50ms".
func parseDelay(text string) (ftpload.Delay, error) {
	shape, mean, found := strings.Cut(text, ":")
	if !found {
		shape, mean = string(ftpload.Constant), text
	}
	d, err := time.ParseDuration(mean)
	if err != nil {
		return ftpload.Delay{}, usage("write --connect-delay 50ms or --connect-delay exponential:50ms", "invalid duration in --connect-delay %q", text)
	}
	return ftpload.Delay{Shape: ftpload.Shape(shape), Mean: d}, nil
}

// modelled is what the model says of a load that was measured.
type modelled struct {
	Site  string  `json:"site"`
	Ports int     `json:"ports"`
	Hold  float64 `json:"hold_seconds"` // the mean that the model was given
	modelShare
}

// modelOf is nil if no site is named or nothing was asked for. It assumes
// that no other program holds a port: what a squatter takes shows in the measurement.
func modelOf(s *plan.Site, c ftpload.Config, r *ftpload.Report) *modelled {
	if s == nil || r.Asked == 0 {
		return nil
	}
	measured := loadmodel.Server{
		Profile: s.Profile, Ports: s.DataPorts.Count(), MaxWait: s.Objective.MaxWait,
		Marked: c.TLS != nil && s.TLS.ReuseRequired,
	}
	e := measured.Expect(loadmodel.Of(c, r))
	return &modelled{
		Site: s.Name, Ports: measured.Ports, Hold: e.Hold,
		modelShare: modelShare{Refused: e.Refused, AtMost: e.AtMost, Agrees: e.Agrees(r.Low, r.High)},
	}
}

func (m *modelled) said() string {
	share := sizing.Share(m.Refused)
	if m.AtMost && share != "none" && !strings.HasPrefix(share, "below") {
		return "at most " + share
	}
	return share
}

func (m *modelled) word() string {
	if m.Agrees {
		return "agrees"
	}
	return "DISAGREES"
}

func writeLoad(w io.Writer, r *ftpload.Report, m *modelled) error {
	var rows [][2]string
	row := func(name, format string, a ...any) { rows = append(rows, [2]string{name, fmt.Sprintf(format, a...)}) }
	row("asked for", "%s in %.1f s, %.4g/s", sizing.Plural(r.Asked, "data connection"), r.Seconds, r.Rate)
	row("refused", "%s, %s (95 %% interval %s)", sizing.Count(r.Refused), sizing.Share(r.RefusedShare), interval(r.Low, r.High))
	if m != nil {
		row("model", "%s for %s held %s on average: %s", m.said(), sizing.Plural(m.Ports, "port"), seconds(m.Hold), m.word())
	}
	for _, k := range slices.Sorted(maps.Keys(r.Kinds)) {
		row("  "+string(k), "%s", sizing.Count(r.Kinds[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Replies)) {
		row("  reply", "%s x %q", sizing.Count(r.Replies[k]), k)
	}
	if r.NoSession > 0 {
		row("no session idle", "%s: raise --sessions", sizing.Count(r.NoSession))
	}
	if r.Reconnects > 0 {
		row("sessions lost", "%s", sizing.Count(r.Reconnects))
	}
	for _, k := range slices.Sorted(maps.Keys(r.LoginErrors)) {
		row("  login", "%s x %s", sizing.Count(r.LoginErrors[k]), k)
	}
	if r.Ports > 0 {
		row("ports", "%s different ones, %d to %d", sizing.Count(r.Ports), r.LowestPort, r.HighestPort)
	}
	row("waited for a port", "%s on average, %s at most", seconds(r.MeanWait), seconds(r.MaxWait))
	row("listened", "%s on average", seconds(r.MeanListen))
	row("held", "%s on average, to the end of the transfer or, with --relogin, the session", seconds(r.MeanHold))
	if r.MaxLate > 0 {
		row("requests came", "%s late on average, %s at most", seconds(r.MeanLate), seconds(r.MaxLate))
	}
	row("carried", "%s", sizing.Plural(int(r.Bytes), "byte"))
	if !r.OwnFiles {
		row("note", "all sessions used one file: data that reached the wrong session is not detected")
	}
	return pairTable(w, rows)
}

// interval writes the bounds of a share.
func interval(low, high float64) string {
	bound := func(share float64) string {
		if share == 0 {
			return "0 %"
		}
		return sizing.Share(share)
	}
	return strings.TrimSuffix(bound(low), " %") + " to " + bound(high)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Microsecond).String()
}
