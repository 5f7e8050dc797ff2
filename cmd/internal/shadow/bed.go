package shadow

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// bed is the throwaway network of a trial.
type bed struct {
	*packets.Bed
	device string
	hooks  map[string]string // of the live base chains
	left   *time.Duration    // for the connections of the host
	report *Report
	trace  *trace
	held   []packets.Connection // control connections from before the rules
	open   []io.Closer
}

func (b *bed) close() error {
	if b.trace != nil {
		b.trace.stop()
	}
	packets.CloseAll(b.held)
	var errs []error
	for _, c := range b.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, b.Bed.Close())...)
}

// tracking makes the kernel follow connections while there are no rules yet.
const tracking = `table inet pasvctl_tracking { chain first { type filter hook prerouting priority 500; ct state invalid counter; }; }`

// control opens the control connections before there are any rules. The gate
// can then learn of them even if a rule drops new ones, and what keeps clients
// from the data ports is found anyway.
func (b *bed) control(sessions []session) error {
	if _, err := b.Server.Run(tracking, "nft", "-f", "-"); err != nil {
		return err
	}
	var at []netip.AddrPort
	var probes []packets.Probe
	known := map[netip.AddrPort]bool{}
	for _, s := range sessions {
		to := netip.AddrPortFrom(s.to, s.site.Port)
		if !known[to] {
			known[to] = true
			at = append(at, to)
		}
		probes = append(probes, packets.Probe{From: s.from, To: to, Want: packets.Admitted})
	}
	echo, err := packets.NewEcho(b.Server, at...)
	if err != nil {
		return err
	}
	b.open = append(b.open, echo)
	b.held = b.Connect(probes...)
	for _, c := range b.held {
		if c.Err != nil {
			return c.Err
		}
		if c.File == nil {
			return fmt.Errorf("from %s to %s: no answer before any rules were loaded", c.From, c.To)
		}
	}
	// What is acknowledged both ways is assured (nf_conntrack_proto_tcp.c).
	return b.exchange()
}

// exchange sends a line over each control connection and waits for it to come
// back, all at once.
func (b *bed) exchange() error {
	var all errgroup.Group
	for _, c := range b.held {
		all.Go(func() error { return packets.Exchange(c.File) })
	}
	return all.Wait()
}

// teach sends a packet over each control connection. One that a rule drops
// teaches nothing, and the trial shows it.
func (b *bed) teach() {
	for _, c := range b.held {
		_ = c.File.SetDeadline(time.Now().Add(packets.Silence))
		_, _ = c.File.Write([]byte("still here\n"))
	}
	var all sync.WaitGroup
	for _, c := range b.held {
		all.Go(func() { _, _ = c.File.Read(make([]byte, 64)) })
	}
	all.Wait()
}

// found makes the attempts and returns those that end open, or not, and do so
// again when their packets are followed, with the rule that drops them, or the
// one of the base chain accepts that lets them through.
func (b *bed) found(all []attempt, open bool, accepts string) (found []Blocked, err error) {
	var some []attempt
	note := func(a attempt) { some = append(some, a) }
	if err := b.inTurns(all, atOnce, func(turn []attempt) error { return b.each(turn, open, note) }); err != nil || len(some) == 0 {
		return nil, err
	}
	traced := some[:min(len(some), maxTraced)]
	if !open {
		b.untried(some[len(traced):], "why nobody reaches ")
	}
	if b.trace == nil {
		if b.trace, err = startTrace(b.Server, b.device); err != nil {
			return nil, err
		}
	}
	err = b.inTurns(traced, tracedAtOnce, func(turn []attempt) error {
		b.trace.forget()
		deadline := time.Now().Add(traceTime)
		return b.each(turn, open, func(a attempt) {
			base := accepts
			if a.From.Is6() && strings.HasPrefix(base, "ip ") { // the other half of iptables
				base = "ip6" + strings.TrimPrefix(base, "ip")
			}
			f := b.trace.of(a.From, a.To, base, deadline)
			a.Rule, a.Base, a.Rewrote, a.Hook = f.rule, f.base, f.rewrote, b.hooks[f.base]
			found = append(found, a.Blocked)
		})
	})
	return found, err
}

// each makes the attempts at once and calls f with those that end open, or not.
func (b *bed) each(turn []attempt, open bool, f func(attempt)) error {
	accepted, err := b.try(turn)
	if err != nil {
		return err
	}
	for i, a := range turn {
		if accepted[i] == open {
			f(a)
		}
	}
	return nil
}

// inTurns calls f with some attempts at a time until the host's time is over,
// and notes what is left.
func (b *bed) inTurns(all []attempt, atOnce int, f func([]attempt) error) error {
	for len(all) > 0 {
		if *b.left <= 0 {
			b.untried(all, "")
			return nil
		}
		n, start := min(len(all), atOnce), time.Now()
		if err := f(all[:n]); err != nil {
			return err
		}
		*b.left -= time.Since(start)
		all = all[n:]
	}
	return nil
}

// untried notes what there was no time for, a line a site.
func (b *bed) untried(all []attempt, what string) {
	known := map[string]bool{}
	for _, line := range b.report.Untried {
		known[line] = true
	}
	for _, a := range all {
		port := "the data ports"
		if a.control {
			port = "the control port"
		}
		line := fmt.Sprintf("site %q: %s%s", a.Site.Name, what, port)
		if !known[line] {
			known[line] = true
			b.report.Untried = append(b.report.Untried, line)
		}
	}
}

// try makes the attempts at once and reports which of them were accepted. A
// reset does not count: a rule may have sent it.
func (b *bed) try(some []attempt) (open []bool, err error) {
	open = make([]bool, len(some))
	var at []netip.AddrPort
	var probes []packets.Probe
	for _, a := range some {
		if !a.control && !slices.Contains(at, a.To) {
			at = append(at, a.To)
		}
		probes = append(probes, packets.Probe{From: a.From, To: a.To, Want: packets.Dropped})
	}
	echo, err := packets.NewEcho(b.Server, at...)
	// A program that is being started may hold a copy of the last listener of
	// the port for a moment.
	for deadline := time.Now().Add(packets.Patience); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		echo, err = packets.NewEcho(b.Server, at...)
	}
	if err != nil {
		return open, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	for i, c := range b.Connect(probes...) {
		open[i] = c.File != nil
		if c.File != nil {
			c.File.Close()
		}
	}
	return open, nil
}
