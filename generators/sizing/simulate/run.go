package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Exact is the Method if every replication gives the same figure: a formula's.
const Exact = "exact, nothing sampled"

// Result is what the replications saw.
type Result struct {
	// Refused is the share of the requests that got no port. If none was
	// refused, High is what 3 over the number of requests rules out.
	Refused          Estimate
	Full, Race, Late float64  // its parts: range full, listen race, waited too long
	Held             Estimate // ports held by sessions, on average
	Waits            *Waits   // nil if no request waits
	Requests         int      // counted, copies included
	Replications     int
	Method           string // how: "direct", "importance splitting on 12 levels", …
}

// Waits says how long requests waited that got a port, in seconds.
type Waits struct {
	Mean    float64 `json:"mean_seconds"`
	Median  float64 `json:"median_seconds"`
	P95     float64 `json:"p95_seconds"`
	P99     float64 `json:"p99_seconds"`
	Longest float64 `json:"longest_seconds"`
}

// Run simulates. It uses all processors, and its result does not depend on how
// many there are. Its errors are those of sizing.Size except a range that is
// too small, mistakes in the Config, and the context's.
func Run(ctx context.Context, c Config) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, err
	}
	s, err := newSetup(c)
	if err != nil {
		return Result{}, err
	}
	s.split = c.Split == SplitAlways ||
		c.Split == SplitAuto && c.Burst == nil && sizing.Refused(c.Profile, c.Workload, c.Ports) < 1e-4
	r := Result{Replications: c.Replications, Method: "direct"}
	switch {
	case s.ports <= s.squatted:
		r.Method = "none needed: no port is left"
		r.Refused, r.Full = Estimate{1, 1, 1}, 1
		return r, ctx.Err()
	case s.unlimited:
		r.Method = "none needed: TLS tells all sessions apart on any port"
		return r, ctx.Err()
	case s.burst != nil:
		r.Method = "bursts"
	case s.allHolds:
		r.Method = "every other session holds a port"
	case s.split:
		s.chooseLevels(source(c.Seed, 0), ctx.Done())
		if c.Requests == 0 {
			s.fit(c.Replications)
		}
	}
	tallies, err := replicate(ctx, c, s)
	for errors.Is(err, errTooMany) && c.Requests == 0 && len(s.levels) > 0 {
		s.levels = s.levels[:len(s.levels)-1] // fewer copies, a wider interval
		tallies, err = replicate(ctx, c, s)
	}
	if err != nil {
		return Result{}, err
	}
	if len(s.levels) > 0 {
		r.Method = fmt.Sprintf("importance splitting on %s", sizing.Plural(len(s.levels), "level"))
	}
	r.add(tallies, s)
	if s.allHolds && r.Refused.Low == r.Refused.High {
		r.Method = Exact
	}
	return r, nil
}

// source is the random numbers of one replication, counted from 1; 0 is the
// pilot's.
func source(seed uint64, replication int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(replication)))
}

var errTooMany = errors.New("too many events in one replication: ask for fewer requests")

// replicate plays the replications. When one of them has too many events, the
// others are not played to the end.
func replicate(ctx context.Context, c Config, s *setup) ([]*tally, error) {
	tallies := make([]*tally, c.Replications)
	working, some := errgroup.WithContext(ctx)
	working.SetLimit(runtime.GOMAXPROCS(0))
	var report sync.Mutex
	done := 0
	for i := range c.Replications {
		working.Go(func() error {
			if err := some.Err(); err != nil {
				return err
			}
			tallies[i] = s.replication(source(c.Seed, i+1), some.Done())
			if err := ctx.Err(); err != nil {
				return err
			}
			if tallies[i].stopped {
				return errTooMany
			}
			report.Lock()
			defer report.Unlock()
			if done++; c.Progress != nil {
				c.Progress(done, c.Replications)
			}
			return nil
		})
	}
	return tallies, working.Wait()
}

const (
	// mostEvents bounds one replication, copies included.
	mostEvents = 1 << 32
	// usualRequests are those of a replication, and usualEvents about the
	// events of all, unless the Config says otherwise.
	usualRequests = 20_000
	usualEvents   = 50_000_000
)

func (s *setup) replication(rng *rand.Rand, done <-chan struct{}) *tally {
	t := &tally{}
	if s.allHolds {
		s.playAllHold(rng, t, done)
		return t
	}
	if s.burst != nil {
		s.playBursts(rng, t, done)
		return t
	}
	w := newWorld(s, rng, t)
	w.done = done
	w.run(0)
	return t
}

// enough reports whether a run must end early.
func (w *world) enough() bool {
	select {
	case <-w.done:
		return true
	default:
		return w.tally.events > w.most
	}
}

func (r *Result) add(tallies []*tally, s *setup) {
	var (
		shares, held = make([]float64, len(tallies)), make([]float64, len(tallies))
		all          tally
	)
	for i, t := range tallies {
		shares[i] = t.share()
		if t.time > 0 {
			held[i] = t.heldTime / t.time
		}
		for _, pair := range []struct{ to, from *count }{
			{&all.asked, &t.asked}, {&all.full, &t.full}, {&all.race, &t.race}, {&all.late, &t.late},
		} {
			pair.to.weight += pair.from.weight
			pair.to.hits += pair.from.hits
		}
		all.waits.merge(t.waits)
	}
	r.Requests = all.asked.hits
	r.Refused, r.Held = estimate(shares), estimate(held)
	if all.asked.weight > 0 {
		r.Full, r.Race, r.Late = all.full.weight/all.asked.weight, all.race.weight/all.asked.weight, all.late.weight/all.asked.weight
	}
	if r.Refused.Mean == 0 && all.asked.hits > 0 && len(s.levels) == 0 {
		r.Refused.High = 3 / float64(all.asked.hits)
	}
	r.Refused.High = min(r.Refused.High, 1)
	if s.patience >= 0 && !s.allHolds {
		h := &all.waits
		r.Waits = &Waits{Median: clipped(h.quantile(0.5)), P95: clipped(h.quantile(0.95)), P99: clipped(h.quantile(0.99)), Longest: clipped(h.most)}
		if h.total > 0 {
			r.Waits.Mean = clipped(h.sum / h.total)
		}
	}
}

// clipped leaves out what is less than a nanosecond.
func clipped(seconds float64) float64 { return time.Duration(seconds * float64(time.Second)).Seconds() }
