package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// claim is something that the embedded daemon is held to by itself.
type claim struct {
	name string
	run  func(context.Context, *bench) (string, error)
}

var holding = []claim{
	{"memory a session", memory},
	{"idle sessions", idle},
	{"one port, many addresses", manyAddresses},
	{"one port, one address, TLS", oneAddressTLS},
	{"one port, one address, clear text", oneAddress},
}

// address is the client address of a session: each has its own.
func address(i int) string { return fmt.Sprintf("127.1.%d.%d", i/250, i%250+1) }

// memory holds sessions that have logged in.
func memory(ctx context.Context, b *bench) (string, error) {
	var parts []string
	for _, name := range []string{"embedded", "vsftpd", "proftpd", "pure-ftpd", "ftpserverlib"} {
		n := b.held
		if name != "embedded" {
			n = min(n, 200)
		}
		kib, err := b.memoryOf(ctx, name, n)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		parts = append(parts, fmt.Sprintf("%s %.1f KiB (%d held)", name, kib, n))
	}
	return strings.Join(parts, ", "), nil
}

func (b *bench) memoryOf(ctx context.Context, name string, n int) (float64, error) {
	s, err := start(ctx, name, 1, false)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	before, err := s.group.memory()
	if err != nil {
		return 0, err
	}
	c, err := gather(s.address, n, load{}, address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	after, err := s.group.memory()
	return float64(after-before) / float64(n) / 1024, err
}

// idle holds 1,000 sessions that do nothing.
func idle(ctx context.Context, b *bench) (string, error) {
	const sessions, most = 1000, 0.5 // percent of a processor
	s, err := start(ctx, "embedded", 1, false)
	if err != nil {
		return "", err
	}
	defer s.stop()
	c, err := gather(s.address, sessions, load{}, address)
	if err != nil {
		return "", err
	}
	defer c.close()
	before, err := s.group.cpu()
	if err != nil {
		return "", err
	}
	select {
	case <-time.After(b.hold):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	after, err := s.group.cpu()
	share := 100 * (after - before).Seconds() / b.hold.Seconds()
	if err == nil && share > most {
		err = fmt.Errorf("%d take %.2f %% of a processor, want %.1f %%", sessions, share, most)
	}
	return fmt.Sprintf("%d take %.2f %% of a processor over %v", sessions, share, b.hold), err
}

// manyAddresses serves sessions from an address each over one port.
func manyAddresses(ctx context.Context, b *bench) (string, error) {
	return b.closedLoop(ctx, b.held, address)
}

// oneAddress serves 500 sessions behind one address over one port, in clear
// text, where each has to wait for its turn: for the turns of the 499 others at
// most, since the pool gives them in order of arrival.
func oneAddress(ctx context.Context, b *bench) (string, error) {
	return b.closedLoop(ctx, 500, func(int) string { return "" })
}

func (b *bench) closedLoop(ctx context.Context, n int, source func(int) string) (string, error) {
	s, err := start(ctx, "embedded", 1, false)
	if err != nil {
		return "", err
	}
	defer s.stop()
	c, err := gather(s.address, n, load{}, source)
	if err != nil {
		return "", err
	}
	defer c.close()
	took, err := c.run(ctx, b.hold)
	if err != nil {
		return "", err
	}
	if c.refused > 0 {
		return "", fmt.Errorf("%d of %d refused: %s", c.refused, c.done+c.refused, c.refusal)
	}
	turn := took / time.Duration(c.done)
	return fmt.Sprintf("%d sessions, %d transfers in %v, %d refused; %.0f/s, so that a round of all takes %v; the longest reply to an EPSV took %v",
		n, c.done, took.Round(time.Second), c.refused, float64(c.done)/took.Seconds(), (turn * time.Duration(n)).Round(time.Millisecond),
		c.longest.Round(time.Millisecond)), nil
}

// oneAddressTLS serves 500 sessions behind one address over one port, which
// are told apart by their TLS sessions.
func oneAddressTLS(ctx context.Context, b *bench) (string, error) {
	const sessions = 500
	s, err := start(ctx, "embedded", 1, false)
	if err != nil {
		return "", err
	}
	defer s.stop()
	clients := make([]*secureSession, sessions)
	for i := range clients {
		if clients[i], err = secureLogin(s.address, tls.VersionTLS13); err != nil {
			return "", err
		}
		defer clients[i].close()
	}
	var done, refused atomic.Int64
	var work sync.WaitGroup
	failed := make(chan error, sessions)
	began := time.Now()
	for i, c := range clients {
		work.Go(func() {
			for time.Since(began) < b.hold && ctx.Err() == nil {
				_, err := c.retrieve(fmt.Sprintf("small/%d", i%smallFiles), int64(len(payload)))
				switch {
				case err == nil:
					done.Add(1)
				case isRefusal(err):
					refused.Add(1)
				default:
					failed <- err
					return
				}
			}
		})
	}
	work.Wait()
	close(failed)
	if err := errors.Join(<-failed, ctx.Err()); err != nil {
		return "", err
	}
	took := time.Since(began)
	if refused.Load() > 0 {
		return "", fmt.Errorf("%d of %d refused", refused.Load(), done.Load()+refused.Load())
	}
	return fmt.Sprintf("%d sessions, %d transfers in %v, 0 refused; %.0f/s", sessions, done.Load(), took.Round(time.Second),
		float64(done.Load())/took.Seconds()), nil
}
