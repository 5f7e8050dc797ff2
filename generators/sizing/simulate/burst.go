package simulate

import (
	"math"
	"math/rand/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// starter is a session of a burst.
type starter struct {
	left  int // data connections, the one under way included
	tries int // refusals of that one
}

// mostTries bounds how often a session asks for one data connection.
const mostTries = 100

// playBursts plays bursts, each in a world of its own, until there have been
// as many requests as are wanted.
func (s *setup) playBursts(rng *rand.Rand, t *tally, done <-chan struct{}) {
	for t.asked.hits < s.requests && !t.stopped {
		w := newWorld(s, rng, t)
		w.done, w.end = done, math.Inf(1)
		for w.running > 0 && !t.stopped {
			w.next()
			if t.events++; t.events&0xfff == 0 && w.enough() {
				t.stopped = true
			}
		}
	}
}

// awaitBurst takes the sessions of the burst out of those that are idle, and
// lets them start once the others have warmed up.
func (w *world) awaitBurst() {
	w.running = w.burst.Sessions
	w.idle -= w.running
	if len(w.kept) > 0 {
		w.kept = w.kept[:w.idle]
	}
	w.starters = make([]starter, w.running)
	for i := range w.starters {
		w.starters[i].left = w.burst.Connections
		at := w.warmUp() + w.rng.Float64()*w.burst.Within.Seconds()
		w.events.push(event{at, sessionAsks, none, int32(w.sessions - w.running + i)})
	}
}

// starts reports whether a session is one of the burst's.
func (w *world) starts(session int32) bool {
	return w.burst != nil && int(session) >= w.sessions-len(w.starters)
}

func (w *world) starter(session int32) *starter {
	return &w.starters[int(session)-w.sessions+len(w.starters)]
}

// goOn lets a session of the burst ask for its next data connection, if it has
// one.
func (w *world) goOn(session int32) {
	s := w.starter(session)
	s.tries = 0
	if s.left--; s.left == 0 {
		w.running--
		return
	}
	w.events.push(event{w.now, sessionAsks, none, session})
}

// refuseStarter ends a session that the server drops. Any other asks again
// later, or goes on without the data connection.
func (w *world) refuseStarter(session int32) {
	s := w.starter(session)
	s.tries++
	switch {
	case w.profile.WhenFull == sizing.FullDrops:
		s.left = 1
		w.goOn(session)
	case w.retry > 0 && s.tries < mostTries:
		w.events.push(event{w.now + w.retry, sessionAsks, none, session})
	default:
		w.goOn(session)
	}
}
