package sizing

import (
	"fmt"
	"strings"
)

// OverloadError says that the sessions cannot carry the wanted rate even if
// every one of them is always busy, so that no number of ports is enough.
type OverloadError struct {
	Sessions int
	Rate     float64 // wanted, a second, the peak factor included
	Busy     float64 // seconds that one data connection keeps its session busy
	// PerAddress: it is the busiest address's own rate and sessions.
	PerAddress bool
}

func (e *OverloadError) Error() string {
	where := ""
	if e.PerAddress {
		where = " of one client address"
	}
	return fmt.Sprintf("%s%s cannot carry %s transfers/s of %s",
		Plural(e.Sessions, "session"), where, number(e.Rate), duration(e.Busy))
}

// Carries is the rate, a second, below which the sessions can carry it.
func (e *OverloadError) Carries() float64 { return float64(e.Sessions) / e.Busy }

// Remedy is a full sentence.
func (e *OverloadError) Remedy() string {
	return fmt.Sprintf("%s that are each busy for %s carry less than %s transfers/s: "+
		"allow more than %s, or lower the rate, the peak factor, the transfer time or the abandoned share. "+
		"For sessions that start together write a burst block instead of a peak_factor, or set worst_case = true in objective to size for all of them at once.",
		Plural(e.Sessions, "session"), duration(e.Busy), number(e.Carries()),
		Plural(int(e.Rate*e.Busy), "session"))
}

// TrafficError says that a server needs its traffic known: its ports rest
// after each transfer, so that the worst case uses up any range.
type TrafficError struct{ Profile Profile }

func (e *TrafficError) Error() string {
	return fmt.Sprintf("%s leaves each port in TIME_WAIT for %s after a transfer, so no range is enough for an unknown rate",
		e.Profile.Title, e.Profile.PortRest)
}

// Remedy is a full sentence.
func (e *TrafficError) Remedy() string {
	return "Add a traffic block, or configure the server to set SO_REUSEADDR."
}

// UnreachableError says that no range on one address meets the objective.
type UnreachableError struct {
	Profile Profile
	Bound   string  // name of the bound that cannot be met
	Limit   int     // the most ports there can be
	Needs   int     // ports that would do; 0 if not even that is known
	Wanted  float64 // refused share asked for
	Refused float64 // refused share with Limit ports

	workload Workload
}

// Servers are the names of the profiles that reach the objective, sorted.
func (e *UnreachableError) Servers() []string {
	var names []string
	for _, p := range profiles {
		if p.Name == e.Profile.Name || e.Bound == BoundListenRace && p.RaceWindow > 0 {
			continue
		}
		if _, err := Size(p, e.workload.movedTo(p, e.Profile)); err == nil {
			names = append(names, p.Name)
		}
	}
	return names
}

func (e *UnreachableError) Error() string {
	if e.Bound == BoundListenRace {
		return fmt.Sprintf("%s cannot keep the refused share within %s: with %s, enough for the worst case, its listen race still refuses %s",
			e.Profile.Title, Share(e.Wanted), Plural(e.Limit, "port"), Share(e.Refused))
	}
	needs := ""
	if e.Needs > 0 {
		needs = fmt.Sprintf("; it needs %s", Count(e.Needs))
	}
	return fmt.Sprintf("%s cannot keep the refused share within %s: with all %s it is %s%s",
		e.Profile.Title, Share(e.Wanted), Plural(e.Limit, "port"), Share(e.Refused), needs)
}

// Remedy is a full sentence.
func (e *UnreachableError) Remedy() string {
	if e.Bound == BoundListenRace {
		return e.raceRemedy()
	}
	s := "Allow fewer sessions"
	if e.Bound == BoundPerAddress {
		s += " of one client address"
	}
	if e.workload.Traffic == nil && e.Profile.Hold != HoldSession {
		s += ", or add a traffic block"
	}
	if e.Refused < 0.5 {
		s = fmt.Sprintf("Allow a refused share of %s or more", number(e.Refused*1.01)) + ", or a" + s[1:]
	}
	if servers := e.Servers(); len(servers) > 0 {
		s += ", or use a server that reaches it: " + strings.Join(servers, ", ")
	}
	return s + "."
}

func (e *UnreachableError) raceRemedy() string {
	s := "Write refused = " + number(roundUp(e.Refused)) + " or more, or remove it to use the server's default"
	if servers := e.Servers(); len(servers) > 0 {
		s += ", or use a server without the race: " + strings.Join(servers, ", ")
	}
	return s + "."
}
