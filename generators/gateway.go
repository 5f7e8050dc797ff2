package generators

import (
	"fmt"
	"net/netip"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// gatewayView is what the templates of a NAT gateway lay out.
type gatewayView struct {
	Header      string
	Address     netip.Addr
	Proto, Type string // "ip", "ipv4_addr"
	Sites       []gatewaySite
}

type gatewaySite struct {
	Name    string
	Control uint16
	Data    spec.PortRange
	To      netip.Addr
}

func newGatewayView(p *plan.Plan, g *plan.Gateway) *gatewayView {
	view := &gatewayView{Header: header(p, "#"), Address: g.Address, Proto: "ip", Type: "ipv4_addr"}
	if g.Address.Is6() {
		view.Proto, view.Type = "ip6", "ipv6_addr"
	}
	for _, s := range g.Sites {
		to, _ := behind(g, s)
		view.Sites = append(view.Sites, gatewaySite{
			Name:    commentText(s.Name),
			Control: s.Policy.Control, Data: s.Policy.Data, To: to,
		})
	}
	return view
}

// behind is the site's address that the gateway translates to: the first of
// the gateway's own family.
func behind(g *plan.Gateway, s *plan.Site) (to netip.Addr, ok bool) {
	addresses := s.Policy.Addresses4
	if g.Address.Is6() {
		addresses = s.Policy.Addresses6
	}
	if len(addresses) == 0 {
		return netip.Addr{}, false
	}
	return addresses[0], true
}

// checkGateways reports what no 1:1 translation can express: a site without an
// address of the gateway's family, and two sites on one port of the gateway.
func checkGateways(p *plan.Plan) (diags hcl.Diagnostics) {
	for _, g := range p.Gateways {
		for i, s := range g.Sites {
			if _, ok := behind(g, s); !ok {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  "A gateway translates within one address family",
					Detail: fmt.Sprintf("The gateway %q has the address %s, and the site %q has no address of that family. Give the site's host one, or take the site off this gateway.",
						g.Name, g.Address, s.Name),
					Subject: g.Ranges.Of("sites"),
				})
			}
			for _, o := range g.Sites[:i] {
				if port, clash := sharedPort(s, o); clash {
					diags = append(diags, &hcl.Diagnostic{
						Severity: hcl.DiagError,
						Summary:  "Two sites need the same port of a gateway",
						Detail: fmt.Sprintf("The gateway %q sends each port to one host, but the sites %q and %q both need its port %d. Give one of them another control port or other data_ports, or a gateway of its own.",
							g.Name, o.Name, s.Name, port),
						Subject: g.Ranges.Of("sites"),
					})
				}
			}
		}
	}
	return diags
}

func sharedPort(a, b *plan.Site) (port uint16, clash bool) {
	x, y := a.Policy, b.Policy
	switch {
	case x.Control == y.Control, y.Data.Contains(x.Control):
		return x.Control, true
	case x.Data.Contains(y.Control):
		return y.Control, true
	case x.Data.Overlaps(y.Data):
		return max(x.Data.First, y.Data.First), true
	}
	return 0, false
}
