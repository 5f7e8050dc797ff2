package explain

import (
	"fmt"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// onePort says why this site needs a range and not one port.
func (d *derivation) onePort() []string {
	one := d.s.Sizing.OnePort
	text := []string{fmt.Sprintf("One port %s here: %s.", one.Verdict, one.Why)}
	if !d.choosable() {
		return append(text, d.verdict())
	}
	if alone := d.refusedAlone(); d.s.Objective.Squatted > 0 && alone > 0 {
		text = append(text, fmt.Sprintf("Even if no other program takes it, it refuses %s of the data connections%s.",
			Share(alone), d.whileHeld()))
	}
	return append(text, d.ceiling(), d.occupants(), d.verdict())
}

// choosable reports whether the server can run on a range of one port.
func (d *derivation) choosable() bool {
	return d.s.Profile.MinPorts <= 1 && d.s.Profile.FixedPorts <= 1 && d.s.Profile.PortsPerSession <= 1
}

// refusedAlone is the share that one port refuses if no other program takes it.
func (d *derivation) refusedAlone() float64 {
	w := d.w
	w.Objective.Squatted = 0
	return sizing.Refused(d.s.Profile, w, 1)
}

func (d *derivation) whileHeld() string {
	if d.worst() {
		return " while another session holds it"
	}
	return ""
}

// Share writes a share, and "all" for 1.
func Share(x float64) string {
	if x == 1 {
		return "all"
	}
	return sizing.Share(x)
}

// ceiling is how much one port carries.
func (d *derivation) ceiling() string {
	w, p := d.w.Traffic, d.s.Profile
	most := sizing.Ceiling(p, d.w)
	if w == nil || most == 0 {
		return fmt.Sprintf("At best it carries %s data connections a second of one client address, because each of its %s source ports may stay in TIME_WAIT for %s after use.",
			rate(float64(d.clientPorts())/sizing.TupleRest), sizing.Count(d.clientPorts()), sizing.Duration(seconds(sizing.TupleRest)))
	}
	if d.w.ScopeOn(p) == sizing.ScopePort {
		return fmt.Sprintf("It carries at most %s of all clients together, one after the other; they ask for %s.",
			perSecond(most), rate(d.rate()))
	}
	return fmt.Sprintf("It carries at most %s of each client address; the busiest asks for %s.", perSecond(most), rate(d.addressRate()))
}

func perSecond(x float64) string {
	if x == 1 {
		return "1 data connection a second"
	}
	return rate(x) + " data connections a second"
}

// rate is how many data connections are asked for a second at the peak, and
// addressRate how many of them the busiest client address asks for.
func (d *derivation) rate() float64 { return d.w.Traffic.Rate * max(1, d.w.Traffic.PeakFactor) }

func (d *derivation) addressRate() float64 {
	rate, _ := sizing.AddressRate(d.s.Profile, d.w)
	return rate
}

// busiest says how much the busiest client address is assumed to ask for, and
// why.
func (d *derivation) busiest() string {
	taken, carried := sizing.AddressRate(d.s.Profile, d.w)
	sessions := sizing.Plural(d.s.SessionsPerAddress, "session")
	switch {
	case d.w.Traffic.RatePerAddress > 0:
		return fmt.Sprintf("The busiest client address asks for %s, as the spec says; its %s can carry %s.", perSecond(taken), sessions, rate(carried))
	case taken == carried:
		return fmt.Sprintf("The busiest client address is assumed to ask for %s, which its %s carry if they are busy nine tenths of their time; all of the site's traffic is %s. "+
			"If it asks for less, set transfers_per_second_per_address.", perSecond(taken), sessions, rate(d.rate()))
	default:
		return fmt.Sprintf("The busiest client address is assumed to ask for %s, all of the site's traffic; its %s can carry %s. "+
			"If it asks for less, set transfers_per_second_per_address.", perSecond(taken), sessions, rate(carried))
	}
}

// occupants says who could keep the port from everybody else.
func (d *derivation) occupants() string {
	p := d.s.Profile
	abandoned := fmt.Sprintf("A client that sends PASV and does not connect keeps it for %s", sizing.Duration(d.w.AbandonedHoldOn(p)))
	switch d.w.ScopeOn(p) {
	case sizing.ScopePort:
		abandoned += ", or with an occasional NOOP for its session's lifetime, and everybody else is refused."
	case sizing.ScopeAddress:
		abandoned += ", and only the other sessions of its own address wait for it."
	default:
		abandoned = "A client that sends PASV and does not connect blocks nobody."
	}
	if p.HoldsRange {
		return fmt.Sprintf("%s binds its ports when it starts and keeps them, so no other program can take it. %s", p.Title, abandoned)
	}
	return "No port above 1023 is reserved: any program of any user may take it while the server does not listen on it. " + abandoned
}

// verdict is the answer in one sentence.
func (d *derivation) verdict() string {
	need := sizing.Plural(d.s.Sizing.Ports, "port")
	switch {
	case d.s.Sizing.OnePort.Works:
		return "Verdict: one port works here, and more ports gain nothing."
	case !d.choosable():
		return fmt.Sprintf("Verdict: one port is impossible on %s; this site needs %s.", d.s.Profile.Title, need)
	case d.s.Objective.Squatted > 0 && d.refusedAlone() <= d.s.Sizing.Objective:
		return fmt.Sprintf("Verdict: one port would work if no other program could take it; this site needs %s.", need)
	default:
		return fmt.Sprintf("Verdict: one port does not work here; this site needs %s.", need)
	}
}
