package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Build sizes every site of a spec, gives it a range and works out its
// firewall policy. The lock, which may be nil, says what ranges the sites have
// had; it is not changed. The spec's moved blocks rename its entries first.
//
// Sites with a mistake are reported and left out. With an error there is no
// Placement, and the Plan, which is never nil, is of use only for finding
// further mistakes.
func Build(s *spec.Spec, lock *Lock) (*Plan, *Placement, hcl.Diagnostics) {
	lock, diags := lock.renamed(s.Moved)
	sites, more := sized(s.Sites)
	diags = append(diags, more...)
	inOrder := byOldName(sites, lock)
	all := seats(inOrder, s, lock)
	unplaced := place(all, false)
	if len(unplaced) > 0 {
		// A small range may lie where only a large one would have fitted.
		again := seats(inOrder, s, lock)
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
	rank(inOrder, lock)
	refuseLess(sites)
	remarkStarts(sites)
	p := &Plan{SpecName: s.Name, Sites: sites, Hosts: hosts(sites), Gateways: gateways(s.Gateways, sites)}
	if diags.HasErrors() {
		return p, nil, diags
	}
	placement := &Placement{Lock: lockOf(sites), Moves: moves(all, lock)}
	if lock != nil && lock.Shared {
		placement.Lock.adopt(lock)
	}
	return p, placement, diags
}

// byOldName sorts sites by the names that the lock has in its file, so that a
// rename changes no decision between them.
func byOldName(sites []*Site, lock *Lock) []*Site {
	old := map[*Site]string{}
	for _, s := range sites {
		old[s] = s.Name
		if entry := lock.find(s.Name); entry != nil {
			old[s] = cmp.Or(entry.was, s.Name)
		}
	}
	sites = slices.Clone(sites)
	slices.SortStableFunc(sites, func(a, b *Site) int { return strings.Compare(old[a], old[b]) })
	return sites
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
