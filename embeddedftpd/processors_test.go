package embeddedftpd

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func TestFit(t *testing.T) {
	const soon = time.Millisecond
	for _, x := range []struct {
		now, most int
		waited    time.Duration
		used      float64
		want      int
	}{
		{8, 8, soon, 0, 1},
		{8, 8, soon, -0.1, 1}, // looked more than it ran: its processor was another's
		{8, 8, soon, 0.79, 1},
		{8, 8, soon, 0.81, 2},
		{8, 8, soon, 7, 8},
		{2, 2, soon, 1, 2},
		{2, 2, soon, 0.7, 1},
		{1, 8, soon, 1, 1}, // all in use, and nobody waits
		{1, 8, soon, 1.1, 2},
		{1, 2, soon, 3, 2},
		{1, 8, tooLate + 1, 1, 8},
		{3, 8, tooLate + 1, 0.1, 8},
	} {
		if got := fit(x.now, x.most, x.waited, x.used); got != x.want {
			t.Errorf("%+v: %d", x, got)
		}
	}
}

// A program with little to do has one processor, one that computes has all again
// soon, and what was before comes back.
func TestFitProcessors(t *testing.T) {
	const most = 4
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(most))
	defer func(was int) { processors = was }(processors)
	processors = most
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		FitProcessors(ctx)
	}()
	becomes := func(want int, why string) {
		t.Helper()
		for end := time.Now().Add(patience); runtime.GOMAXPROCS(0) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d processors, want %d", why, runtime.GOMAXPROCS(0), want)
			}
		}
	}
	becomes(1, "nothing to do")
	computing, done := context.WithCancel(ctx)
	for range most {
		go func() {
			for computing.Err() == nil {
			}
		}()
	}
	becomes(most, "much to do")
	done()
	becomes(1, "nothing to do again")
	cancel()
	<-ended
	becomes(most, "at the end")
}
