package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

var gatewayBlock = &Block{
	Type: "gateway", Label: "name", LabelExample: "nat1",
	Doc: "A NAT in front of sites. It forwards each site's control port and data ports to the site's host. The data ports keep their numbers.",
	Arguments: []Argument{
		{Name: "address", Type: Address, Example: `"198.51.100.7"`,
			Required: "Write the address that clients connect to.",
			Doc:      "Address that clients connect to. A site behind it announces it."},
		{Name: "sites", Type: Names, Example: `["downloads"]`,
			Required: "Name the sites behind it.",
			Doc:      "Sites behind the gateway. No two of them share a port."},
		{Name: "control_ports", Type: PortOf, Otherwise: "the sites' own", Limit: "1 to 65535, by the names of sites behind the gateway", Example: `{ downloads = 30000 }`,
			Doc: "Ports of the gateway that lead to control ports of another number, as 30000 to 21. Several hosts' sites on port 21 may share an address so."},
	},
	Refused: map[string]string{"data_ports": dataPortsStay},
}

// dataPortsStay is why a gateway shifts none.
const dataPortsStay = "A gateway forwards data ports to the same ports, because the server's reply to PASV and EPSV names the port that it listens on, and clients connect to that one. " +
	"Pin the range with data_ports in the site. Only control ports may be shifted, with control_ports."

func (l *loader) decodeGateway(raw *hcl.Block) {
	b := l.block(raw)
	g := &Gateway{Name: l.checkName(b, raw), Ranges: b.ranges}
	l.checkFolder(b, raw)
	b.decode(raw.Body, gatewayBlock)
	if text, ok := b.text("address"); ok {
		g.Address, _ = b.address("address", text, b.ranges["address"])
	}
	g.Sites = l.gatewaySites(b, g)
	g.ControlPorts = l.gatewayControlPorts(b, g)
	l.checkGatewayAddress(b, g)
	if !*b.failed {
		l.spec.Gateways = append(l.spec.Gateways, g)
	}
}

// checkGatewayAddress makes sure that nothing else has the address.
func (l *loader) checkGatewayAddress(b *block, g *Gateway) {
	if !g.Address.IsValid() {
		return
	}
	key := "gateway address " + g.Address.String()
	if first, twice := l.declared[key]; twice {
		b.err("address", finding.DuplicateAddress, "%s is the address of the gateway at %s already. List the sites of both in one block.", g.Address, place(first))
	} else {
		l.declared[key] = b.at
	}
	if host, taken := l.declared["address "+g.Address.String()]; taken {
		b.err("address", finding.DuplicateAddress, "%s is the address of the host at %s, which needs no gateway for it. Write the address that the NAT in front has.", g.Address, place(host))
	}
}

// checkFolder keeps the folders of hosts, gateways and targets apart.
func (l *loader) checkFolder(b *block, raw *hcl.Block) {
	if first, taken := l.declared["host "+raw.Labels[0]]; taken {
		b.errAt(raw.LabelRanges[0], finding.DuplicateName, "the host at %s has this name, and both would write to the output folder %s/. Rename the gateway.", place(first), raw.Labels[0])
	}
	l.checkKind(b, raw)
}

// checkKind keeps a block's folder apart from those of the targets.
func (l *loader) checkKind(b *block, raw *hcl.Block) {
	if name := raw.Labels[0]; slices.Contains(l.kinds(), name) {
		b.errAt(raw.LabelRanges[0], finding.ReservedName, "%q is also a kind of target, and both would write to the output folder %s/. Rename the %s.", name, name, raw.Type)
	}
}

func (l *loader) gatewaySites(b *block, g *Gateway) []*Site {
	elements, ok := b.list("sites")
	if !ok {
		return nil
	}
	if len(elements) == 0 && !*b.failed {
		b.err("sites", finding.EmptyList, "sites is empty. Name the sites behind the gateway.")
	}
	var sites []*Site
	seen := map[string]bool{}
	for _, e := range elements {
		site, declared := l.sites[e.text]
		switch {
		case !declared && len(l.broken) > 0:
			*b.failed = true // its declaration may be what is broken
		case !declared:
			b.errAt(e.at, finding.UnknownSite, "no site block is named %q.%s Name one that is, or add it.", e.text, l.suggest(e.text, namesOf(l.sites)))
		case seen[e.text]:
			b.errAt(e.at, finding.DuplicateElement, "site %q is in sites twice. Remove one of them.", e.text)
		case site == nil:
			*b.failed = true // the site's own error has been reported
		default:
			checkForward(b, g, site, e.at)
			sites = append(sites, site)
		}
		seen[e.text] = true
	}
	return sites
}

// gatewayControlPorts reads the control ports that have another number outside.
func (l *loader) gatewayControlPorts(b *block, g *Gateway) map[string]uint16 {
	val, ok := b.value("control_ports")
	if !ok || val.LengthInt() == 0 {
		return nil
	}
	ports := map[string]uint16{}
	names := make(map[string]*Site, len(g.Sites))
	for _, s := range g.Sites {
		names[s.Name] = s
	}
	unsure := *b.failed // sites may be what is wrong
	for it := val.ElementIterator(); it.Next(); {
		key, value := it.Element()
		name := key.AsString()
		if names[name] == nil {
			if !unsure {
				b.err("control_ports", finding.UnknownSite, "no site behind the gateway is named %q.%s Add it to sites, or remove it here.", name, l.suggest(name, namesOf(names)))
			}
			continue
		}
		if value.IsNull() {
			continue
		}
		r, ok := ParsePortRange(value.AsString())
		switch {
		case ok && r.Count() > 1:
			b.err("control_ports", finding.InvalidPortRange, "site %q has one control port, and %q are several. %s", name, value.AsString(), dataPortsStay)
		case !ok || r.First == 0:
			b.err("control_ports", finding.PortOutOfRange, "%q is not a port for site %q. Write a number from 1 to 65535, like %s = 30000.", value.AsString(), name, name)
		default:
			ports[name] = r.First
		}
	}
	return ports
}

// checkForward checks that the gateway can send clients on to the site, and
// that the site tells them the gateway's address.
func checkForward(b *block, g *Gateway, s *Site, at hcl.Range) {
	if !g.Address.IsValid() {
		return
	}
	v4, v6 := families(s.Addresses)
	if g.Address.Is4() && !v4 || g.Address.Is6() && !v6 {
		b.errAt(at, finding.FamilyMismatch, "%s cannot forward to site %q, which has only %s addresses (%s). Add an address of its family to the site, or use another gateway.",
			g.Address, s.Name, familyName(v4), Join(s.Addresses, ", "))
		return
	}
	if !g.Address.Is4() || s.Announce == g.Address || s.AnnounceName != "" {
		return
	}
	told := "the host's own address"
	if s.Announce.IsValid() {
		told = s.Announce.String()
	}
	b.warnAt(at, finding.AnnounceNotGateway, "PASV clients of site %q are told %s, not %s. Set announce = %q in the site.", s.Name, told, g.Address, g.Address.String())
}
