package embeddedftpd

import (
	"sync"
	"time"
)

// A session that looks keeps the runtime from asking its poller for the others.
// So it looks where it is alone, or where so many are at work that there is
// always somebody to find: with 4 sessions the rate was 0.70 of that without
// looking, with 32 it was 1.18 of it (measured with bench/).
const many = 12

// company counts the sessions that are at work.
type company struct {
	mu          sync.Mutex
	turn        int64 // of maxAwake
	now, before int   // sessions in this turn and in the last
}

var atWork company

// join counts r in at a time, and gives how many are at work.
func (c *company) join(r *promptReader, at time.Time) int {
	turn := at.UnixNano() / int64(maxAwake)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch turn {
	case c.turn:
	case c.turn + 1:
		c.now, c.before = 0, c.now
	default:
		c.now, c.before = 0, 0
	}
	c.turn = turn
	if r.turn != turn {
		r.turn = turn
		c.now++
	}
	return max(c.now, c.before)
}
