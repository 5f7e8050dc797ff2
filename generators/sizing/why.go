package sizing

import "fmt"

// whyContention says why that many sessions need that many ports. Who is
// empty, or narrows the sessions down: " of one client address".
func (s *site) whyContention(ports, sessions int, who string) string {
	asks := Plural(sessions, "session") + who
	if ports >= unreachable {
		return fmt.Sprintf("%s: no number of ports keeps the refused share within %s", asks, Share(s.objective))
	}
	if !s.worst() {
		return s.whyTraffic(ports, sessions, who)
	}
	all := fmt.Sprintf("all %s may hold a port at once", asks)
	if sessions == 1 {
		all = fmt.Sprintf("the one session%s may hold a port", who)
	}
	if s.p.Hold == HoldSession {
		are := "are"
		if sessions == 1 {
			are = "is"
		}
		all = fmt.Sprintf("%s keeps a port until the session ends, and there %s %s", s.p.Title, are, asks)
	}
	taken := sessions - 1 + s.w.Objective.Squatted
	if refused := s.p.pool(ports, s.w.Objective.Squatted).refuses(taken); refused > 0 {
		return fmt.Sprintf("%s%s; %s, and with %s of %s taken all of them fail with probability %s",
			all, s.aside(), s.draws(ports), Count(taken), Plural(ports, "port"), Share(refused))
	}
	return all + s.aside()
}

// whyTraffic is whyContention where the traffic is known.
func (s *site) whyTraffic(ports, sessions int, who string) string {
	rate := s.load.rate
	if s.scope == ScopeAddress {
		rate = s.load.addressRate
	}
	h := s.load.held(s.p.Hold)
	fate := portion(s.lost(ports, sessions), "is refused", "are refused")
	if s.w.WaitsOn(s.p) {
		fate = s.lateness(ports)
	}
	return fmt.Sprintf("%s%s ask for %s, each of which holds a port for %s (%s): %s busy on average, "+
		"and with %s %s%s",
		Plural(sessions, "session"), who, perSecond(rate), duration(h), s.heldUntil(), number(rate*h),
		Plural(ports, "port"), fate, s.aside())
}

func (s *site) heldUntil() string {
	if s.p.Hold == HoldListen {
		return "until the client connects"
	}
	return "until the transfer ends"
}

func (s *site) draws(ports int) string {
	tries := s.p.pool(ports, s.w.Objective.Squatted).tries
	switch s.p.Pick {
	case PickRandom:
		return fmt.Sprintf("%s gives up after %s, which may repeat", s.p.Title, Plural(tries, "random draw"))
	case PickDistinct:
		return fmt.Sprintf("%s gives up after %s", s.p.Title, Plural(tries, "distinct draw"))
	case PickScanPartial:
		return fmt.Sprintf("%s gives up after %s from a random start", s.p.Title, Plural(tries, "neighbouring port"))
	default:
		return fmt.Sprintf("%s tries every port", s.p.Title)
	}
}
