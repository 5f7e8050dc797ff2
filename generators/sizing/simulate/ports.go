package simulate

import (
	"math/rand/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// portRange is the ports of a site, each free or taken.
type portRange struct {
	free  []int32 // in no order
	where []int32 // of a port in free, or taken
}

const taken = -1

// newPortRange has all ports free but the squatted ones, which lie anywhere.
func newPortRange(ports, squatted int, rng *rand.Rand) portRange {
	r := portRange{free: make([]int32, ports), where: make([]int32, ports)}
	for i := range r.free {
		r.free[i], r.where[i] = int32(i), int32(i)
	}
	for range squatted {
		r.take(r.free[rng.IntN(len(r.free))])
	}
	return r
}

func (r *portRange) isFree(port int32) bool { return r.where[port] != taken }

func (r *portRange) take(port int32) {
	at, last := r.where[port], r.free[len(r.free)-1]
	r.free[at], r.where[last] = last, at
	r.free = r.free[:len(r.free)-1]
	r.where[port] = taken
}

func (r *portRange) give(port int32) {
	r.where[port] = int32(len(r.free))
	r.free = append(r.free, port)
}

// draw is a server's search for a port: the port, or false where it gives up.
// offered reports whether the server takes a port for free when it looks at it.
func (s *setup) draw(r *portRange, rng *rand.Rand, offered func(port int32) bool) (int32, bool) {
	switch s.profile.Pick {
	case sizing.PickRandom:
		return s.drawRandom(rng, offered)
	case sizing.PickDistinct:
		return s.drawDistinct(rng, offered)
	case sizing.PickScanPartial:
		start := rng.IntN(s.ports)
		for i := range min(s.tries, s.ports) {
			if port := int32((start + i) % s.ports); offered(port) {
				return port, true
			}
		}
		return 0, false
	default: // a scan in random order ends on any free port alike
		if len(r.free) == 0 {
			return 0, false
		}
		return r.free[rng.IntN(len(r.free))], true
	}
}

func (s *setup) drawRandom(rng *rand.Rand, offered func(int32) bool) (int32, bool) {
	limit, seen := min(s.profile.DistinctTries, s.ports-1), map[int32]bool(nil)
	if limit > 0 {
		seen = map[int32]bool{}
	}
	for range s.tries {
		port := int32(rng.IntN(s.ports))
		if offered(port) {
			return port, true
		}
		if seen != nil {
			if seen[port] = true; len(seen) >= limit {
				return 0, false
			}
		}
	}
	return 0, false
}

func (s *setup) drawDistinct(rng *rand.Rand, offered func(int32) bool) (int32, bool) {
	seen := map[int32]bool{}
	for len(seen) < min(s.tries, s.ports) {
		port := int32(rng.IntN(s.ports))
		if seen[port] {
			continue
		}
		if seen[port] = true; offered(port) {
			return port, true
		}
	}
	return 0, false
}

// refuses is the probability that draw gives up on these ports, where it can
// be said without drawing: for draws that look at any port alike. Splitting
// counts it in place of the refusals themselves, which have the same mean.
func (s *setup) refuses(r *portRange) (probability float64, known bool) {
	busy := float64(s.ports-len(r.free)) / float64(s.ports)
	switch {
	case len(r.free) == 0:
		return 1, true
	case s.profile.Pick == sizing.PickRandom && (s.profile.DistinctTries == 0 || s.profile.DistinctTries >= s.ports-1 && len(r.free) > 1):
		p := 1.0
		for range s.tries {
			if p *= busy; p < 1e-300 {
				return 0, true
			}
		}
		return p, true
	case s.profile.Pick == sizing.PickDistinct:
		p := 1.0
		for i := range min(s.tries, s.ports) {
			p *= float64(s.ports-len(r.free)-i) / float64(s.ports-i)
			if p <= 0 {
				return 0, true
			}
		}
		return p, true
	case s.profile.Pick == sizing.PickScan:
		return 0, true
	default:
		return 0, false
	}
}
