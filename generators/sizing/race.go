package sizing

import (
	"fmt"
	"math"
)

// BoundListenRace is the bound that the listen race sets.
const BoundListenRace = "listen_race"

const (
	// DefaultRefused is the objective of a workload that has none.
	DefaultRefused = 1e-6
	// DefaultRefusedInRace is that of servers with a listen race, with traffic,
	// if they reach it.
	DefaultRefusedInRace = 1e-4
)

// startTogether is the time within which all sessions start if nothing is
// known of the traffic, in seconds: what the listen race then costs has a
// figure for that.
const startTogether = 1.0

// races reports whether two sessions can meet in the listen race.
func (s *site) races() bool { return s.p.RaceWindow > 0 && s.scope == ScopePort }

// rated reports whether the workload says at which rate sessions ask.
// WorstCase trusts no rate.
func (s *site) rated() bool { return s.load != nil && !s.w.Objective.WorstCase }

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
// name. Without a rate it is the share of a start of all sessions within 1 s,
// each of which keeps its port: an upper bound.
func (s *site) race(ports int) float64 {
	switch {
	case !s.races(), s.apart && !s.rated():
		return 0
	case !s.rated():
		return s.raceOfStart(ports, s.w.Sessions, startTogether)
	case s.worst():
		return s.meetsAnother(ports, s.load.rate, s.w.Sessions-1)
	}
	return s.chain(ports, s.w.Sessions).asked(func(b int) float64 { return s.meetsAnother(ports, s.load.rate, b) })
}

// meetsAnother is the share of the requests at that rate that choose a port
// another has just chosen, while sessions hold that many ports.
func (s *site) meetsAnother(ports int, rate float64, held int) float64 {
	free := s.p.pool(ports, s.w.Objective.Squatted).size - held - s.w.Objective.Squatted
	if free < 1 {
		return 0
	}
	return math.Min(1, rate*s.p.RaceWindow.Seconds()/float64(free+1))
}

// mostHeld is how many ports sessions hold if one is free, without which nobody is in
// the race.
func (s *site) mostHeld(ports int) int { return s.p.pool(ports, 0).size - s.w.Objective.Squatted - 1 }

// raceOfStart is the share of the race where that many sessions start within
// a time in seconds, evenly, and each keeps the port that it gets while that leaves
// the next one a free port.
func (s *site) raceOfStart(ports, sessions int, within float64) float64 {
	met, rate := 0.0, float64(sessions)/within
	most := s.mostHeld(ports)
	for held := range sessions {
		met += s.meetsAnother(ports, rate, min(held, most))
	}
	return met / float64(sessions)
}

// worstPorts is the number of ports that the worst case needs, the race aside.
func (s *site) worstPorts() int {
	worst := *s
	worst.w.Objective.WorstCase = true
	own, _ := s.server()
	return min(max(worst.fewest(s.w.Sessions), own.Ports), MaxPorts)
}

// reachable is the share below which the race lets no range come, with the
// ports of the worst case. More of them lower it only in proportion.
func (s *site) reachable() float64 { return s.refusedSteadily(s.worstPorts()) }

// aim is the objective: the workload's, or else the server's default.
func (s *site) aim() float64 {
	switch {
	case s.w.Objective.Refused > 0:
		return s.w.Objective.Refused
	case !s.races() || !s.rated():
		return DefaultRefused
	}
	s.objective = DefaultRefusedInRace // of what draws may miss
	return max(DefaultRefusedInRace, roundUp(s.reachable()))
}

// roundUp rounds a share up to two significant digits.
func roundUp(x float64) float64 {
	if up := roundTo(x, 2); up >= x {
		return up
	}
	return roundTo(x+math.Pow(10, math.Floor(math.Log10(x))-1)/2, 2)
}

// listenRace is the bound on the ports that contention and the race set
// together. It is never above the worst case's.
func (s *site) listenRace() (Bound, bool) {
	if !s.races() || !s.rated() {
		return Bound{}, false
	}
	most := s.worstPorts()
	n, found := smallest(1, func(ports int) bool {
		return ports >= most || s.meets(s.lost(ports, s.w.Sessions)+s.race(ports))
	})
	if !found {
		n = MaxPorts
	}
	return Bound{Name: BoundListenRace, Ports: n, Why: fmt.Sprintf(
		"at %s PASV/s two sessions may choose the same free port within %s, and %s refuses the second: "+
			"%s of them with %s, falling only in proportion to the free ports",
		number(s.load.rate), s.p.RaceWindow, s.p.Title, Share(s.race(n)), Plural(n, "port"))}, true
}
