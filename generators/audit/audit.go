package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Terms are what the servers are judged by, beside what their configs state.
type Terms struct {
	Sessions           int             // in place of the servers' caps; 0: the caps
	SessionsPerAddress int             // the same of one client address
	Traffic            *sizing.Traffic // nil: the worst case
}

// Judge returns what is wrong with what the inventory states, by file and line.
func Judge(inv *inventory.Inventory, terms Terms) []finding.Finding {
	a := &audit{Inventory: inv, terms: terms, walls: walls(inv.Firewalls)}
	for _, s := range inv.Servers {
		if profile, known := sizing.Lookup(s.Profile); known && s.Passive.Value {
			a.server(&server{s, profile})
		}
	}
	for i, s := range inv.Servers {
		for _, o := range inv.Servers[:i] {
			a.collide(o, s)
		}
	}
	for _, w := range a.walls {
		a.published(w)
	}
	for _, u := range inv.Unread {
		a.add(finding.LineUnread, finding.Note, u.At, nil, "", "%s was not read: %s", u.What, u.Why)
	}
	slices.SortStableFunc(a.found, func(x, y finding.Finding) int {
		return cmp.Or(strings.Compare(x.At.Filename, y.At.Filename), x.At.Start.Line-y.At.Start.Line)
	})
	return a.found
}

type audit struct {
	*inventory.Inventory
	terms Terms
	walls []*wall
	found []finding.Finding
}

type server struct {
	*inventory.Server
	profile sizing.Profile
}

// String names the server in a sentence: vsftpd on port 21.
func (s *server) String() string { return nameOf(s.Server, s.profile.Title) }

func nameOf(s *inventory.Server, title string) string {
	name := fmt.Sprintf("%s on port %d", title, s.Port.Value)
	if s.Name != "" {
		name += fmt.Sprintf(" (<VirtualHost %s>)", s.Name)
	}
	return name
}

// figures are a finding's, by names that end in their unit.
type figures map[string]any

// add adds a finding at a line. The remedy is for this case; "" is the rule's.
func (a *audit) add(rule *finding.Rule, severity finding.Severity, at inventory.At, f figures, remedy, format string, args ...any) {
	pos := hcl.Pos{Line: max(1, at.Line), Column: 1}
	a.found = append(a.found, finding.Finding{
		Severity: severity, Rule: rule, Detail: fmt.Sprintf(format, args...), Evidence: at.String(),
		Remedy: cmp.Or(remedy, rule.Remedy), Figures: f, At: &hcl.Range{Filename: at.File, Start: pos, End: pos},
	})
}

// at is the line of a setting, or of the server where none states it.
func at[T any](s *server, of inventory.Setting[T]) inventory.At {
	if of.Written() {
		return of.At
	}
	return s.At
}

func (a *audit) server(s *server) {
	if s.Open() || s.DataPorts.Value == everyPort && !s.DataPorts.Written() {
		a.add(finding.RangeUnset, finding.Warning, s.At, nil, s.setPorts(spec.PortRange{First: 61000, Last: 61100})+", for example",
			"%s draws its data ports from all ports of the machine", s)
	} else {
		a.carries(s)
		a.place(s)
	}
	for _, w := range a.walls {
		a.compare(s, w)
	}
	a.unrelated(s)
	a.balanced(s)
	a.announced(s)
	a.trusts(s)
}

var everyPort = spec.PortRange{First: 1024, Last: 65535}

// sharing are the servers of a process that draw from a server's range on its
// address, itself among them.
func (a *audit) sharing(s *server) (all []*inventory.Server) {
	for _, o := range a.Servers {
		if o == s.Server || o.Profile == s.Profile && o.At.File == s.At.File && o.DataPorts.Value == s.DataPorts.Value && o.Meets(s.Server) {
			all = append(all, o)
		}
	}
	return all
}

