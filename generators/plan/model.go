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
	SpecName string // as spec.Spec.Name
	Hosts    []*Host
	Sites    []*Site // all of them, sorted by name
	Gateways []*Gateway
}

// Host is a host with the sites on it, at least one.
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
	// Refused is the refused share with DataPorts, which a pin or the lock may
	// make more than the minimum.
	Refused float64
	// Remarks are what the owner of the site should know besides; the serious
	// ones are warnings of Build, too.
	Remarks []sizing.Remark
	Policy  Policy
	// Rank is the site's own number among those of its host, from 1. Sites that
	// are added or removed leave it as it is, if the lock keeps it.
	Rank int
}

// Spare is how many of the data ports the site does without: those of a pin,
// or of a range that the lock keeps from a time when it needed more.
func (s *Site) Spare() int { return s.DataPorts.Count() - s.Sizing.Ports }

// Policy is a site's part of the firewall policy, in no backend's terms: the
// rules, in this order, for packets to one of the site's addresses.
//
//  1. Packets with ACK or RST set pass, so that running transfers go on, and
//     teach nothing but what 3 says.
//  2. A new connection to Control from Clients passes, unless its client (an
//     IPv4 address or an IPv6 prefix of ClientPrefix6 bits) has MaxPerClient
//     already: then it is dropped.
//  3. A new connection to Data passes from Clients; with Gate, only from a
//     client that has sent a packet on an assured connection to Control within
//     GateTimeout. Conntrack calls a connection assured once its handshake is
//     complete; "established" is true after any second packet (measured).
//  4. Any other packet to Control or Data is dropped.
//  5. Connections that the server opens from one of the site's addresses and a
//     port of Active to a port of ActiveTo of Clients may go out; no packet comes in
//     by that.
//  6. What goes to other ports is left to the host; so is, where our rules
//     stand among the owner's, what conntrack calls invalid and 1 to 3 let pass.
type Policy struct {
	Addresses4, Addresses6 []netip.Addr   // the site's, in its host's order
	Clients4, Clients6     []netip.Prefix // sorted, merged, masked; none of a family without address
	Control                uint16
	Data                   spec.PortRange
	Draining               []spec.PortRange // older data ports, open by the rules of Data until their sessions have ended; sorted, none from Build
	Active                 spec.PortRange   // zero: no active mode
	Gate                   bool
	GateTimeout            time.Duration
	MaxPerClient           int
	ClientPrefix6          int
}

// ActiveTo are the ports that a client may name for active mode: all servers refuse
// those below 1024 (measured; RFC 2577, section 3).
var ActiveTo = spec.PortRange{First: 1024, Last: 65535}

// Gateway is a NAT in front of sites.
type Gateway struct {
	*spec.Gateway
	Sites []*Site // sorted by name
	// Forwards are the gateway's DNAT entries: for each site its control port,
	// then its data ports. No two of them share a port.
	Forwards []Forward
}

// Forward is one DNAT entry: new connections to Ports of the gateway's address
// go to ToPorts of To.
type Forward struct {
	Site    *Site
	Ports   spec.PortRange
	To      netip.Addr     // of the gateway address's family
	ToPorts spec.PortRange // Ports, except a control port that the gateway shifts
}
