package sizing

import "fmt"

// onePort says what a range of one port would do, where r is the workload's
// sizing.
func (s *site) onePort(r Result) OnePort {
	o := s.withOnePort(r)
	switch {
	case o.Works:
		o.Verdict = "is enough"
	case s.p.WhenFull == FullWaits || o.Refused == 0:
		o.Verdict = "is too few"
	case o.Refused == 1:
		o.Verdict = "refuses all"
	default:
		o.Verdict = "refuses " + Share(o.Refused)
	}
	return o
}

func (s *site) withOnePort(r Result) OnePort {
	if s.p.FixedPorts > 1 {
		return OnePort{Refused: 1, Why: fmt.Sprintf("the range of %s is fixed at %s", s.p.Title, Plural(s.p.FixedPorts, "port"))}
	}
	if s.p.MinPorts > 1 {
		return OnePort{Refused: 1, Why: fmt.Sprintf("%s does not run on a range of one port", s.p.Title)}
	}
	o := OnePort{Works: r.Ports == 1, Refused: s.refused(1)}
	if o.Works {
		o.Why = s.whyOneWorks()
		return o
	}
	o.Why = s.whyOneFails(r)
	return o
}

// Ceiling is the rate, in data connections a second, that one client address
// can get through one port at most: the port is busy for a hold, unless TLS
// tells sessions apart, and each source port for as long as its four-tuple is
// in use or rests. It is 0 if it is unknown, without traffic.
func Ceiling(p Profile, w Workload) float64 {
	s, err := newSite(p, w)
	if err != nil || s.load == nil {
		return 0
	}
	l := s.load
	most := float64(l.clientPorts) / ((1 - l.abandoned) * (l.connect + l.transfer + TupleRest))
	if h := l.held(p.Hold); s.scope != ScopeTLS && h > 0 {
		most = min(most, 1/h)
	}
	return most
}

func (s *site) whyOneWorks() string {
	switch {
	case s.scope == ScopeTLS:
		return "TLS tells all sessions apart, however many share an address"
	case s.scope == ScopeAddress && s.w.perAddress() == 1:
		return "each client address has one session, and a port serves any number of addresses"
	case s.w.Sessions == 1:
		return "there is one session"
	default:
		return fmt.Sprintf("at this load it refuses %s of the data connections", Share(s.refused(1)))
	}
}

func (s *site) whyOneFails(r Result) string {
	if k := s.w.Objective.Squatted; k > 0 && r.Ports == 1+k {
		return fmt.Sprintf("%s may be taken by other programs, which leaves none", Plural(k, "port"))
	}
	competing := Plural(s.w.Sessions, "session")
	verb, served := "compete", ", which serves one at a time"
	if s.scope != ScopePort {
		competing, served = Plural(s.w.perAddress(), "session")+" of one client address", ""
	}
	waits := s.w.WaitsOn(s.p)
	if waits {
		verb = "queue"
	}
	switch {
	case r.Binding == BoundFourTuples:
		return "the busiest client address has too few source ports for one port: " + r.Why()
	case s.idle() > 0 && s.w.Sessions == 1:
		return "another program may take it before the one session does"
	case s.idle() > 0:
		return fmt.Sprintf("%s %s for it%s, and another program may take it before any of them", competing, verb, served)
	case waits:
		return fmt.Sprintf("%s queue for it, and of what they ask for %s", competing, s.lateness(1))
	default:
		return fmt.Sprintf("%s compete for it%s, and of what they ask for %s", competing, served, portion(s.refused(1), "is refused", "are refused"))
	}
}

// lateness is the share of the requests that wait longer than max_wait, in
// words. It is an upper bound where the traffic is known.
func (s *site) lateness(ports int) string {
	wait := duration(s.w.Objective.MaxWait.Seconds())
	if s.load != nil && s.refused(ports) == 1 {
		return "too many may wait longer than " + wait
	}
	return portion(s.refused(ports), "waits longer than "+wait, "wait longer than "+wait)
}
