package verify

import (
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// onAnotherDevice proves that rules which are bound to a device leave the
// others to the host.
func (t *trial) onAnotherDevice() error {
	if err := t.load(); err != nil {
		return err
	}
	t.model.claims = nil
	var all []check
	for _, l := range t.lanes {
		for _, from := range []netip.Addr{l.client, firstOf(l.outside)} {
			for _, port := range []uint16{l.site.Policy.Control, l.site.Policy.Data.First} {
				all = append(all, l.check("the site's ports on another device", from, netip.AddrPortFrom(l.addresses[0], port)))
			}
		}
	}
	return t.try(all)
}

func firstOf(all []netip.Addr) netip.Addr {
	if len(all) == 0 {
		return netip.Addr{}
	}
	return all[0]
}

// notForwarded: the gateway keeps the connection to itself, and refuses it.
const notForwarded = "not forwarded"

// behindGateway proves that each forwarded port arrives where it must, from the
// client's own address, through the host's rules, and that no other does.
func (t *trial) behindGateway() error {
	forwards := map[*plan.Site]netip.Addr{}
	for _, f := range t.gateway.Forwards {
		forwards[f.Site] = f.To
	}
	t.lanes = slices.DeleteFunc(t.lanes, func(l *lane) bool { return !l.client.IsValid() || !forwards[l.site].IsValid() })
	var at []netip.AddrPort
	for _, l := range t.lanes {
		for _, port := range t.arrivals(l) {
			if a := netip.AddrPortFrom(forwards[l.site], t.inside(l, port)); !slices.Contains(at, a) {
				at = append(at, a)
			}
		}
	}
	echo, err := packets.NewEcho(t.bed.Server, at...)
	if err != nil {
		return err
	}
	defer echo.Close()
	if err := t.load(); err != nil {
		return err
	}
	var control, rest []arrival
	for _, l := range t.lanes {
		for _, port := range t.arrivals(l) {
			a := arrival{lane: l, port: port, want: notForwarded}
			if t.forwarded(port) {
				a.want = "arrives at " + netip.AddrPortFrom(forwards[l.site], t.inside(l, port)).String()
			}
			if port == t.gateway.ControlPort(l.site.Site) {
				control = append(control, a)
			} else {
				rest = append(rest, a)
			}
		}
	}
	held, err := t.arrive(echo, control)
	defer closeAll(held)
	if err != nil {
		return err
	}
	more, err := t.arrive(echo, rest)
	closeAll(more)
	return err
}

// arrivals are the ports of the gateway that are tried for a lane: the site's,
// and those beside that are no other site's.
func (t *trial) arrivals(l *lane) []uint16 {
	p, control := l.site.Policy, t.gateway.ControlPort(l.site.Site)
	ports := append([]uint16{control}, slices.DeleteFunc(slices.Clone(l.ports), func(port uint16) bool { return !p.Data.Contains(port) })...)
	for _, port := range []int{int(p.Data.First) - 1, int(p.Data.Last) + 1, int(control) - 1, int(control) + 1, int(p.Control)} {
		if port > 0 && port < 65536 && !t.forwarded(uint16(port)) && !slices.Contains(ports, uint16(port)) {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

// inside is the port of a lane's site that a port of the gateway leads to.
func (t *trial) inside(l *lane, port uint16) uint16 {
	if port == t.gateway.ControlPort(l.site.Site) {
		return l.site.Policy.Control
	}
	return port
}

func (t *trial) forwarded(port uint16) bool {
	return slices.ContainsFunc(t.gateway.Forwards, func(f plan.Forward) bool { return f.Ports.Contains(port) })
}

// arrival is a port of the gateway, and where a connection to it must end.
type arrival struct {
	*lane
	port uint16
	want string
}

func (t *trial) arrive(echo *packets.Echo, all []arrival) ([]running, error) {
	var probes []packets.Probe
	for _, a := range all {
		probes = append(probes, packets.Probe{From: a.client, To: netip.AddrPortFrom(t.gateway.Address, a.port), Want: packets.Admitted})
	}
	var held []running
	for i, c := range t.bed.Connect(probes...) {
		held = append(held, running{all[i].lane, c})
	}
	for i, r := range held {
		if r.Err != nil {
			return held, r.Err
		}
		got := string(r.Got)
		switch {
		case r.File != nil:
			got = "arrives nowhere"
			if at, ok := echo.Arrived(r.Local()); ok {
				got = "arrives at " + at.String()
			}
		case r.Got == packets.Admitted:
			got = notForwarded
		}
		if err := t.add(r.site, "a port of the gateway", r.From.String(), r.To.String(), all[i].want, got); err != nil {
			return held, err
		}
	}
	return held, nil
}
