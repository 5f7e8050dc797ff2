package simulate

import (
	"math"
	"math/rand/v2"
)

// Importance splitting (RESTART: M. Villén-Altamirano and J. Villén-Altamirano,
// ITC 13 (1991)). Refusals happen where many ports are held or many requests
// wait; this occupancy is cut into levels. Whenever it grows to a level, the state
// is copied; the copies share its weight and then go their own ways. One of
// them goes on for good, the others end where the occupancy falls below the level
// again. What a copy counts, it counts with its weight, so that the sums have
// the same means as without splitting, and far more of the rare states are
// seen.

// level is an occupancy at which states are copied.
type level struct {
	occupancy int
	copies    int
	weight    float64 // of each copy at this level
}

// run plays events until the end, or until the occupancy falls below base.
func (w *world) run(base int) {
	level := w.level()
	w.weight = w.weightAt(level)
	for !w.tally.stopped && w.next() {
		if w.tally.events++; w.tally.events&0xfff == 0 && w.enough() {
			w.tally.stopped = true
			return
		}
		if len(w.levels) == 0 {
			continue
		}
		now := w.level()
		if now > level {
			w.multiply(level+1, now)
		}
		if now < base {
			return
		}
		if now != level {
			level = now
			w.weight = w.weightAt(level)
		}
	}
}

// multiply makes the copies of a state that has come to the levels from..to.
func (w *world) multiply(from, to int) {
	for level := from; level <= to; level++ {
		for range w.levels[level-1].copies - 1 {
			c := w.clone()
			c.multiply(level+1, to)
			c.run(level)
			w.tally.ended = append(w.tally.ended, c)
		}
	}
}

// level is the number of levels that the occupancy has reached; none is copied
// before it counts.
func (w *world) level() int {
	if w.now < w.warmUp() {
		return 0
	}
	occupancy, n := w.occupancy(), 0
	for n < len(w.levels) && w.levels[n].occupancy <= occupancy {
		n++
	}
	return n
}

func (w *world) weightAt(reached int) float64 {
	if reached == 0 {
		return 1
	}
	return w.levels[reached-1].weight
}

const (
	usualCopies = 4
	mostCopies  = 30
	mostLevels  = 60
	enoughSeen  = 300
	// A pilot sees that many requests, and those of that many of the longest
	// holds: what it takes for usual must be usual.
	pilotRequests     = 5000
	pilotHolds        = 20
	mostPilotRequests = 200_000
	mostPilotEvents   = 4_000_000
)

// chooseLevels finds levels by runs of growing reach, each with as many copies
// as it is rarer than the one before, at least four if possible. They only
// decide how precise the result is, not what it is.
func (s *setup) chooseLevels(rng *rand.Rand, done <-chan struct{}) {
	pilot := *s
	pilot.requests = min(max(pilotRequests, int(pilotHolds*s.warmUp()*s.rate)), mostPilotRequests)
	pilot.most = mostPilotEvents
	for {
		t := &tally{}
		w := newWorld(&pilot, rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())), t)
		w.done = done
		w.run(0)
		if t.stopped {
			pilot.levels = pilot.levels[:max(0, len(pilot.levels)-1)]
			break
		}
		s.perRequest = float64(t.events) / float64(pilot.requests)
		if t.refusals() >= enoughSeen || len(pilot.levels) == mostLevels {
			break
		}
		next, reached := t.nextLevel(pilot.levels)
		if !reached {
			break
		}
		pilot.levels = append(pilot.levels, next)
	}
	s.levels = pilot.levels
}

// fit lowers the requests of a replication to what the usual number of events
// allows, going by the last pilot, and bounds the events of one that differs.
func (s *setup) fit(replications int) {
	each := usualEvents / replications
	s.requests = max(1000, min(s.requests, int(float64(each)/s.perRequest)))
	s.most = 8 * each
}

// refusals is the number of refusals seen, of those that matter to the result:
// one that was computed counts where it was likely.
func (t *tally) refusals() int { return t.race.hits + t.late.hits + t.full.hits }

// nextLevel is the smallest occupancy that is seen a quarter as often as the last
// level, or the largest that was seen often enough to go on from.
func (t *tally) nextLevel(levels []level) (next level, reached bool) {
	last := level{weight: 1}
	if len(levels) > 0 {
		last = levels[len(levels)-1]
	}
	tail, hits := make([]float64, len(t.occupancies)+1), make([]int, len(t.occupancies)+1)
	lost := make([]float64, len(t.occupancies)+1)
	for i := len(t.occupancies) - 1; i >= 0; i-- {
		tail[i], hits[i] = tail[i+1]+t.occupancies[i].weight, hits[i+1]+t.occupancies[i].hits
		lost[i] = lost[i+1] + t.lost[i]
	}
	for b := last.occupancy + 1; b < len(t.occupancies) && hits[b] >= 30; b++ {
		next.occupancy, reached = b, true
		if tail[b]*usualCopies <= tail[last.occupancy] {
			break
		}
	}
	if !reached || lost[next.occupancy] < 0.03*lost[0] { // little of the result lies beyond it
		return next, false
	}
	next.copies = min(max(2, int(math.Round(tail[last.occupancy]/tail[next.occupancy]))), mostCopies)
	next.weight = last.weight / float64(next.copies)
	return next, true
}
