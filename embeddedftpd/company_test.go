package embeddedftpd

import (
	"testing"
	"time"
)

// Sessions count once in each turn, and for one turn more.
func TestCompany(t *testing.T) {
	var c company
	var a, b promptReader
	at := time.Unix(1, 0)
	for i, x := range []struct {
		who   *promptReader
		turns time.Duration // since the step before
		want  int
	}{
		{&a, 0, 1}, {&a, 0, 1}, {&b, 0, 2}, {&a, 0, 2},
		{&a, 1, 2}, {&a, 0, 2},
		{&a, 1, 1}, {&b, 0, 2},
		{&a, 2, 1}, {&b, 0, 2},
		{&a, 1, 2},
		{&a, 2, 1},
	} {
		at = at.Add(x.turns * maxAwake)
		if got := c.join(x.who, at); got != x.want {
			t.Errorf("step %d: %d at work, want %d", i, got, x.want)
		}
	}
}
