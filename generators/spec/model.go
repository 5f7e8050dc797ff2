package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Spec is a folder of *.pasv.hcl files, decoded and checked. The blocks of a
// kind are ordered by file name, then position.
type Spec struct {
	// Name is what the pasvctl block calls the spec; "" if it does not. No
	// file's or folder's name takes its place, because the name is in every
	// generated file, and a renamed folder changes none of them.
	Name     string
	Hosts    []*Host
	Sites    []*Site
	Gateways []*Gateway
	Targets  []*Target
	// DefaultTargets: the default targets are rendered beside Targets.
	DefaultTargets bool
	Profiles       []*Profile // server profiles of the user's own
	Expects        []*Expect  // expectations that the rules are held to
	Moved          []*Moved   // sites that were renamed
	// Within are the only ports that a data range is placed on, if a target has no
	// others; zero: all. Package spec leaves it to who knows the targets.
	Within PortRange
	// Files are the parsed sources by name, for writing diagnostics with
	// their source lines.
	Files map[string]*hcl.File
}

// PortRange is an inclusive range of TCP ports, 1 to 65535, First <= Last.
// The zero value means no range.
type PortRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// ParsePortRange reads "61000-61099", or "61000" for one port; see
// PortRange.String. It is false for anything else, and for a range whose first
// port is above the last.
func ParsePortRange(text string) (PortRange, bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	return PortRange{First: uint16(lo), Last: uint16(hi)}, err1 == nil && err2 == nil && lo <= hi
}

// Count is the number of ports in the range; 0 for the zero value.
func (r PortRange) Count() int {
	if r.First == 0 {
		return 0
	}
	return int(r.Last) - int(r.First) + 1
}

// Overlaps reports whether the two ranges share a port.
func (r PortRange) Overlaps(o PortRange) bool {
	return r.First != 0 && o.First != 0 && r.First <= o.Last && o.First <= r.Last
}

// Contains reports whether the range has the port.
func (r PortRange) Contains(port uint16) bool {
	return r.First != 0 && r.First <= port && port <= r.Last
}

