package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// gateways resolves the gateways of a spec and their DNAT entries. A port of a
// gateway goes to one site only, so two sites that want the same one are a
// mistake, on whatever hosts they are.
func gateways(declared []*spec.Gateway, sites []*Site) ([]*Gateway, hcl.Diagnostics) {
	bySpec := make(map[*spec.Site]*Site, len(sites))
	for _, s := range sites {
		bySpec[s.Site] = s
	}
	var all []*Gateway
	var diags hcl.Diagnostics
	for _, d := range declared {
		g := &Gateway{Gateway: d}
		for _, s := range d.Sites {
			if site := bySpec[s]; site != nil {
				g.Sites = append(g.Sites, site)
			}
		}
		slices.SortFunc(g.Sites, func(a, b *Site) int { return strings.Compare(a.Name, b.Name) })
		diags = append(diags, g.forward()...)
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Gateway) int { return strings.Compare(a.Name, b.Name) })
	return all, diags
}

// forward works out the DNAT entries of a gateway.
func (g *Gateway) forward() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, s := range g.Sites {
		to, ok := inFamily(s.Addresses, g.Address)
		if !ok {
			diags = append(diags, g.wrong("Gateway and site of different families", fmt.Sprintf(
				"Gateway %q has %s, but site %q has no address of that family to forward to. Give its host one, or take the site out of sites.",
				g.Name, g.Address, s.Name)))
			continue
		}
		for _, ports := range []spec.PortRange{one(s.Port), s.DataPorts} {
			if ports.First == 0 {
				continue // no room for it, which is reported
			}
			f := Forward{Site: s, Ports: ports, To: to}
			if other := g.conflict(f); other != nil {
				diags = append(diags, g.wrong("Two sites on one port of a gateway", fmt.Sprintf(
					"Gateway %q cannot forward %s to site %q, because %s goes to site %q. Give one of them another port or data_ports.",
					g.Name, f.Ports, s.Name, other.Ports, other.Site.Name)))
			}
			g.Forwards = append(g.Forwards, f)
		}
	}
	return diags
}

// conflict finds an earlier entry that shares a port with f. Of two sites on
// one address of one host, that is the spec's mistake and not the gateway's.
func (g *Gateway) conflict(f Forward) *Forward {
	for i, o := range g.Forwards {
		if o.Ports.Overlaps(f.Ports) && !(o.Site.Host == f.Site.Host && o.To == f.To) {
			return &g.Forwards[i]
		}
	}
	return nil
}

func (g *Gateway) wrong(summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: g.Ranges.Of("sites")}
}

// inFamily returns the first address that has the family of like.
func inFamily(addresses []netip.Addr, like netip.Addr) (netip.Addr, bool) {
	for _, a := range addresses {
		if a.Is4() == like.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}
