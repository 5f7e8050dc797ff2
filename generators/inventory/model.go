package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Inventory is what a number of files state together. All slices are in the
// order of the files and their lines.
type Inventory struct {
	Servers   []*Server
	Firewalls []*Firewall
	Unread    []Unread
	Secrets   []Secret
	// LocalPorts is net.ipv4.ip_local_port_range, and ReservedPorts what
	// net.ipv4.ip_local_reserved_ports keeps from it.
	LocalPorts    Setting[spec.PortRange]
	ReservedPorts []Setting[spec.PortRange]

	ipsets map[string]*ipset // by name
}

// At is a line of a file. The zero value is nowhere.
type At struct {
	File string // as it was given to Read
	Line int    // from 1; 0: the whole file
}

// String is "vsftpd.conf:12", or "vsftpd.conf" for a whole file.
func (a At) String() string {
	if a.Line == 0 {
		return a.File
	}
	return fmt.Sprintf("%s:%d", a.File, a.Line)
}

// Setting is a value that a server goes by.
type Setting[T any] struct {
	Value T
	At    At // the line that states it; the zero value: none does, and Value is the server's default
}

// value is a default.
func value[T any](v T) Setting[T] { return Setting[T]{Value: v} }

// Written reports whether a line states the value.
func (s Setting[T]) Written() bool { return s.At != At{} }

// Server is what one FTP server is told: a process, or a <VirtualHost> of one.
// Defaults are those of the versions that package sizing has profiles of.
type Server struct {
	Profile string // name of its sizing profile: "vsftpd"
	Name    string // of a <VirtualHost>: what its head names; "" for the main server
	At      At     // the main file, or the head of the <VirtualHost>

	// Addresses that it listens on for control connections; none: all of the
	// machine, of the families in IPv4 and IPv6.
	Addresses  Setting[[]netip.Addr]
	IPv4, IPv6 bool
	Port       Setting[uint16] // control port; 0: it does not listen
	// DataPorts is the passive range; the zero value: any port of the kernel.
	DataPorts  Setting[spec.PortRange]
	Passive    Setting[bool]                // it answers PASV and EPSV
	AnnounceTo Setting[[]spec.Announcement] // addresses for single networks
	Announce   Setting[string]              // address or host name in the 227 reply; "": the control connection's own

	Sessions           Setting[int]           // cap of control connections; 0: none
	SessionsPerAddress Setting[int]           // the same of one client address; 0: none
	IdleTimeout        Setting[time.Duration] // of a session without commands; 0: none
	DataTimeout        Setting[time.Duration] // of a transfer without progress; 0: none

	TLS              Setting[spec.TLSMode]
	TLSRequired      Setting[bool] // of logins and data connections
	SessionReuse     Setting[bool] // a data connection must resume its control connection's TLS session
	Certificate, Key Setting[string]
	PeerCheck        Setting[bool] // data connections must come from their control connection's address
	TruncatedUploads Setting[spec.Truncated]

	Made *Made // nil: pasvctl has not made the config
	// Base is the config byte for byte, with any password in it; nil if a spec's
	// base_config cannot be of its kind.
	Base *spec.Base
}

// Open reports whether the server's data ports are any of the kernel's.
func (s *Server) Open() bool { return s.DataPorts.Value == spec.PortRange{} }

// Listens reports whether the server's control port answers on an address.
func (s *Server) Listens(address netip.Addr) bool {
	if len(s.Addresses.Value) == 0 {
		return address.Is4() && s.IPv4 || address.Is6() && s.IPv6
	}
	return slices.Contains(s.Addresses.Value, address)
}

// Meets reports whether two servers listen on a common address.
func (s *Server) Meets(o *Server) bool {
	if len(s.Addresses.Value) == 0 && len(o.Addresses.Value) == 0 {
		return s.IPv4 && o.IPv4 || s.IPv6 && o.IPv6
	}
	return slices.ContainsFunc(s.Addresses.Value, o.Listens) || slices.ContainsFunc(o.Addresses.Value, s.Listens)
}

// Firewall is what one file of rules opens.
type Firewall struct {
	At         At
	Format     string // "nftables", "iptables", "security-group", "balancer" or "compose"
	Name       string // "inet filter input", "INPUT", a group's id or a service
	IPv4, IPv6 bool   // the families that it decides on
	// Accepts: connections that no line names pass, too. A connection must pass
	// every chain of a machine, but only one security group.
	Accepts bool
	// Partial: it has rules that were not read and may open more.
	Partial  bool
	Openings []Opening
	// Shut are ports that nobody reaches, whatever Accepts says.
	Shut []Opening
}

// Opening is a line that lets new TCP connections in. Protocols without ports
// and established connections are none.
type Opening struct {
	At           At
	Rule         string // "rule 31 of inet filter input"; "" if the line says it
	IPv4, IPv6   bool
	Ports        spec.PortRange // as clients see them; 1-65535: all
	Sources      []netip.Prefix // networks of clients; none: everyone
	Destinations []netip.Prefix // addresses of ours; none: all
	// Others are sources that are no networks: a security group, a prefix list.
	Others    []string
	Interface string // that it is for; "": any
	// Only: connections from elsewhere to these ports and addresses are dropped,
	// whatever the chain does otherwise.
	Only bool
	// Gate: only clients with a control connection are let in.
	Gate bool
	// PerAddress is the cap of connections from one client address; 0: none.
	PerAddress int
	// Inside are the ports of the container that Ports lead to; the zero value:
	// there is none.
	Inside spec.PortRange

	ipsets []string // that hold the sources
}

// Unread is a line that may matter and was not read.
type Unread struct {
	At   At
	What string // the directive, the rule's handle or the key; never a value
	Why  string // a sentence's end: "it jumps to chain web"
}

// Secret is a line that looks like a secret: a password, or a private key.
type Secret struct {
	At   At
	What string // the directive; never the value
}
