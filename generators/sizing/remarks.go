package sizing

import (
	"fmt"
	"slices"
	"strings"
)

// Remark is something that a workload's owner should know and that is no
// mistake.
type Remark struct {
	Name      string `json:"name"`      // foreign_data, listen_race, nat, squatting, leaves_range, unknown_server
	Attribute string `json:"attribute"` // of the spec that it is about
	Serious   bool   `json:"serious"`   // worth a warning wherever the site is planned
	Summary   string `json:"summary"`   // no full stop
	Detail    string `json:"detail"`    // full sentences
}

// Remarks returns what there is to say about a workload on a server beyond r,
// which is its Result: the serious ones first and else in a fixed order. It is
// empty if the workload cannot be sized.
func Remarks(p Profile, w Workload, r Result) []Remark {
	s, err := newSite(p, w)
	if err != nil {
		return nil
	}
	serious, others := []Remark{}, []Remark{}
	for _, about := range []func(Result) (Remark, bool){
		s.aboutForeign, s.aboutRace, s.aboutRaceInBurst, s.aboutNAT, s.aboutUnknown, s.aboutLeaving, s.aboutSquatting,
	} {
		m, applies := about(r)
		switch {
		case !applies:
		case m.Serious:
			serious = append(serious, m)
		default:
			others = append(others, m)
		}
	}
	return append(serious, others...)
}

// bound is a bound by its name; the zero value if it does not apply.
func (r Result) bound(name string) Bound {
	i := slices.IndexFunc(r.Bounds, func(b Bound) bool { return b.Name == name })
	if i < 0 {
		return Bound{}
	}
	return r.Bounds[i]
}

// aboutForeign says what it costs that data connections come from anywhere and
// prove nothing.
func (s *site) aboutForeign(r Result) (Remark, bool) {
	if !s.w.ForeignData || s.w.proven(s.p) {
		return Remark{}, false
	}
	when, remedy := "", ""
	if s.load == nil || s.w.Objective.WorstCase {
		when = ", when all sessions wait at once"
	}
	if s.p.ResumesTLS {
		remedy = " With TLS and required session reuse a stolen port is useless."
	}
	return Remark{
		Name: "foreign_data", Attribute: "foreign_data", Serious: true,
		Summary: "whoever connects first to a data port is served",
		Detail: fmt.Sprintf("With foreign_data no address tells whose data connection it is: a blind connection to one of %s takes over a transfer with probability %s%s. "+
			"Each port is one session's at a time, whatever its address, so all %s compete for the range.%s",
			Plural(r.Ports, "port"), Share(TheftOdds(s.p, s.w, r.Ports).Hit), when, Plural(s.w.Sessions, "session"), remedy),
	}, true
}

// aboutRace says what the listen race costs, which is serious if it keeps the
// server from its default objective, or takes half as many ports again as
// everything else for a written one.
func (s *site) aboutRace(r Result) (Remark, bool) {
	if !s.races() {
		return Remark{}, false
	}
	m := Remark{Name: BoundListenRace, Attribute: "objective.refused"}
	if !s.rated() {
		return s.raceIfTogether(r, "server"), true
	}
	raced, without := r.bound(BoundListenRace).Ports, 0
	for _, b := range r.Bounds {
		if b.Name != BoundListenRace {
			without = max(without, b.Ports)
		}
	}
	lowered := s.w.Objective.Refused == 0 && s.objective > DefaultRefusedInRace
	if raced <= without && !lowered {
		return Remark{}, false
	}
	floor := s.refused(without)
	m.Serious = lowered || s.w.Objective.Refused > 0 && 2*raced > 3*without
	m.Summary = fmt.Sprintf("the listen race of %s takes %s", s.p.Title, Plural(max(0, raced-without), "more port"))
	m.Detail = fmt.Sprintf("Two sessions of %s may choose the same free port at the same time, and the second is refused. Without the race %s are enough; they refuse %s, and more ports lower that only in proportion to the free ones.",
		s.p.Title, Plural(without, "port"), Share(floor))
	if lowered {
		m.Summary = fmt.Sprintf("the listen race of %s keeps the refused share above %s", s.p.Title, Share(DefaultRefusedInRace))
		m.Detail += fmt.Sprintf(" The objective is therefore %s.", Share(s.objective))
	} else {
		m.Detail += fmt.Sprintf(" To keep that range, write refused = %s.", number(floor*1.1))
	}
	if others := withoutRace(s.p, s.w); others != "" {
		m.Detail += fmt.Sprintf(" Servers that draw again: %s.", others)
	}
	return m, true
}

// raceIfTogether says what a start of all sessions loses to the listen race.
func (s *site) raceIfTogether(r Result, attribute string) Remark {
	return Remark{
		Name: BoundListenRace, Attribute: attribute,
		Summary: fmt.Sprintf("up to %s lose the listen race if all %s start within %s",
			Share(s.raceOfStart(r.Ports, s.w.Sessions, startTogether)), Plural(s.w.Sessions, "session"), duration(startTogether)),
		Detail: fmt.Sprintf("Two sessions of %s may choose the same free port at the same time, and the second is refused. "+
			"More ports hardly help, and the range is not sized for it. A start within a shorter time loses proportionally more.", s.p.Title),
	}
}

