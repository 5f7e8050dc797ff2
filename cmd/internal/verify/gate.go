package verify

import (
	"fmt"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// attempts bounds how often the memory of the gates is read if it is not as
// expected, or if the machine is too busy to read it within a second.
const attempts = 10

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
	const what = "how long the gate remembers a client"
	var gated []running
	for _, r := range control {
		t.model.seen[sessionOf(r.site, r.From)] = true
		if r.site.Policy.Gate {
			gated = append(gated, r)
		}
	}
	got := make([]string, len(gated))
	left := len(gated) // not yet as expected
	for try := 0; try < attempts && left > 0; try++ {
		seen, err := t.memories(gated)
		if err != nil {
			return err
		}
		left = 0
		for i, r := range gated {
			// A late acknowledgement starts the time again: one look may be wrong.
			if wait := r.site.Policy.GateTimeout.String(); got[i] != wait {
				if seen[i] != "" {
					got[i] = seen[i]
				}
				if got[i] != wait {
					left++
				}
			}
		}
	}
	for i, r := range gated {
		if got[i] == "" {
			t.untried(r.site, what, "not measured, this machine was too slow")
		} else if err := t.add(r.site, what, r.From.String(), r.To.String(), r.site.Policy.GateTimeout.String(), got[i]); err != nil {
			return err
		}
	}
	return nil
}

// memories sends a packet on each control connection and reads how long the
// gates remember its client from then on; "" for those that took too long to
// read.
func (t *trial) memories(gated []running) ([]string, error) {
	before := time.Now()
	each(gated, func(_ int, r running) {
		if r.File != nil {
			_ = packets.Exchange(r.File) // a failure shows below
		}
	})
	sent := time.Now()
	time.Sleep(20 * time.Millisecond) // more than a tick of the kernel's clock
	least := time.Since(sent)
	members, err := t.backend.Learnt(t.ctx)
	if err != nil {
		return nil, err
	}
	most := time.Since(before)
	got := make([]string, len(gated))
	for i, r := range gated {
		got[i] = "not at all"
		for _, m := range members {
			if sessionOf(r.site, m.Client) == sessionOf(r.site, r.From) {
				got[i] = memory(m.Left, r.site.Policy.GateTimeout, least, most)
			}
		}
	}
	return got, nil
}

// memory words how long a gate remembers a client that it has left whole
// seconds for, rounded down, between least and most after the client's packet:
// the time wanted, what is left if that is another time, and "" if it may be
// either.
func memory(left, want, least, most time.Duration) string {
	// The gate's time is one of a second's width, and most-least more.
	from, to := left+least, left+time.Second+most
	switch {
	case want < from || want >= to:
		return left.String() + " left"
	case from > want-time.Second && to <= want+time.Second:
		return want.String()
	}
	return ""
}

// count words a number of connections.
func count(n int) string { return fmt.Sprintf("%d admitted", n) }
