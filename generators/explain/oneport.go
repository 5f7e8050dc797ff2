package explain

import (
	"fmt"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// onePort answers the old question for this site: why a range, and not one
// port?
func (t *teller) onePort() []string {
	one := t.s.Sizing.OnePort
	text := []string{fmt.Sprintf("One port %s here: %s.", one.Verdict, one.Why)}
	if !t.choosable() {
		return append(text, t.verdict())
	}
	if alone := t.refusedAlone(); t.s.Objective.Squatted > 0 && alone > 0 {
		text = append(text, fmt.Sprintf("Even if it were certain that no other program takes it, it would refuse %s of the data connections%s.",
			all(alone), t.whileHeld()))
	}
	return append(text, t.ceiling(), t.sitters(), t.verdict())
}

// choosable reports whether the server runs on a range of one port at all.
func (t *teller) choosable() bool {
	return t.s.Profile.MinPorts <= 1 && t.s.Profile.FixedPorts <= 1 && t.s.Profile.PortsPerSession <= 1
}

// refusedAlone is what one port refuses that no other program takes.
func (t *teller) refusedAlone() float64 {
	w := t.w
	w.Objective.Squatted = 0
	return sizing.Refused(t.s.Profile, w, 1)
}

func (t *teller) whileHeld() string {
	if t.worst() {
		return " that are asked for while another session holds it"
	}
	return ""
}

// all writes a share of something as a person would say it.
func all(share float64) string {
	if share == 1 {
		return "all"
	}
	return sizing.Share(share)
}

// ceiling is how much one port would carry.
func (t *teller) ceiling() string {
	w, p := t.w.Traffic, t.s.Profile
	most := sizing.Ceiling(p, t.w)
	if w == nil || most == 0 {
		return fmt.Sprintf("At the very best it would carry %s data connections a second of one client address, for each of its %s source ports may rest for %s after use.",
			rate(float64(t.clientPorts())/sizing.TupleRest), sizing.Count(t.clientPorts()), sizing.Duration(seconds(sizing.TupleRest)))
	}
	if t.w.ScopeOn(p) == sizing.ScopePort {
		return fmt.Sprintf("It would carry at most %s of all clients together, one after the other; they ask for %s.",
			perSecond(most), rate(t.rate()))
	}
	return fmt.Sprintf("It would carry at most %s of each client address; the busiest asks for %s.", perSecond(most), rate(t.addressRate()))
}

func perSecond(x float64) string {
	if x == 1 {
		return "1 data connection a second"
	}
	return rate(x) + " data connections a second"
}

// rate is how many data connections are asked for a second at the peak, and
// addressRate how many of them the busiest client address asks for.
func (t *teller) rate() float64 { return t.w.Traffic.Rate * max(1, t.w.Traffic.PeakFactor) }

func (t *teller) addressRate() float64 {
	rate, _ := sizing.AddressRate(t.s.Profile, t.w)
	return rate
}

// busiest says how much the busiest client address is taken to ask for, and
// why.
func (t *teller) busiest() string {
	taken, carried := sizing.AddressRate(t.s.Profile, t.w)
	sessions := sizing.Plural(t.s.SessionsPerAddress, "session")
	switch {
	case t.w.Traffic.RatePerAddress > 0:
		return fmt.Sprintf("The busiest client address asks for %s, as the spec says; its %s carry %s.", perSecond(taken), sessions, rate(carried))
	case taken == carried:
		return fmt.Sprintf("The busiest client address is taken to ask for %s, which is what its %s carry when they are busy nine tenths of their time; all of the site's traffic would be %s. "+
			"transfers_per_second_per_address says less where less is known.", perSecond(taken), sessions, rate(t.rate()))
	default:
		return fmt.Sprintf("The busiest client address is taken to ask for %s, all of the site's traffic; its %s would carry %s. "+
			"transfers_per_second_per_address says less where less is known.", perSecond(taken), sessions, rate(carried))
	}
}

// sitters are those who could keep the port from everybody else.
func (t *teller) sitters() string {
	p := t.s.Profile
	abandoned := fmt.Sprintf("A client that sends PASV and does not connect would sit on it for %s", sizing.Duration(p.AbandonedHold))
	switch t.w.ScopeOn(p) {
	case sizing.ScopePort:
		abandoned += ", or with a NOOP now and again for as long as its session lives, and everybody else would be refused."
	case sizing.ScopeAddress:
		abandoned += ", and only the other sessions of its own address would feel it."
	default:
		abandoned = "A client that sends PASV and does not connect is in nobody's way."
	}
	if p.HoldsRange {
		return fmt.Sprintf("%s binds its ports when it starts and keeps them, so no other program can sit on it. %s", p.Title, abandoned)
	}
	return "No port above 1023 is reserved: any program of any user may sit on it while the server does not listen there. " + abandoned
}

// verdict is the answer in one sentence.
func (t *teller) verdict() string {
	need := sizing.Plural(t.s.Sizing.Ports, "port")
	switch {
	case t.s.Sizing.OnePort.Works:
		return "Verdict: one port works here, and nothing is gained by more."
	case !t.choosable():
		return fmt.Sprintf("Verdict: one port is out of the question on %s; this site takes %s.", t.s.Profile.Title, need)
	case t.s.Objective.Squatted > 0 && t.refusedAlone() <= t.s.Sizing.Objective:
		return fmt.Sprintf("Verdict: one port would work if it could be kept from other programs; as it is, this site takes %s.", need)
	default:
		return fmt.Sprintf("Verdict: one port does not work here; this site takes %s.", need)
	}
}
