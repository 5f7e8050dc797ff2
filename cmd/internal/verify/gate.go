package verify

import (
	"fmt"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// attempts bounds how often the memory of the gates is read, where it is not
// as expected or the machine is too busy to read it in time.
const attempts = 5

// each calls f for all connections at once.
func each(all []running, f func(i int, r running)) {
	var work sync.WaitGroup
	for i, r := range all {
		work.Go(func() { f(i, r) })
	}
	work.Wait()
}

// remembered expects the gates to remember the client of each control
// connection for the policy's time from its last packet on.
func (t *trial) remembered(control []running) error {
	var gated []running
	for _, r := range control {
		t.model.established(sessionOf(r.site, r.From))
		if r.site.Policy.Gate {
			gated = append(gated, r)
		}
	}
	var got []string
	for range attempts {
		started := time.Now()
		var asExpected bool
		var err error
		if got, asExpected, err = t.memories(gated); err != nil {
			return err
		}
		// A late acknowledgement starts the time again, too.
		if asExpected && time.Since(started) < time.Second {
			break
		}
	}
	for i, r := range gated {
		if err := t.add(r.site, "how long the gate remembers a client", r.From.String(), r.To.String(), r.site.Policy.GateTimeout.String(), got[i]); err != nil {
			return err
		}
	}
	return nil
}

// memories sends a packet on each control connection and reads how long the
// gates remember its client from then on, and whether that is the policy's
// time for all of them.
func (t *trial) memories(gated []running) (got []string, asExpected bool, err error) {
	started := time.Now()
	each(gated, func(_ int, r running) {
		if r.File != nil {
			_ = packets.Exchange(r.File) // a failure shows below
		}
	})
	sent := time.Now()
	time.Sleep(20 * time.Millisecond) // more than a tick of the kernel's clock
	asked := time.Now()
	members, err := t.backend.Learnt(t.ctx)
	if err != nil {
		return nil, false, err
	}
	since, latest := asked.Sub(sent), time.Since(started)
	asExpected = true
	for _, r := range gated {
		remembered, wait := "not at all", r.site.Policy.GateTimeout
		for _, m := range members {
			if sessionOf(r.site, m.Client) != sessionOf(r.site, r.From) {
				continue
			}
			remembered = m.Left.String() + " left"
			// The kernel counts down in whole seconds, rounded down.
			if m.Left >= (wait-latest).Truncate(time.Second) && m.Left <= (wait-since).Truncate(time.Second) {
				remembered = wait.String()
			}
		}
		got = append(got, remembered)
		asExpected = asExpected && remembered == wait.String()
	}
	return got, asExpected, nil
}

// count words a number of connections.
func count(n int) string { return fmt.Sprintf("%d admitted", n) }