// withoutRace names the three servers without the race that need the fewest
// ports, and how many.
func withoutRace(p Profile, w Workload) string {
	all := Compare(p, w)
	FewestFirst(all)
	var names []string
	for _, c := range all {
		if len(names) < 3 && c.Err == nil && c.Profile.RaceWindow == 0 && c.Profile.FixedPorts == 0 {
			names = append(names, fmt.Sprintf("%s with %s", c.Profile.Title, Plural(c.Result.Ports, "port")))
		}
	}
	return strings.Join(names, ", ")
}

// aboutNAT: the bound of four-tuples assumes that a client's source port can be
// used again towards another port of the server.
func (s *site) aboutNAT(r Result) (Remark, bool) {
	if r.bound(BoundFourTuples).Ports <= 1+s.idle() {
		return Remark{}, false
	}
	return Remark{
		Name: "nat", Attribute: "traffic.client_ports", Serious: true,
		Summary: "more server ports may not help the clients behind the busiest address",
		Detail: fmt.Sprintf("The busiest client address has %s for each port of the server, and what it opens takes %s. "+
			"Behind a NAT with endpoint-independent mapping (RFC 4787 section 4.1, RFC 5382 REQ-1) a source port serves one client socket whatever the server's port, "+
			"so its own %s are the limit and only more addresses in the NAT's pool help. "+
			"The figure also assumes that the server's ports are used evenly.",
			Plural(s.load.clientPorts, "source port"), Plural(r.bound(BoundFourTuples).Ports-s.idle(), "server port"), Count(s.load.clientPorts)),
	}, true
}

func (s *site) aboutUnknown(Result) (Remark, bool) {
	if s.p.WhenFull != FullUnknown {
		return Remark{}, false
	}
	m := Remark{
		Name: "unknown_server", Attribute: "server",
		Summary: fmt.Sprintf("how %s draws and holds its ports is not documented", s.p.Title),
		Detail:  fmt.Sprintf("The range is based on safe assumptions; pasvctl load measures a running %s.", s.p.Title),
	}
	if _, known := Lookup(s.p.Name); !known {
		m.Summary = fmt.Sprintf("the profile does not say what %s does if it finds no port", s.p.Title)
		m.Detail = "It may refuse, end the session or leave the range; set when_full in the profile, and measure a running server with pasvctl load."
	}
	return m, true
}

func (s *site) aboutLeaving(r Result) (Remark, bool) {
	if s.p.WhenFull != FullLeaves {
		return Remark{}, false
	}
	return Remark{
		Name: "leaves_range", Attribute: "server",
		Summary: fmt.Sprintf("%s leaves the range when it is full", s.p.Title),
		Detail: fmt.Sprintf("It then announces a port that the firewall does not open, and the client's connection times out instead of being refused: "+
			"%s of the data connections.", Share(s.lost(r.Ports, s.w.Sessions))),
	}, true
}

// aboutRaceInBurst says what a burst loses to the listen race, which its bound
// leaves out, and so does a start of all sessions if the spec names no burst.
func (s *site) aboutRaceInBurst(r Result) (Remark, bool) {
	if !s.races() || !s.rated() {
		return Remark{}, false
	}
	if s.w.Traffic.Bursts == (Bursts{}) {
		return s.raceIfTogether(r, "traffic"), s.raceOfStart(r.Ports, s.w.Sessions, startTogether) > s.objective
	}
	share, of := 0.0, Burst{}
	for _, b := range s.w.Traffic.Bursts.All() {
		if met := s.raceInBurst(r.Ports, b); met > share {
			share, of = met, b
		}
	}
	return Remark{
		Name: BoundListenRace, Attribute: "traffic.burst",
		Summary: fmt.Sprintf("up to %s of a burst's data connections lose the listen race", Share(share)),
		Detail: fmt.Sprintf("%s start within %s, and two of them may choose the same free port at the same time. "+
			"More ports hardly help, and the range is not sized for it.", Plural(of.Sessions, "session"), duration(of.Within.Seconds())),
	}, share > 0
}

// aboutSquatting: a client that never connects and keeps its session alive.
func (s *site) aboutSquatting(Result) (Remark, bool) {
	if s.worst() || s.scope != ScopePort {
		return Remark{}, false
	}
	return Remark{
		Name: "squatting", Attribute: "traffic",
		Summary: "a malicious client can hold a port for its session's lifetime",
		Detail: fmt.Sprintf("PASV followed by an occasional NOOP keeps a port on %s without a connection. Each of the %s can do that; "+
			"cap them per address, or set worst_case = true.", s.p.Title, Plural(s.w.Sessions, "session")),
	}, true
}
