package sizing

import (
	"fmt"
	"math"
)

// TupleRest is how long, in seconds, a client or its NAT may keep a four-tuple
// to itself after the connection has ended: TIME_WAIT is 60 s on Linux and
// 120 s on Windows; NATs keep to the latter (RFC 5382 section 5, RFC 6191).
// Linux gives the tuple back at once if the server closed first, as it does
// after a download; this is the figure for the other cases.
const TupleRest = 120.0

// fourTuples is bound 3: one client address reaches one server port from at
// most E source ports, and each tuple rests after its use.
func (s *site) fourTuples() (Bound, bool) {
	l := s.load
	if l == nil {
		return Bound{}, false
	}
	b := Bound{Name: BoundFourTuples}
	n, found := smallest(1+s.idle(), func(ports int) bool { return s.meets(s.withoutTuple(ports)) })
	if b.Ports = n; !found {
		b.Ports = unreachable
	}
	share := s.withoutTuple(min(b.Ports, MaxPorts))
	b.Why = fmt.Sprintf("the busiest address opens %s, so %s of its source ports are in use or in TIME_WAIT for %s; "+
		"it has %s for each port of the server, and with %s %s%s", perSecond(l.addressRate*(1-l.abandoned)), number(math.Ceil(s.tuplesInUse())),
		duration(TupleRest), Count(l.clientPorts), Plural(min(b.Ports, MaxPorts), "port"), portion(share, "is refused", "are refused"), s.aside())
	return b, true
}

// tuplesInUse is by Little's law the mean number of the busiest address's
// tuples that are in use or rest, where there are enough.
func (s *site) tuplesInUse() float64 {
	return s.load.addressRate * (1 - s.load.abandoned) * (s.load.connect + s.load.transfer + TupleRest)
}

// withoutTuple is the share of the busiest address's data connections that
// find every tuple of their server port in use: by Erlang's loss formula, for
// the E tuples of each of the ports, which are used evenly.
func (s *site) withoutTuple(ports int) float64 {
	if s.load == nil {
		return 0
	}
	usable := ports - s.idle()
	if usable < 1 {
		return 1
	}
	return chain{pool: pool{pick: PickScan, size: s.load.clientPorts}, offered: s.tuplesInUse() / float64(usable)}.refused()
}
