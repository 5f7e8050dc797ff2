package verify

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// maxFill bounds the control connections that a trial holds at once, unless
// one client may have more.
const maxFill = 2000

// room is what all trials together may open: a connection takes a file at both
// of its ends.
var room, places = func() (int64, *semaphore.Weighted) {
	var limit unix.Rlimit
	files := int64(1024)
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		files = int64(min(limit.Cur, 1<<20))
	}
	n := max(files/2-2000, files/8)
	return n, semaphore.NewWeighted(n)
}()

// caps proves how many control connections each client may have. Sites take
// turns, as many at a time as there is room for.
func (t *trial) caps() error {
	var turn []*lane
	total := 0
	flush := func() error {
		if len(turn) == 0 {
			return nil
		}
		weight := min(int64(total), room)
		if err := places.Acquire(t.ctx, weight); err != nil {
			return err
		}
		defer places.Release(weight)
		err := t.fill(turn)
		turn, total = nil, 0
		return err
	}
	for _, l := range t.lanes {
		limit := l.site.Policy.MaxPerClient
		switch {
		case !l.client.IsValid():
			continue
		case limit >= 64_000:
			t.untried(l.site, "control connections over the cap", fmt.Sprintf("an address has no %d source ports to come from", limit+1))
			continue
		case int64(limit) > room:
			t.untried(l.site, "control connections over the cap", fmt.Sprintf("%d connections at once need %d open files: raise the limit with ulimit -n", limit, 2*limit+4000))
			continue
		}
		if total+limit > maxFill {
			if err := flush(); err != nil {
				return err
			}
		}
		turn, total = append(turn, l), total+limit
	}
	return flush()
}

// fill takes the clients of some lanes to their caps, tries one connection
// more, and lets go.
func (t *trial) fill(lanes []*lane) error {
	var probes []packets.Probe
	for _, l := range lanes {
		for i := range l.site.Policy.MaxPerClient - t.model.open[sessionOf(l.site, l.client)] {
			to := netip.AddrPortFrom(l.addresses[i%len(l.addresses)], l.site.Policy.Control)
			probes = append(probes, packets.Probe{From: l.client, To: to, Want: packets.Admitted})
		}
	}
	held := t.bed.Connect(probes...)
	defer packets.CloseAll(held)
	rest := held
	var over []check
	for _, l := range lanes {
		s, limit := sessionOf(l.site, l.client), l.site.Policy.MaxPerClient
		admitted := t.model.open[s]
		n := limit - admitted
		for _, c := range rest[:n] {
			if c.Err != nil {
				return c.Err
			}
			if c.Got == packets.Admitted {
				admitted++
			}
		}
		rest = rest[n:]
		t.model.open[s] = limit
		if err := t.add(l.site, "as many control connections as a client may have", l.client.String(), l.controlPort().String(), count(limit), count(admitted)); err != nil {
			return err
		}
		for _, a := range l.addresses {
			at := netip.AddrPortFrom(a, l.site.Policy.Control)
			over = append(over, l.check("a control connection over the cap", l.client, at))
			over = append(over, l.check("a control connection over the cap from another address of the client", l.twin, at))
		}
		over = append(over, l.check("data port of a client at its cap", l.client, l.transferPort()))
		over = append(over, l.check("control port while another client is at its cap", l.stranger, l.controlPort()))
	}
	if err := t.try(over); err != nil {
		return err
	}
	return t.release(lanes, held)
}

// release ends the connections of fill, after which there is room again.
func (t *trial) release(lanes []*lane, held []packets.Connection) error {
	packets.CloseAll(held)
	time.Sleep(20 * time.Millisecond) // the kernel looks for ended ones once a tick
	var again []check
	for _, l := range lanes {
		s := sessionOf(l.site, l.client)
		t.model.open[s] = min(1, l.site.Policy.MaxPerClient)
		again = append(again, l.check("a control connection after others have ended", l.client, l.controlPort()))
	}
	return t.try(again)
}
