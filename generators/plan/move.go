package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Placement is what Build did to the lock.
type Placement struct {
	Lock  *Lock  // to be kept beside the spec
	Moves []Move // what differs from the old lock, by the name of the site
}

// Move is a change of a site's data ports or name since the lock was written.
// Firewalls that pasvctl does not write must follow.
type Move struct {
	Site string
	Was  string         // the site's name in the lock, if a moved block has renamed it
	Host string         // the site's; the last one of a site that is gone
	From spec.PortRange // zero: a new site
	To   spec.PortRange // zero: the site is gone
	Why  string         // one sentence
}

// Kind says in a word what a Move is.
type Kind string

// The kinds of moves. A site that was renamed and has other ports is moved or
// resized; Was tells its old name.
const (
	NewSite     Kind = "new"
	GoneSite    Kind = "gone"
	MovedSite   Kind = "moved"   // other ports, or another host
	ResizedSite Kind = "resized" // the range only grew or only shrank where it was
	RenamedSite Kind = "renamed" // it keeps its ports
)

// Kind returns the kind of the move.
func (m Move) Kind() Kind {
	within := func(a, b spec.PortRange) bool { return b.First <= a.First && a.Last <= b.Last }
	switch {
	case m.From.First == 0:
		return NewSite
	case m.To.First == 0:
		return GoneSite
	case m.From == m.To && m.Was != "":
		return RenamedSite
	case m.From != m.To && (within(m.From, m.To) || within(m.To, m.From)):
		return ResizedSite
	}
	return MovedSite
}

// String is the move in a line, without its reason.
func (m Move) String() string {
	kind, ports := m.Kind(), m.To.String()
	text := fmt.Sprintf("%s: site %q", strings.ToUpper(string(kind)), m.Site)
	if m.Was != "" {
		text += fmt.Sprintf(", was %q", m.Was)
	}
	switch kind {
	case GoneSite:
		ports = fmt.Sprintf("%s of host %q", m.From, m.Host)
	case MovedSite, ResizedSite:
		ports = fmt.Sprintf("%s -> %s", m.From, m.To)
	}
	return text + ": data ports " + ports
}

// LikelyRenames finds hosts on which one site is gone and one is new: a moved
// block may be what is missing. Each is the rename, with Was.
func LikelyRenames(moves []Move) []Move {
	var hosts []string
	gone, fresh := map[string][]Move{}, map[string][]Move{}
	for _, m := range moves {
		switch m.Kind() {
		case GoneSite:
			gone[m.Host] = append(gone[m.Host], m)
		case NewSite:
			hosts = append(hosts, m.Host)
			fresh[m.Host] = append(fresh[m.Host], m)
		}
	}
	var likely []Move
	for _, host := range hosts {
		if len(gone[host]) == 1 && len(fresh[host]) == 1 {
			m := fresh[host][0]
			m.Was, m.From = gone[host][0].Site, gone[host][0].From
			likely = append(likely, m)
		}
	}
	return likely
}

type moveJSON struct {
	Kind Kind   `json:"kind"`
	Site string `json:"site"`
	Was  string `json:"was,omitempty"`
	Host string `json:"host"`
	From *Ports `json:"from,omitempty"`
	To   *Ports `json:"to,omitempty"`
	Why  string `json:"why"`
}

// MarshalJSON writes the move as all commands have it. A new site has no from,
// one that is gone no to.
func (m Move) MarshalJSON() ([]byte, error) {
	ports := func(r spec.PortRange) *Ports {
		if r.First == 0 {
			return nil
		}
		return new(PortsOf(r))
	}
	return json.Marshal(moveJSON{m.Kind(), m.Site, m.Was, m.Host, ports(m.From), ports(m.To), m.Why})
}

// moves compares the ranges with those of the lock.
func moves(all []*seat, lock *Lock) []Move {
	var list []Move
	placed := map[string]bool{}
	for _, t := range all {
		placed[t.Name] = true
		m := Move{Site: t.Name, Host: t.Host.Name, To: t.DataPorts, Why: t.why}
		elsewhere := ""
		if l := t.locked; l != nil {
			m.Was, m.From = l.was, l.DataPorts
			if l.Host != m.Host {
				elsewhere = fmt.Sprintf(" It is on host %q now, and was on %q.", m.Host, l.Host)
			}
		}
		if m.From == m.To && m.Was+elsewhere == "" {
			continue
		}
		switch kind := m.Kind(); {
		case kind == RenamedSite:
			m.Why = "A moved block of the spec renames it, and its ports stay."
		case m.From == m.To:
			m.Why = "Its ports have the same numbers."
		case m.Why != "":
		case kind == NewSite:
			m.Why = LockFile + " has no entry for it."
		default:
			m.Why = fmt.Sprintf("It needs %s ports now, by its %s bound.", sizing.Count(t.Sizing.Ports), strings.ReplaceAll(t.Sizing.Binding, "_", " "))
		}
		m.Why += elsewhere
		list = append(list, m)
	}
	if lock != nil && !lock.Shared {
		for _, s := range lock.Sites {
			if !placed[s.Name] {
				list = append(list, Move{Site: s.Name, Host: s.Host, From: s.DataPorts, Why: "It is in " + LockFile + " and not in the spec: its ports are free again."})
			}
		}
	}
	slices.SortFunc(list, func(a, b Move) int { return strings.Compare(a.Site, b.Site) })
	return list
}
