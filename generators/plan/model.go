package plan

import (
	"net/netip"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Plan is what every target renders. Hosts, and the sites of a host, are
// sorted by name.
type Plan struct {
	SpecName string
	Hosts    []*Host
	Sites    []*Site // all of them, sorted by name
	Gateways []*Gateway
}

// Host is a host with the sites on it.
type Host struct {
	*spec.Host
	Sites []*Site
}

// Site is a site with its computed range.
type Site struct {
	*spec.Site
	Profile   sizing.Profile
	Sizing    sizing.Result
	DataPorts spec.PortRange // exactly these are opened, reserved and configured
	Pinned    bool           // the spec's own data_ports
	// Refused is the refused share with DataPorts, which a pin may make
	// larger than the minimum.
	Refused float64
	Policy  Policy
}

// Policy is a site's part of the firewall policy, in no backend's terms: the
// rules, in this order, for packets to one of the site's addresses.
//
//  1. Packets that are not the SYN of a new connection pass.
//  2. A new connection to Control from Clients passes, unless its client (an
//     IPv4 address or an IPv6 prefix of ClientPrefix6 bits) has MaxPerClient
//     already: then it is dropped.
//  3. A new connection to Data passes from Clients; with Gate, only from a
//     client that has sent an established packet on Control within GateTimeout.
//  4. Any other new connection to Control or Data is dropped.
//  5. What goes to other ports is left to the host.
type Policy struct {
	Addresses4, Addresses6 []netip.Addr
	Clients4, Clients6     []netip.Prefix // sorted, merged, masked
	Control                uint16
	Data                   spec.PortRange
	Gate                   bool
	GateTimeout            time.Duration
	MaxPerClient           int
	ClientPrefix6          int
}

// Gateway is a NAT in front of sites.
type Gateway struct {
	*spec.Gateway
	Sites []*Site
}
