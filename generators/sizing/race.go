package sizing

import (
	"fmt"
	"math"
)

// BoundListenRace is the bound that the listen race sets.
const BoundListenRace = "listen_race"

// race is the share of the data connections that a server loses to the listen
// race, with that many ports: two sessions choose the same free port in the
// same instant, both may bind it, and the second one's listen fails. A server
// that does not draw again refuses. A session that asks while f ports are free
// takes for free, too, those that others have chosen in the last δ and do not
// yet listen on; there are λ·δ of them on average, seldom more than one, and it
// chooses that one with probability 1/(f+1):
//
//	R_race = λ·δ·E[1/(f+1)]
//
// where the mean is over the states in which a request finds a free port. It
// falls only as 1/f, where contention falls exponentially: a floor in all but
// name. Without traffic there is no rate, and the race has no figure.
func (s *site) race(ports int) float64 {
	if s.p.RaceWindow <= 0 || s.load == nil || s.scope != ScopePort {
		return 0
	}
	lambda := s.load.rate * s.p.RaceWindow.Seconds()
	meet := func(held int) float64 {
		free := s.p.pool(ports, s.w.Objective.Squatted).size - held - s.w.Objective.Squatted
		if free < 1 {
			return 0
		}
		return math.Min(1, lambda/float64(free+1))
	}
	if s.worst() {
		return meet(s.w.Sessions - 1)
	}
	c := s.chain(ports, s.w.Sessions)
	var met, asked float64
	c.each(func(b int, weight float64) {
		w := weight * c.ask(b)
		asked += w
		met += w * meet(b)
	})
	if asked == 0 {
		return 0
	}
	return met / asked
}

// listenRace is the bound on the ports that contention and the race set
// together.
func (s *site) listenRace() (Bound, bool) {
	if s.p.RaceWindow <= 0 || s.load == nil || s.scope != ScopePort {
		return Bound{}, false
	}
	b := Bound{Name: BoundListenRace, Ports: unreachable}
	n, found := smallest(1, func(ports int) bool {
		return s.meets(s.lost(ports, s.w.Sessions) + s.race(ports))
	})
	share := s.race(MaxPorts)
	if found {
		b.Ports, share = n, s.race(n)
	}
	b.Why = fmt.Sprintf("at %s PASV/s two sessions may choose the same free port within %s, and %s refuses the second: "+
		"%s of them with %s, falling only in proportion to the free ports",
		number(s.load.rate), s.p.RaceWindow, s.p.Title, Share(share), Plural(min(b.Ports, MaxPorts), "port"))
	return b, true
}