// carries judges the range by the sessions of all servers that share it, once.
func (a *audit) carries(s *server) {
	ports, w := s.DataPorts.Value.Count(), Workload(s.Server, a.terms)
	who, all := s.String(), a.sharing(s)
	if all[0] != s.Server {
		return
	}
	if len(all) > 1 {
		who += ", with " + sizing.Plural(len(all)-1, "other server") + " on its range,"
	}
	for _, o := range all[1:] {
		switch more := Workload(o, a.terms).Sessions; {
		case a.terms.Sessions > 0:
		case w.Sessions == 0 || more == 0:
			w.Sessions = 0
		default:
			w.Sessions = min(w.Sessions+more, spec.MaxSessions)
		}
	}
	carried, _ := sizing.NewCapacity(s.profile, w, spec.MaxSessions).Sessions(ports)
	sessions := sizing.Count(carried)
	if carried == spec.MaxSessions {
		sessions = "any number of"
	}
	if w.Sessions == 0 {
		if carried < spec.MaxSessions {
			a.add(finding.NoCap, finding.Warning, s.At, figures{"ports": ports, "carried_sessions": carried},
				fmt.Sprintf("judge the sessions that it really has with --sessions N, %s, and widen the range to what they need", strings.Replace(s.lines().sessions, "%d", "N", 1)),
				"%s admits any number of sessions, and its %s carry %s%s", who, sizing.Plural(ports, "port"), plural(carried), a.basis())
		}
		return
	}
	r, err := sizing.Size(s.profile, w)
	f := figures{"ports": ports, "sessions": w.Sessions, "carried_sessions": carried}
	switch {
	case err != nil:
		a.add(finding.RangeTooSmall, finding.Error, at(s, s.DataPorts), f, "", "%s carries %s sessions on its %s, and admits %s: %s%s",
			who, sessions, sizing.Plural(ports, "port"), sizing.Count(w.Sessions), err, a.basis())
	case r.Ports > ports:
		refused := sizing.Refused(s.profile, w, ports)
		f["needed_ports"], f["refused_share"] = r.Ports, refused
		wide := widened(s.DataPorts.Value, r.Ports)
		a.add(finding.RangeTooSmall, finding.Error, at(s, s.DataPorts), f,
			fmt.Sprintf("%s, and open it; or %s, if so few are enough", s.setPorts(wide), s.setSessions(carried)),
			"%s admits %s, which need %s; its %s carry %s, and refuse %s of their data connections%s",
			who, plural(w.Sessions), sizing.Plural(r.Ports, "port"), sizing.Plural(ports, "port"), plural(carried), sizing.Share(refused), a.basis())
	case r.Ports < ports:
		f["needed_ports"], f["spare_ports"] = r.Ports, ports-r.Ports
		less := spec.PortRange{First: s.DataPorts.Value.First, Last: s.DataPorts.Value.First + uint16(r.Ports) - 1}
		severity := s.usual()
		if a.terms.Traffic != nil || a.terms.Sessions > 0 { // estimates
			severity = finding.Note
		}
		a.add(finding.OpenForNothing, severity, at(s, s.DataPorts), f, s.setPorts(less)+", and open no more",
			"%s needs %s for the %s that it admits, and has %s", who, sizing.Plural(r.Ports, "port"), plural(w.Sessions), sizing.Count(ports))
	}
}

func plural(sessions int) string { return sizing.Plural(sessions, "session") }

// basis says that the worst case was judged.
func (a *audit) basis() string {
	if a.terms.Traffic != nil {
		return ""
	}
	return ". A config does not state its traffic, so this is the worst case, in which all sessions want a port at once: --sessions and --transfers-per-second judge it again"
}

// Workload is what a config asks of its range; no sessions: it has no cap.
func Workload(s *inventory.Server, terms Terms) sizing.Workload {
	profile, _ := sizing.Lookup(s.Profile)
	w := sizing.Workload{
		Sessions:           min(cmp.Or(terms.Sessions, s.Sessions.Value), spec.MaxSessions),
		SessionsPerAddress: cmp.Or(terms.SessionsPerAddress, s.SessionsPerAddress.Value),
		Traffic:            terms.Traffic,
		Objective:          spec.DefaultObjective(profile),
		MarkedSessions:     s.TLS.Value != spec.TLSOff && s.TLSRequired.Value && s.SessionReuse.Value,
		ForeignData:        !s.PeerCheck.Value,
		IdleTimeout:        s.IdleTimeout.Value,
	}
	if s.Made != nil && s.Made.Squatted >= 0 {
		w.Objective.Refused, w.Objective.Squatted = s.Made.Refused, s.Made.Squatted
	}
	return w
}

// usual is the severity of what pasvctl does only if a spec asks for it: a note
// in a config that it has made.
func (s *server) usual() finding.Severity {
	if s.Made != nil {
		return finding.Note
	}
	return finding.Warning
}

// widened is a range of n ports where pasvctl would look for one first, or from
// the first port of r on.
func widened(r spec.PortRange, n int) spec.PortRange {
	for _, first := range []int{61000, 20000, int(r.First), 1024} {
		if last := first + n - 1; last <= 65535 {
			return spec.PortRange{First: uint16(first), Last: uint16(last)}
		}
	}
	return everyPort
}
