package sizing

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// Comparison is what a workload needs on one server.
type Comparison struct {
	Profile  Profile
	Workload Workload // as it is on that server
	Result   Result   // of what the error, if any, leaves
	Err      error    // as of Size
}

// Compare sizes a workload, described for the server from, on every server
// there is a profile of, sorted by name. Ports that other programs may squat
// count only if the server does not hold its range, and at least one does
// on a server that takes the place of one that holds it.
func Compare(from Profile, w Workload) []Comparison {
	all := make([]Comparison, len(profiles))
	for i, p := range profiles {
		c := Comparison{Profile: p.clone(), Workload: w.movedTo(p, from)}
		c.Result, c.Err = Size(p, c.Workload)
		all[i] = c
	}
	return all
}

// FewestFirst sorts by the ports that each server needs, those without a range last.
func FewestFirst(all []Comparison) {
	slices.SortStableFunc(all, func(a, b Comparison) int {
		switch {
		case a.Err == nil && b.Err != nil:
			return -1
		case a.Err != nil && b.Err == nil:
			return 1
		}
		return a.Result.Ports - b.Result.Ports
	})
}

func (w Workload) movedTo(to, from Profile) Workload {
	switch {
	case to.Name == from.Name:
	case to.HoldsRange:
		w.Objective.Squatted = 0
	case from.HoldsRange && w.Objective.Squatted == 0:
		w.Objective.Squatted = 1
	}
	return w
}

// Advice is a change that shrinks the range.
type Advice struct {
	Change    string `json:"change"`              // in the imperative: "require TLS with session reuse"
	Attribute string `json:"attribute,omitempty"` // of the spec that it changes; "" if it is the server's own configuration
	Ports     int    `json:"ports"`               // needed after it
	Saves     int    `json:"saves"`               // ports saved, above 0
}

// Advise computes what would shrink the range, the largest saving first. It is
// empty if the workload cannot be sized.
func Advise(p Profile, w Workload) []Advice {
	now, err := Size(p, w)
	if err != nil {
		return nil
	}
	all := []Advice{}
	for _, c := range candidates(p, w, now.Objective) {
		r, err := Size(c.p, c.w)
		if err == nil && r.Ports < now.Ports {
			all = append(all, Advice{c.change, c.attribute, r.Ports, now.Ports - r.Ports})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Saves > all[j].Saves })
	return all
}

type candidate struct {
	change, attribute string
	p                 Profile
	w                 Workload
}

// shortTimeout is the shortest accept timeout in common use (vsftpd's
// accept_timeout is 60 s).
const shortTimeout = time.Minute

// candidates are the changes that may help, if objective is the share that may
// be refused now.
func candidates(p Profile, w Workload, objective float64) []candidate {
	var all []candidate
	try := func(change, attribute string, edit func(*Profile, *Workload)) {
		c := candidate{change, attribute, p, w}
		edit(&c.p, &c.w)
		all = append(all, c)
	}
	if p.MarksSessions && !w.MarkedSessions {
		try("require TLS with session reuse", "tls", func(_ *Profile, v *Workload) { v.MarkedSessions = true })
	}
	if half := w.perAddress() / 2; w.ScopeOn(p) == ScopeAddress && half >= 1 {
		try(fmt.Sprintf("allow %s an address", Plural(half, "session")), "concurrency.sessions_per_address",
			func(_ *Profile, v *Workload) { v.SessionsPerAddress = half })
	}
	if w.Objective.WorstCase && w.Traffic != nil {
		try("size for the traffic, not for the worst case", "objective.worst_case",
			func(_ *Profile, v *Workload) { v.Objective.WorstCase = false })
	}
	if w.Objective.Squatted > 0 {
		try("keep every other program off the range", "objective.squatted",
			func(_ *Profile, v *Workload) { v.Objective.Squatted = 0 })
	}
	if r := objective * 100; r < 0.01 {
		try(fmt.Sprintf("allow a refused share of %s", Share(r)), "objective.refused",
			func(_ *Profile, v *Workload) { v.Objective.Refused = r })
	}
	if wait := w.Objective.MaxWait * 5; p.WhenFull == FullWaits && wait > 0 {
		try(fmt.Sprintf("let a PASV wait for %s", duration(wait.Seconds())), "objective.max_wait",
			func(_ *Profile, v *Workload) { v.Objective.MaxWait = wait })
	}
	if hold := w.AbandonedHoldOn(p); w.Traffic != nil && w.Traffic.Abandoned > 0 && hold > shortTimeout {
		attribute := ""
		if p.IdleFrees {
			attribute = "idle_timeout"
		}
		try(fmt.Sprintf("give up an abandoned PASV after %s, not %s", duration(shortTimeout.Seconds()), duration(hold.Seconds())), attribute,
			func(q *Profile, v *Workload) { q.AbandonedHold, v.IdleTimeout = shortTimeout, shortTimeout })
	}
	if best, ok := bestOther(p, w); ok {
		all = append(all, candidate{"run " + best.Title, "server", best, w.movedTo(best, p)})
	}
	return all
}

// bestOther is the server with the fewest ports among all others whose range
// can be chosen.
func bestOther(p Profile, w Workload) (best Profile, found bool) {
	others := slices.DeleteFunc(Compare(p, w), func(c Comparison) bool {
		return c.Err != nil || c.Profile.Name == p.Name || c.Profile.FixedPorts > 0
	})
	if len(others) == 0 {
		return best, false
	}
	return slices.MinFunc(others, func(a, b Comparison) int { return a.Result.Ports - b.Result.Ports }).Profile, true
}
