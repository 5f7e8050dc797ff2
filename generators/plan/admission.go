package plan

import (
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Admission lets one network reach one range of a host's ports by TCP: an entry
// of the flat list that the targets read whose platform knows neither the gate
// nor the host's addresses (security groups, cloud firewalls).
type Admission struct {
	Host *Host
	// For are the sites that want it and whether for their data ports: at least
	// one, and several if sites on different addresses want the very same.
	For   []Purpose
	Ports spec.PortRange
	From  netip.Prefix // masked; its address family is the entry's
}

// Purpose is what a site needs an admission for: its control port or its data ports.
type Purpose struct {
	Site *Site
	Data bool
}

// String is "control" or "data".
func (p Purpose) String() string {
	if p.Data {
		return "data"
	}
	return "control"
}

// Family is "IPv4" or "IPv6".
func (a Admission) Family() string {
	if a.From.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// Key names the entry among all of the plan: HOST/SITE/KIND/CIDR, as the first of
// For has it. It has no ports: a rule that bears it is changed in place if the
// range moves.
func (a Admission) Key() string {
	first := a.For[0]
	return a.Host.Name + "/" + first.Site.Name + "/" + first.String() + "/" + a.From.String()
}

// Admissions is who may reach what on the host: for each site in order the control
// port, then the data ports, from each of its clients' networks, IPv4 first. A
// family without an address of the site has none.
//
// Equal entries are one. Networks are as the spec names them, neither merged with
// their neighbours nor left out if another contains them: a network that is added
// or removed changes no other entry's key.
func (h *Host) Admissions() []Admission {
	type match struct {
		ports spec.PortRange
		from  netip.Prefix
	}
	var all []Admission
	at := map[match]int{}
	for _, site := range h.Sites {
		networks := site.Networks()
		for _, data := range []bool{false, true} {
			ports, purpose := one(site.Policy.Control), Purpose{site, data}
			if data {
				ports = site.Policy.Data
			}
			for _, from := range networks {
				m := match{ports, from}
				if i, twice := at[m]; twice {
					all[i].For = append(all[i].For, purpose)
					continue
				}
				at[m] = len(all)
				all = append(all, Admission{h, []Purpose{purpose}, ports, from})
			}
		}
	}
	return all
}

// Networks are the site's clients as the spec names them, masked, each once,
// sorted, IPv4 first; none of a family that the site has no address of.
func (s *Site) Networks() []netip.Prefix {
	var all []netip.Prefix
	for _, c := range s.Clients {
		if c.Addr().Is4() && len(s.Policy.Addresses4) > 0 || c.Addr().Is6() && len(s.Policy.Addresses6) > 0 {
			all = append(all, c.Masked())
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}
