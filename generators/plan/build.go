package plan

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Build sizes every site of a spec, gives it a range and works out its
// firewall policy. The lock, which may be nil, says what ranges the sites have
// had; it is not changed.
//
// Sites with a mistake are reported and left out. With an error there is no
// Placement, and the Plan, which is never nil, is of use only for finding
// further mistakes.
func Build(s *spec.Spec, lock *Lock) (*Plan, *Placement, hcl.Diagnostics) {
	sites, diags := sized(s.Sites)
	all := seats(sites, s, lock)
	unplaced := place(all, false)
	if len(unplaced) > 0 {
		// A small range may lie where only a large one would have fitted.
		again := seats(sites, s, lock)
		if len(place(again, true)) == 0 {
			all, unplaced = again, nil
		}
	}
	for _, t := range unplaced {
		diags = append(diags, noRoom(t, lock != nil))
	}
	for _, t := range all {
		t.Policy = policy(t.Site)
	}
	rank(sites, lock)
	refuseLess(sites)
	remarkStarts(sites)
	p := &Plan{SpecName: s.Name, Sites: sites, Hosts: hosts(sites), Gateways: gateways(s.Gateways, sites)}
	if diags.HasErrors() {
		return p, nil, diags
	}
	return p, &Placement{Lock: lockOf(sites), Moves: moves(all)}, diags
}

// refuseLess corrects the refused share of sites whose lock keeps more ports
// than they need. Equal sites are asked about once.
func refuseLess(sites []*Site) {
	kept := slices.DeleteFunc(slices.Clone(sites), func(s *Site) bool { return s.Pinned || s.Spare() <= 0 })
	for i, share := range once(kept, (*Site).question, func(s *Site) float64 {
		return sizing.Refused(s.Profile, s.Workload, s.DataPorts.Count())
	}) {
		kept[i].Refused = *share
	}
}

// hosts groups sites, which are sorted by name, by their host.
func hosts(sites []*Site) []*Host {
	byHost := map[*spec.Host]*Host{}
	var all []*Host
	for _, s := range sites {
		h := byHost[s.Host]
		if h == nil {
			h = &Host{Host: s.Host}
			byHost[s.Host] = h
			all = append(all, h)
		}
		h.Sites = append(h.Sites, s)
	}
	slices.SortFunc(all, func(a, b *Host) int { return strings.Compare(a.Name, b.Name) })
	return all
}
