package verify

import (
	"fmt"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// attempts bounds how often the memory of the gates is read, where the machine
// is too busy to read it in time.
const attempts = 5

// each calls f for all connections at once.
func each(all []running, f func(i int, r running)) {
	var work sync.WaitGroup
	for i, r := range all {
		work.Go(func() { f(i, r) })
	}
	work.Wait()
}

// remembered sends a packet on each control connection and expects the gates
// to remember its client for the policy's time from then on.
func (t *trial) remembered(control []running) error {
	var members []kernel.Member
	var since, latest time.Duration
	for range attempts {
		started := time.Now()
		each(control, func(_ int, r running) {
			if r.File != nil {
				_ = packets.Exchange(r.File) // a failure shows below
			}
		})
		sent := time.Now()
		time.Sleep(20 * time.Millisecond) // more than a tick of the kernel's clock
		asked := time.Now()
		var err error
		if members, err = t.backend.Learnt(t.ctx); err != nil {
			return err
		}
		since, latest = asked.Sub(sent), time.Since(started)
		if latest < time.Second {
			break
		}
	}
	for _, r := range control {
		s := sessionOf(r.site, r.From)
		t.model.established(s)
		if !r.site.Policy.Gate {
			continue
		}
		got, wait := "not at all", r.site.Policy.GateTimeout
		for _, m := range members {
			if sessionOf(r.site, m.Client) != s {
				continue
			}
			got = m.Left.String() + " left"
			// The kernel counts down in whole seconds, rounded down.
			if m.Left >= (wait-latest).Truncate(time.Second) && m.Left <= (wait-since).Truncate(time.Second) {
				got = wait.String()
			}
		}
		if err := t.add(r.site, "how long the gate remembers a client", r.From.String(), r.To.String(), wait.String(), got); err != nil {
			return err
		}
	}
	return nil
}

// count words a number of connections.
func count(n int) string { return fmt.Sprintf("%d admitted", n) }
