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
	Shifted     []forwardView // control ports that have another number
}

// forwardView is one DNAT entry.
type forwardView struct {
	Comment string // the site's name
	Ports   spec.PortRange
	To      netip.Addr
	ToPort  string // with To, of a shifted one
}

func newGatewayView(p *plan.Plan, g *plan.Gateway) *gatewayView {
	view := &gatewayView{Header: header(p, "#"), Address: g.Address, Proto: "ip", Type: "ipv4_addr", Map: "forward4"}
	if g.Address.Is6() {
		view.Proto, view.Type, view.Map = "ip6", "ipv6_addr", "forward6"
	}
	for _, f := range g.Forwards {
		to := forwardView{Comment: commentText(f.Site.Name), Ports: f.Ports, To: f.To}
		if f.Ports == f.ToPorts {
			view.Forwards = append(view.Forwards, to)
			continue
		}
		to.ToPort = netip.AddrPortFrom(f.To, f.ToPorts.First).String()
		view.Shifted = append(view.Shifted, to)
	}
	return view
}
