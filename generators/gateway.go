package generators

import (
	"net/netip"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// gatewayView is what the templates of a NAT gateway lay out.
type gatewayView struct {
	Header      string
	Address     netip.Addr
	Proto, Type string // "ip", "ipv4_addr"
	Map         string // one a family: a map cannot change its type
	Forwards    []forwardView
}

// forwardView is one DNAT entry.
type forwardView struct {
	Comment string // the site's name
	Ports   spec.PortRange
	To      netip.Addr
}

func newGatewayView(p *plan.Plan, g *plan.Gateway) *gatewayView {
	view := &gatewayView{Header: header(p, "#"), Address: g.Address, Proto: "ip", Type: "ipv4_addr", Map: "forward4"}
	if g.Address.Is6() {
		view.Proto, view.Type, view.Map = "ip6", "ipv6_addr", "forward6"
	}
	for _, f := range g.Forwards {
		view.Forwards = append(view.Forwards, forwardView{Comment: commentText(f.Site.Name), Ports: f.Ports, To: f.To})
	}
	return view
}
