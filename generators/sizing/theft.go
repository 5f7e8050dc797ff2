package sizing

import (
	"fmt"
	"math"
)

// Theft says what a stranger gains who connects to a port of the range without
// knowing which one waits for whom (RFC 2577 section 7; RFC 1579).
type Theft struct {
	// Hit is the probability that one such connection, to a port of the range
	// at random, meets a port that waits for a client.
	Hit float64 `json:"hit"`
	// Takes: a hit yields the transfer. From another address if
	// FromAnywhere, else only from the client's own.
	Takes        bool `json:"takes"`
	FromAnywhere bool `json:"from_anywhere"`
	// Spoils: a hit from another address costs the client its transfer.
	Spoils bool   `json:"spoils"`
	Why    string `json:"why"`
}

// TheftOdds gives the odds of a blind guess with that many ports. By Little's
// law λ·h_listen ports wait for a client on average, and without traffic all
// sessions may wait. More ports lower the odds of one guess, and not those of
// an attacker who tries them all.
func TheftOdds(p Profile, w Workload, ports int) Theft {
	s, err := newSite(p, w)
	if err != nil || ports < 1 {
		return Theft{}
	}
	waiting := float64(w.Sessions)
	if s.load != nil && !w.Objective.WorstCase {
		waiting = s.load.rate * s.load.listening()
	}
	if s.scope != ScopePort { // several may wait on one port: at least one does
		waiting = float64(ports) * -math.Expm1(-waiting/float64(ports))
	}
	t := Theft{Hit: math.Min(1, waiting/float64(ports)), Spoils: p.Strangers == StrangersRefused}
	switch {
	case w.proven(p):
		t.Why = "a data connection must resume the TLS session of its control connection, so a stolen port is useless"
		return t
	case w.ForeignData:
		t.Takes, t.FromAnywhere, t.Spoils = true, true, false
		t.Why = "with foreign_data whoever connects first is served, from any of the clients' addresses"
	case p.Strangers == StrangersServed:
		t.Takes, t.FromAnywhere = true, true
		t.Why = fmt.Sprintf("%s does not compare addresses: whoever connects first is served", p.Title)
	default:
		t.Takes = true
		t.Why = "whoever connects first from the client's own address is served; other addresses are not"
	}
	if t.Spoils {
		t.Why += ", but they cost the client its transfer"
	}
	return t
}
