package embeddedftpd

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// processors is how many this program may use.
var processors = runtime.GOMAXPROCS(0)

// looked is how long sessions have looked for a prompt client's command, in
// nanoseconds: time that a processor spends but nobody misses.
var looked atomic.Int64

const (
	fitEvery = 100 * time.Millisecond
	// tooLate is how long a goroutine may wait for a processor.
	tooLate = 5 * time.Millisecond
	// busy is the share of a processor's time that is left to be used.
	busy = 0.8
)

// FitProcessors has the runtime use no more processors than the program needs,
// until ctx ends: a program that serves FTP and does nothing else. Many small
// transfers do little but system calls, and idle processors of the runtime wake
// up all the time to look for a share of them. With 32 sessions on two
// processors the program that had one moved 1.20 times as many files of 1 KiB as
// the one that had both, at 0.80 of the processor time (measured with bench/);
// under TLS, where there is much to compute, both are in use after a few tenths of a
// second.
//
// It sets runtime.GOMAXPROCS, to at most what that was when the program began.
func FitProcessors(ctx context.Context) {
	if processors == 1 {
		return
	}
	defer runtime.GOMAXPROCS(processors)
	now := processors
	timer := time.NewTimer(fitEvery)
	defer timer.Stop()
	before := used()
	var recent [3]float64 // a short pause frees no processor
	for began := time.Now(); ; began = time.Now() {
		timer.Reset(fitEvery)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		took, after := time.Since(began), used()
		recent = [3]float64{recent[1], recent[2], float64(after-before) / float64(took)}
		before = after
		n := fit(now, processors, took-fitEvery, slices.Max(recent[:]))
		if n != now {
			runtime.GOMAXPROCS(n)
			now = n
		}
	}
}

// fit gives how many processors to use, of at most so many, after some time
// with now of them, of which the program used so many, and at whose end a
// goroutine waited so long for its turn.
func fit(now, most int, waited time.Duration, used float64) int {
	if waited > tooLate {
		return most
	}
	need := min(most, max(1, int(math.Ceil(used/busy))))
	if need > now && used <= float64(now) {
		return now // all in use, and nobody waits
	}
	// More than there are: long system calls, whose processors others took over.
	return need
}
