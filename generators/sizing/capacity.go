package sizing

import (
	"fmt"
	"sort"
)

// Capacity is the inverse of Size, for one server and workload.
type Capacity struct {
	p     Profile
	w     Workload
	most  int
	sized map[int]sized // by sessions: different ranges ask about the same ones
}

type sized struct {
	Result
	err error
}

// NewCapacity asks how many sessions, up to most, ranges carry. The workload's
// own Sessions do not count; its SessionsPerAddress is the most behind one
// address, 0 for all of them.
func NewCapacity(p Profile, w Workload, most int) *Capacity {
	return &Capacity{p: p, w: w, most: most, sized: map[int]sized{}}
}

// Sessions is how many sessions a range of that many ports carries: that many
// and not one more, or most. It is 0 if it carries none, and then the error says
// why.
//
// With traffic the ports that Size wants may fall by a few per cent as sessions
// are added at the same rate, if the objective is loose (measured). There may
// then be several such numbers; Sessions is the largest that doubling finds.
func (c *Capacity) Sessions(ports int) (int, error) {
	if c.p.FixedPorts > 0 && ports != c.p.FixedPorts {
		return 0, fmt.Errorf("%s always uses the same %s", c.p.Title, Plural(c.p.FixedPorts, "port"))
	}
	least := c.least()
	carried, refused := 0, 0
	for n := least; ; n = min(2*n, c.most) {
		switch {
		case c.carries(n, ports):
			carried, refused = n, 0
		case refused == 0:
			refused = n
		}
		if n >= c.most || refused > 0 && c.w.Traffic == nil {
			break
		}
	}
	switch {
	case carried == 0:
		return 0, c.why(least)
	case refused == 0:
		return carried, nil
	}
	// Whatever lies between, the range carries the one and not the other.
	for refused-carried > 1 {
		if middle := (carried + refused) / 2; c.carries(middle, ports) {
			carried = middle
		} else {
			refused = middle
		}
	}
	return carried, nil
}

// OnePort says what a range of one port would do for that many sessions, or for
// the fewest that the workload can have.
func (c *Capacity) OnePort(sessions int) OnePort {
	return c.size(max(c.least(), sessions)).OnePort
}

// least is the fewest sessions that the workload can have: as many as start
// together, or as one client asks with, and enough to carry the rate.
func (c *Capacity) least() int {
	least := 1
	if t := c.w.Traffic; t != nil {
		least = max(least, t.Parallel)
		for _, b := range t.Bursts.All() {
			least = max(least, b.Sessions)
		}
	}
	least = min(least, c.most)
	return least + sort.Search(c.most-least, func(more int) bool { return Check(c.p, c.of(least+more)) == nil })
}

func (c *Capacity) of(sessions int) Workload {
	w := c.w
	w.Sessions = sessions
	return w
}

func (c *Capacity) size(sessions int) sized {
	known, ok := c.sized[sessions]
	if !ok {
		known.Result, known.err = Size(c.p, c.of(sessions))
		c.sized[sessions] = known
	}
	return known
}

func (c *Capacity) carries(sessions, ports int) bool {
	s := c.size(sessions)
	return s.err == nil && s.Ports <= ports
}

// why says why the range does not carry even that many sessions.
func (c *Capacity) why(sessions int) error {
	s := c.size(sessions)
	if s.err != nil {
		return s.err
	}
	need := "need"
	if sessions == 1 {
		need = "needs"
	}
	return fmt.Errorf("%s on %s %s %s", Plural(sessions, "session"), c.p.Title, need, Plural(s.Ports, "port"))
}