// String writes the range as the spec does: "61000-62856", or "21" for one
// port.
func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("%d", r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Ranges are the places of a block's attributes. Keys are attribute
// names, with the nested block before a dot: "concurrency.sessions". The key
// "" is the block's header.
type Ranges map[string]hcl.Range

// Of returns the place of attr, or else of the nearest thing that is there: the
// nested block's header, then the block's own.
func (r Ranges) Of(attr string) *hcl.Range {
	for {
		if rng, ok := r[attr]; ok {
			return &rng
		}
		if attr == "" {
			return nil
		}
		attr = attr[:max(0, strings.LastIndexByte(attr, '.'))]
	}
}

// Host is a machine that FTP servers run on.
type Host struct {
	Name           string
	Addresses      []netip.Addr // at least one, no duplicates, no zones
	Interface      string       // "" is any
	Floating       bool         // Addresses move between machines (VRRP): there may be none of them on this one
	EphemeralPorts PortRange    // net.ipv4.ip_local_port_range
	AvoidPorts     []PortRange  // no data range is ever placed here
	ReservedPorts  []PortRange  // ports that ip_local_reserved_ports must keep beside ours
	Firewall       *Chain       // the base chain to be jumped to from; nil: a base chain of our own
	Output         *Chain       `json:",omitempty"` // in Firewall's table, the one for outgoing packets; nil: none drops
	Ranges         Ranges
}

// Chain names a chain of the nftables ruleset, written "FAMILY TABLE CHAIN".
type Chain struct{ Family, Table, Chain string }

// TLSMode says how a control connection gets its TLS (RFC 4217; implicit TLS
// is the older practice on port 990).
type TLSMode string

// The modes of TLS.
const (
	TLSOff      TLSMode = "off"
	TLSExplicit TLSMode = "explicit"
	TLSImplicit TLSMode = "implicit"
)

// TLS is a site's tls block; Mode is TLSOff if there is none.
type TLS struct {
	Mode     TLSMode
	Required bool
	// ReuseRequired: a data connection must resume its control connection's
	// TLS session (session_reuse = "required", the default).
	ReuseRequired bool
	// CBC admits TLS 1.2's suites with CBC on the bundled daemon, for clients
	// that have no others; the other servers' lists of suites are their own.
	CBC         bool
	Certificate string
	Key         string
}

// Truncated says how a server treats an upload under TLS whose data connection ends
// without close_notify (RFC 8446 section 6.1), which an attacker on the path
// can cause; "": what the server does.
type Truncated string

// What truncated_uploads can be.
const (
	RefuseTruncated Truncated = "refuse"
	AcceptTruncated Truncated = "accept"
)

// Site is one FTP service: a control port and a range of data ports on a host.
type Site struct {
	Name      string
	Host      *Host
	Addresses []netip.Addr // some or all of the host's, in the host's order
	Server    string       // name of a sizing profile, or of Profile
	Profile   *Profile     // the spec's own profile of that name; nil: a known server
	Base      *Base        `json:",omitempty"` // the server's own config, to be kept
	Port      uint16       // control port
	Announce  netip.Addr   // address in the 227 reply; zero: the control connection's own
	// AnnounceName is a host name that the server resolves for the 227 reply, in
	// place of Announce.
	AnnounceName string `json:",omitempty"`
	// AnnounceTo are the addresses for single networks, the smallest network first.
	AnnounceTo []Announcement `json:",omitempty"`
	Clients    []netip.Prefix
	// IPv6ClientPrefix is the prefix length, 1 to 128, by which an IPv6
	// client counts as one address; 64 unless told.
	IPv6ClientPrefix int
	// Gate: data ports accept new connections only from clients that have an
	// established control connection.
	Gate bool
	TLS  TLS
	// ActiveMode: clients may ask for active mode. Ranges has the attribute where the
	// spec says so or the contrary.
	ActiveMode bool `json:",omitzero"`
	// TruncatedUploads; see RefusesTruncated for the bundled daemon's own way.
	TruncatedUploads Truncated
	// Workload is what concurrency, traffic and objective ask of the server,
	// with TLS as it marks sessions, and with foreign_data, which has no gate.
	sizing.Workload
	// DataTimeout is how long a transfer may make no progress; 0: 300 s, and 60 s
	// on the bundled daemon.
	DataTimeout time.Duration `json:",omitzero"`
	DataPorts   PortRange     // a pin; zero: the plan chooses
	Ranges      Ranges
}

// RefusesTruncated reports whether the bundled daemon refuses truncated uploads:
// if it is told to or, without being told, if TLS is required.
func (s *Site) RefusesTruncated() bool {
	return s.TruncatedUploads == RefuseTruncated || s.TruncatedUploads == "" && s.TLS.Required
}

// Announced is what the 227 reply names, as the spec says it; "" is the control
// connection's own address.
func (s *Site) Announced() string {
	if s.Announce.IsValid() {
		return s.Announce.String()
	}
	return s.AnnounceName
}

// Gateway is a NAT in front of sites: it sends the control port and the data
// range of each on to the site's host, the data ports port for port.
type Gateway struct {
	Name    string
	Address netip.Addr
	Sites   []*Site
	// ControlPorts are the gateway's own for control ports of another number, by
	// the site's name.
	ControlPorts map[string]uint16 `json:",omitempty"`
	Ranges       Ranges
}

// ControlPort is the port of the gateway that leads to the site's control port.
func (g *Gateway) ControlPort(s *Site) uint16 {
	if port, shifted := g.ControlPorts[s.Name]; shifted {
		return port
	}
	return s.Port
}

// Target is one target block. Its body is decoded by the target itself.
type Target struct {
	Kind string
	Body hcl.Body
	Eval *hcl.EvalContext
	// Source holds the text of the file that the body's source attribute
	// names (a user's own template), read from the spec's folder.
	Source    []byte
	Ranges    Ranges
	DeclRange hcl.Range
}
