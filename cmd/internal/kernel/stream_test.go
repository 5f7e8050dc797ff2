package kernel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

// tally counts what arrives before our rules and what is left after them.
const tally = `table inet tally {
	counter before { }
	counter after { }
	chain before { type filter hook input priority -10; meta l4proto tcp counter name before; }
	chain after { type filter hook input priority 10; meta l4proto tcp counter name after; }
}`

// Loading new rules 200 times under a running transfer and a stream of new
// connections drops not one packet that the policy allows.
func TestLoadsDropNothing(t *testing.T) {
	for _, tt := range []struct {
		backend string
		loads   int
	}{{kernel.NFT, 200}, {kernel.IPTables, 60}} {
		t.Run(tt.backend, func(t *testing.T) {
			t.Parallel()
			kerneltest.Machine(t) // or skips
			server := []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")}
			clients := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8:1:1::7"), netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("2001:db8:1:2::7")}
			bed, err := packets.New(packets.Layout{Server: server, Clients: clients})
			must(t, err)
			defer bed.Close()
			exec := func(_ context.Context, stdin, program string, args ...string) (string, error) {
				return bed.Server.Run(stdin, program, args...)
			}
			b, err := kernel.New(tt.backend, exec)
			must(t, err)
			rules := []kernel.Rules{
				kerneltest.Rules(t, tt.backend, kerneltest.PlainHost("")),
				kerneltest.Rules(t, tt.backend, kerneltest.PlainHost(kerneltest.SecondSite)),
			}
			must(t, kerneltest.Load(t.Context(), b, rules[0]))
			kerneltest.Run(t, exec, tally, "nft", "-f", "-")

			s := &stream{bed: bed, server: server}
			s.start(t, clients)
			for i := range tt.loads {
				if err := kerneltest.Load(t.Context(), b, rules[(i+1)%2]); err != nil {
					t.Error(err)
					break
				}
			}
			s.stop()
			before, after := counted(t, exec, "before"), counted(t, exec, "after")
			t.Logf("%d loads, %d connections, %d packets", tt.loads, s.made.Load(), before)
			if before != after || before < 1000 {
				t.Errorf("%d packets came, %d were let through", before, after)
			}
			for _, err := range s.errs {
				t.Error(err)
			}
		})
	}
}

// stream are clients that connect to the control port, then to a data port,
// and again, and one transfer that never ends.
type stream struct {
	bed    *packets.Bed
	server []netip.Addr
	made   atomic.Int64
	ended  atomic.Bool
	work   sync.WaitGroup
	echo   *packets.Echo

	mu   sync.Mutex
	errs []error
}

func (s *stream) start(t *testing.T, clients []netip.Addr) {
	t.Helper()
	var at []netip.AddrPort
	for _, a := range s.server {
		at = append(at, netip.AddrPortFrom(a, 21), netip.AddrPortFrom(a, 61000))
	}
	echo, err := packets.NewEcho(s.bed.Server, at...)
	must(t, err)
	s.echo = echo
	for i, from := range clients {
		// The first two keep their connections.
		s.work.Go(func() {
			if err := s.client(from, i < 2); err != nil {
				s.mu.Lock()
				s.errs = append(s.errs, err)
				s.mu.Unlock()
			}
		})
	}
}

func (s *stream) stop() {
	s.ended.Store(true)
	s.work.Wait()
	s.echo.Close()
}

func (s *stream) client(from netip.Addr, lasting bool) error {
	to := s.server[0]
	if from.Is6() {
		to = s.server[1]
	}
	for !s.ended.Load() {
		if err := s.session(from, to, lasting); err != nil {
			return err
		}
		// The kernel takes ended connections off a client's count once a tick of
		// its clock: of more sessions than the cap in one tick, it drops some.
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// session is a control connection and a transfer beside it.
func (s *stream) session(from, to netip.Addr, lasting bool) error {
	var open []packets.Connection
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for _, port := range []uint16{21, 61000} {
		c := s.bed.Connect(packets.Probe{From: from, To: netip.AddrPortFrom(to, port), Want: packets.Admitted})[0]
		if c.File == nil {
			return fmt.Errorf("from %s to %s port %d: %s %v", from, to, port, c.Got, c.Err)
		}
		open = append(open, c)
		s.made.Add(1)
		// A client learns of its data port from a reply: by then its handshake
		// with the control port is done at both ends.
		if err := packets.Exchange(c); err != nil {
			return fmt.Errorf("from %s to %s: %w", from, c.To, err)
		}
	}
	for first := true; first || lasting && !s.ended.Load(); first = false {
		for _, c := range open {
			if err := packets.Exchange(c); err != nil {
				return fmt.Errorf("from %s to %s: %w", from, c.To, err)
			}
		}
		time.Sleep(time.Millisecond) // the loads need the processor too
	}
	return nil
}

// counted reads a counter of the tally.
func counted(t *testing.T, exec kernel.Exec, name string) (n int) {
	t.Helper()
	text := kerneltest.Run(t, exec, "", "nft", "-j", "list", "counter", "inet", "tally", name)
	var doc struct {
		Nftables []struct {
			Counter *struct{ Packets int }
		}
	}
	must(t, json.NewDecoder(strings.NewReader(text)).Decode(&doc))
	for _, o := range doc.Nftables {
		if o.Counter != nil {
			n = o.Counter.Packets
		}
	}
	return n
}
