package packets

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Layout says which network to build.
type Layout struct {
	// Server holds the addresses of the host whose rules are proven, on its
	// device Interface ("eth0" if it is empty).
	Server    []netip.Addr
	Interface string
	// Devices are more devices of the server, which lead nowhere.
	Devices []string
	// Clients are addresses of the outside world.
	Clients []netip.Addr
	// Gateways are addresses of a NAT between the world and the server; empty:
	// they are neighbours.
	Gateways []netip.Addr
}

// Bed is a network of throwaway namespaces: the clients' world, a server, and
// a gateway between them if the layout has one.
type Bed struct {
	World   *Namespace
	Server  *Namespace
	Gateway *Namespace // nil: World and Server are neighbours
	open    []*Namespace
}

// New builds a network. Every node reaches every address of the others; the
// gateway forwards, and has no rules yet.
func New(l Layout) (bed *Bed, err error) {
	bed = &Bed{}
	defer func() {
		if err != nil {
			err = errors.Join(err, bed.Close())
			bed = nil
		}
	}()
	nodes := []**Namespace{&bed.World, &bed.Server}
	if len(l.Gateways) > 0 {
		nodes = append(nodes, &bed.Gateway)
	}
	for _, node := range nodes {
		if *node, err = NewNamespace(); err != nil {
			return bed, err
		}
		bed.open = append(bed.open, *node)
	}
	if err = bed.World.Set("net/ipv4/ip_local_port_range", "1024 65535"); err != nil {
		return bed, err
	}
	if err = bed.Server.idle(l.Devices); err != nil {
		return bed, err
	}
	world := end{node: bed.World, device: "world", mac: "02:00:00:00:00:01", addresses: l.Clients}
	server := end{node: bed.Server, device: cmp.Or(l.Interface, "eth0"), mac: "02:00:00:00:00:02", addresses: l.Server}
	if bed.Gateway == nil {
		return bed, link(world, server)
	}
	if err = link(world, end{node: bed.Gateway, device: "outside", mac: server.mac, addresses: l.Gateways}); err != nil {
		return bed, err
	}
	server.mac = "02:00:00:00:00:04"
	if err = link(end{node: bed.Gateway, device: "inside", mac: "02:00:00:00:00:03", beyond: l.Server}, server); err != nil {
		return bed, err
	}
	return bed, errors.Join(bed.Gateway.Set("net/ipv4/ip_forward", "1"), bed.Gateway.Set("net/ipv6/conf/all/forwarding", "1"))
}

// idle makes devices that lead nowhere: pairs whose other ends stay unused.
func (n *Namespace) idle(devices []string) error {
	if len(devices) == 0 {
		return nil
	}
	var batch strings.Builder
	for i, d := range devices {
		fmt.Fprintf(&batch, "link add %s type veth peer name pasvctl-idle%d\n", d, i)
	}
	_, err := n.Run(batch.String(), "ip", "-batch", "-")
	return err
}

// end is one end of a pair of devices.
type end struct {
	node      *Namespace
	device    string
	mac       string
	addresses []netip.Addr
	beyond    []netip.Addr // what lies behind the other end; nil: whatever has no other route
}

func link(a, b end) error {
	if _, err := a.node.Run("", "ip", "link", "add", a.device, "address", a.mac, "type", "veth",
		"peer", "name", b.device, "address", b.mac, "netns", b.node.path()); err != nil {
		return err
	}
	return errors.Join(a.up(b.mac), b.up(a.mac))
}

// Each end knows the other under these addresses, which nobody has to be asked
// for: so no rule can drop the question, and a thousand clients are one
// neighbour.
const (
	peer4 = "169.254.255.254"
	peer6 = "fe80::ff"
)

func (e end) up(peer string) error {
	var batch strings.Builder
	fmt.Fprintf(&batch, "link set %s up\n", e.device)
	for _, a := range e.addresses {
		fmt.Fprintf(&batch, "addr add %s/%d dev %s nodad\n", a, a.BitLen(), e.device)
	}
	beyond := []string{"0.0.0.0/0", "::/0"}
	if e.beyond != nil {
		beyond = nil
		for _, a := range e.beyond {
			beyond = append(beyond, a.String())
		}
	}
	fmt.Fprintf(&batch, "neigh replace %s lladdr %s dev %s nud permanent\n", peer4, peer, e.device)
	fmt.Fprintf(&batch, "neigh replace %s lladdr %s dev %s nud permanent\n", peer6, peer, e.device)
	for _, b := range beyond {
		via := peer4
		if strings.Contains(b, ":") {
			via = peer6
		}
		fmt.Fprintf(&batch, "route add %s via %s dev %s onlink\n", b, via, e.device)
	}
	_, err := e.node.Run(batch.String(), "ip", "-batch", "-")
	return err
}

// manyForms are IPv6 addresses that hold IPv4 ones (RFC 4291, section 2.5.5).
var manyForms = netip.MustParsePrefix("::/16")

// Outside reports whether a client of the outside world can have the address.
func Outside(a netip.Addr) bool {
	return spec.Possible(a) && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !manyForms.Contains(a)
}

// Close takes the network down.
func (b *Bed) Close() error {
	var errs []error
	for _, n := range b.open {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}
