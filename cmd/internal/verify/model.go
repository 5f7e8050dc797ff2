package verify

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// model applies the rules of plan.Policy, and remembers what a client has
// done: which gates are open to it, and how many control connections it has.
type model struct {
	elsewhere packets.Verdict // what the host does with ports of nobody's
	claims    map[netip.Addr][]claim
	seen      map[session]bool // a handshake with a control port was finished
	open      map[session]int
}

// claim is a site's use of ports of one address.
type claim struct {
	first, last uint16
	control     bool
	site        *plan.Site
}

// session is a client of a site.
type session struct {
	site   *plan.Site
	client netip.Prefix
}

func newModel(sites []*plan.Site, elsewhere packets.Verdict) *model {
	m := &model{elsewhere: elsewhere, claims: map[netip.Addr][]claim{}, seen: map[session]bool{}, open: map[session]int{}}
	for _, s := range sites {
		for _, a := range slices.Concat(s.Policy.Addresses4, s.Policy.Addresses6) {
			m.claims[a] = append(m.claims[a], claim{s.Policy.Control, s.Policy.Control, true, s})
			for _, data := range ranges(s) {
				m.claims[a] = append(m.claims[a], claim{data.First, data.Last, false, s})
			}
		}
	}
	for _, all := range m.claims {
		slices.SortFunc(all, func(a, b claim) int { return cmp.Compare(a.first, b.first) })
	}
	return m
}

// ranges are the data ports of a site, and the older ones that it still has.
func ranges(s *plan.Site) []spec.PortRange {
	return append([]spec.PortRange{s.Policy.Data}, s.Policy.Draining...)
}

// at finds whose port it is; a nil site is nobody.
func (m *model) at(to netip.AddrPort) claim {
	for _, c := range m.claims[to.Addr()] {
		if c.first <= to.Port() && to.Port() <= c.last {
			return c
		}
	}
	return claim{}
}

func (m *model) verdict(from netip.Addr, to netip.AddrPort) packets.Verdict {
	c := m.at(to)
	if c.site == nil {
		return m.elsewhere
	}
	s := sessionOf(c.site, from)
	switch p := c.site.Policy; {
	case !isClient(c.site, from),
		c.control && m.open[s] >= p.MaxPerClient,
		!c.control && p.Gate && !m.seen[s]:
		return packets.Dropped
	}
	return packets.Admitted
}

// sessionOf names the client that an address counts as.
func sessionOf(s *plan.Site, from netip.Addr) session {
	bits := from.BitLen()
	if from.Is6() {
		bits = s.Policy.ClientPrefix6
	}
	return session{s, netip.PrefixFrom(from, bits).Masked()}
}

func isClient(s *plan.Site, from netip.Addr) bool {
	return slices.ContainsFunc(clientsOf(s, from.Is6()), func(p netip.Prefix) bool { return p.Contains(from) })
}

func clientsOf(s *plan.Site, v6 bool) []netip.Prefix {
	if v6 {
		return s.Policy.Clients6
	}
	return s.Policy.Clients4
}

func addressesOf(s *plan.Site, v6 bool) []netip.Addr {
	if v6 {
		return s.Policy.Addresses6
	}
	return s.Policy.Addresses4
}
