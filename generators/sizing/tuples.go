package sizing

import (
	"fmt"
	"math"
)

// TupleRest is how long, in seconds, a client or its NAT may keep a four-tuple
// to itself after the connection has ended: TIME_WAIT is 60 s on Linux and
// 120 s on Windows; NATs keep to the latter (RFC 5382 section 5, RFC 6191).
// Linux gives the tuple back at once where the server closed first, as it does
// after a download; this is the figure for the other cases.
const TupleRest = 120.0

// fourTuples is bound 3: one client address reaches one server port from at
// most E source ports, and each tuple rests after its use. By Little's law
// λ_addr·(1−a)·(connect + transfer + rest) tuples are in use or resting, and
// evenly used server ports carry E of them each.
func (s *site) fourTuples() (Bound, bool) {
	l := s.load
	if l == nil {
		return Bound{}, false
	}
	inUse := l.addressRate * (1 - l.abandoned) * (l.connect + l.transfer + TupleRest)
	b := Bound{Name: BoundFourTuples}
	b.Ports = max(1, int(math.Ceil(inUse/float64(l.clientPorts)))) + s.idle()
	b.Why = fmt.Sprintf("the busiest address opens %s, so that %s of its source ports are in use or rest for %s; "+
		"it has %s for each port of the server%s", perSecond(l.addressRate*(1-l.abandoned)), number(math.Ceil(inUse)),
		duration(TupleRest), Count(l.clientPorts), s.aside())
	return b, true
}
