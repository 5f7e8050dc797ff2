package simulate

import (
	"math/rand/v2"
	"slices"
)

// playAllHold plays the worst case: all sessions but one hold a port each, and
// that one asks. Between two requests another session gives its port back and
// draws a new one, so that the held ports lie as the server's draws leave them.
func (s *setup) playAllHold(rng *rand.Rand, t *tally, done <-chan struct{}) {
	ports := newPortRange(s.ports, s.squatted, rng)
	var held []int32
	for len(held) < s.sessions-1 && len(ports.free) > 0 {
		held = append(held, s.drawUntilFound(&ports, rng))
	}
	for range s.requests {
		if t.events++; t.events&0xfff == 0 {
			select {
			case <-done:
				t.stopped = true
				return
			default:
			}
		}
		if n := len(held); n > 0 && len(ports.free) > 0 {
			i := rng.IntN(n)
			ports.give(held[i])
			held[i] = s.drawUntilFound(&ports, rng)
		}
		t.asked.add(1, true)
		resting := s.rested(&ports, rng)
		s.askLast(&ports, rng, t)
		for _, port := range resting {
			ports.give(port)
		}
	}
	if s.raceWindow > 0 && !s.unlimited {
		s.playStarts(rng, t)
	}
}

// rested takes the ports out of service that rest in TIME_WAIT: a Poisson
// number of them, about the rate times the rest.
func (s *setup) rested(ports *portRange, rng *rand.Rand) []int32 {
	var resting []int32
	used := s.rate * (1 - s.abandoned) * s.rest
	for sum := rng.ExpFloat64(); sum < used && len(ports.free) > 0; sum += rng.ExpFloat64() {
		port := ports.free[rng.IntN(len(ports.free))]
		ports.take(port)
		resting = append(resting, port)
	}
	return resting
}

// askLast is the request of the one that holds no port. Its refusal is
// computed where that is possible, for it is rare.
func (s *setup) askLast(ports *portRange, rng *rand.Rand, t *tally) {
	if p, known := s.refuses(ports); known {
		t.full.add(p, p > 0)
	} else if _, ok := s.draw(ports, rng, ports.isFree); !ok {
		t.full.add(1, true)
	}
}

// playStarts plays the listen race of the worst case: all sessions start
// within a second, and each keeps the port that it gets.
func (s *setup) playStarts(rng *rand.Rand, t *tally) {
	at, met, asked := make([]float64, s.sessions), 0, 0
	for asked < s.requests {
		for i := range at {
			at[i] = rng.Float64()
		}
		slices.Sort(at)
		// Of the ports taken, those of the last race window look free.
		free := s.ports - s.squatted
		for i, first := 0, 0; i < len(at) && free > 0; i++ {
			for at[first]+s.raceWindow <= at[i] {
				first++
			}
			if rng.IntN(free+i-first) >= free {
				met++
			}
			free--
		}
		asked += s.sessions
	}
	t.race.add(t.asked.weight*float64(met)/float64(asked), met > 0)
}

// drawUntilFound lets a session ask again until it gets a port. There is a
// free one; a server that still misses it a hundred times is given it.
func (s *setup) drawUntilFound(ports *portRange, rng *rand.Rand) int32 {
	for range 100 {
		if port, ok := s.draw(ports, rng, ports.isFree); ok {
			ports.take(port)
			return port
		}
	}
	port := ports.free[rng.IntN(len(ports.free))]
	ports.take(port)
	return port
}
