package packets

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Layout says which network to build.
type Layout struct {
	// Server holds the addresses of the host whose rules are proven, on its
	// device Interface ("eth0" where it is empty).
	Server    []netip.Addr
	Interface string
	// Clients are addresses of the outside world.
	Clients []netip.Addr
	// Gateways are addresses of a NAT between the world and the server; empty:
	// they are neighbours.
	Gateways []netip.Addr
}

// Bed is a network of throwaway namespaces: the clients' world, a server, and
// a gateway between them where the layout has one.
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
	device := l.Interface
	if device == "" {
		device = "eth0"
	}
	if bed.Gateway == nil {
		return bed, link(
			end{bed.World, "world", l.Clients, everywhere},
			end{bed.Server, device, l.Server, everywhere})
	}
	through := routes(l.Gateways)
	if err = link(end{bed.World, "world", l.Clients, through}, end{bed.Gateway, "outside", l.Gateways, everywhere}); err != nil {
		return bed, err
	}
	if err = link(end{bed.Gateway, "inside", l.Gateways, hosts(l.Server)}, end{bed.Server, device, l.Server, through}); err != nil {
		return bed, err
	}
	return bed, errors.Join(bed.Gateway.Set("net/ipv4/ip_forward", "1"), bed.Gateway.Set("net/ipv6/conf/all/forwarding", "1"))
}

// end is one end of a pair of devices.
type end struct {
	node      *Namespace
	device    string
	addresses []netip.Addr
	routes    []string // what lies behind the other end, as arguments of ip route
}

// everywhere: whatever has no other route is a neighbour on this device.
var everywhere = []string{"0.0.0.0/0", "::/0"}

// hosts: these addresses are neighbours on this device.
func hosts(addresses []netip.Addr) (all []string) {
	for _, a := range addresses {
		all = append(all, a.String())
	}
	return all
}

// routes: whatever has no other route goes through one of the gateways.
func routes(gateways []netip.Addr) (all []string) {
	for _, g := range gateways {
		all = append(all, fmt.Sprintf("%s/0 via %s onlink", unspecified(g), g))
	}
	return all
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// link joins two namespaces by a pair of devices.
func link(a, b end) error {
	if _, err := a.node.Run("", "ip", "link", "add", a.device, "type", "veth", "peer", "name", b.device, "netns", b.node.path()); err != nil {
		return err
	}
	return errors.Join(a.up(), b.up())
}

func (e end) up() error {
	var batch strings.Builder
	fmt.Fprintf(&batch, "link set %s up\n", e.device)
	for _, a := range e.addresses {
		fmt.Fprintf(&batch, "addr add %s/%d dev %s nodad\n", a, a.BitLen(), e.device)
	}
	for _, r := range e.routes {
		fmt.Fprintf(&batch, "route add %s dev %s\n", r, e.device)
	}
	_, err := e.node.Run(batch.String(), "ip", "-batch", "-")
	return err
}

// Close takes the network down.
func (b *Bed) Close() error {
	var errs []error
	for _, n := range b.open {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}
