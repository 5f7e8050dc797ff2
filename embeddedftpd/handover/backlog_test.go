package handover

import (
	"testing"
	"time"
)

// A successor that reads nothing is given up, also one with a little to read.
func TestBacklog(t *testing.T) {
	ends := pair(t)
	mine, its := ends[0], ends[1]
	now := time.Now()
	b := backlog{conn: mine, since: now}
	send := func(n int) {
		t.Helper()
		for range n {
			if err := sendMessage(mine, wireControl); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func() {
		t.Helper()
		if _, err := receiveMessage(its); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		do   func()
		at   time.Duration
		want bool
	}{
		{func() {}, 2 * maxUnread, false}, // nothing to read
		{func() { send(2) }, 2*maxUnread + 1, false},
		{func() {}, 3 * maxUnread, false},
		{func() { send(1) }, 3*maxUnread + 2, true},
		{read, 3*maxUnread + 3, false},
		{func() {}, 4*maxUnread + 4, true},
		{func() { read(); read() }, 5 * maxUnread, false},
	} {
		step.do()
		if got := b.stuck(now.Add(step.at)); got != step.want {
			t.Errorf("step %d: stuck %v, want %v", i, got, step.want)
		}
	}
}
