package spec

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type rawSite struct {
	Host             *hcl.Attribute  `hcl:"host,optional"`
	Addresses        *hcl.Attribute  `hcl:"addresses,optional"`
	Server           *hcl.Attribute  `hcl:"server,optional"`
	Port             *hcl.Attribute  `hcl:"port,optional"`
	Announce         *hcl.Attribute  `hcl:"announce,optional"`
	Clients          *hcl.Attribute  `hcl:"clients,optional"`
	IPv6ClientPrefix *hcl.Attribute  `hcl:"ipv6_client_prefix,optional"`
	Gate             *hcl.Attribute  `hcl:"gate,optional"`
	ForeignData      *hcl.Attribute  `hcl:"foreign_data,optional"`
	DataPorts        *hcl.Attribute  `hcl:"data_ports,optional"`
	TruncatedUploads *hcl.Attribute  `hcl:"truncated_uploads,optional"`
	TLS              *rawTLS         `hcl:"tls,block"`
	Concurrency      *rawConcurrency `hcl:"concurrency,block"`
	Traffic          *rawTraffic     `hcl:"traffic,block"`
	Objective        *rawObjective   `hcl:"objective,block"`
}

func (l *loader) decodeSite(raw *rawBlock) {
	b := l.block("site", raw)
	l.checkName("site", b, raw)
	if raw.Label == "ipset" {
		b.errAt(raw.LabelRange, finding.ReservedName, `a site's files go to HOST/SITE/, and HOST/ipset is a file already. Rename the site.`)
	}
	var r rawSite
	b.decode(raw.Body, &r)
	s := &Site{Name: raw.Label, Ranges: b.ranges}
	s.Host = l.siteHost(b, r.Host)
	server := l.siteServer(b, s, r.Server)
	s.Port = sitePort(b, r.Port)
	s.Addresses = siteAddresses(b, s.Host, r.Addresses)
	s.Announce = siteAnnounce(b, s, r.Announce)
	s.Clients = siteClients(b, s, r.Clients)
	s.IPv6ClientPrefix = b.integer("ipv6_client_prefix", r.IPv6ClientPrefix, 1, 128, 64)
	siteForeign(b, s, server, r.ForeignData, r.Gate)
	s.TLS = decodeTLS(b, s, server, r.TLS)
	s.TruncatedUploads = siteTruncated(b, s, r.TruncatedUploads)
	s.MarkedSessions = s.TLS.Mode != TLSOff && s.TLS.Required && s.TLS.ReuseRequired
	checkScope(b, s)
	s.Sessions, s.SessionsPerAddress = decodeConcurrency(b, r.Concurrency)
	s.Traffic = decodeTraffic(b, r.Traffic, s.Sessions, s.SessionsPerAddress)
	s.Objective = decodeObjective(b, server, r.Objective)
	if ports, ok := b.portRangeOf("data_ports", r.DataPorts); ok {
		s.DataPorts = ports
	}
	if *b.failed || s.Host == nil { // the host's own error has been reported
		if _, exists := l.sites[raw.Label]; !exists {
			l.sites[raw.Label] = nil
		}
		return
	}
	l.sites[raw.Label] = s
	l.spec.Sites = append(l.spec.Sites, s)
}

// siteForeign reads whether data connections may come from other addresses than
// their control connection's, which a gate would refuse.
func siteForeign(b *block, s *Site, server sizing.Profile, foreign, gate *hcl.Attribute) {
	s.ForeignData = b.boolean("foreign_data", foreign, false)
	s.Gate = b.boolean("gate", gate, !s.ForeignData)
	refuses := server.Strangers != sizing.StrangersServed
	const others = `the bundled daemon ("embedded"), vsftpd or ProFTPD`
	switch {
	case s.ForeignData && refuses && !server.AdmitsForeign:
		why := fmt.Sprintf(`pasvctl writes no config for %s, which refuses them unless it is told otherwise. Run %s there, or describe it in a profile block with strangers = "served".`, server.Title, others)
		if s.Profile != nil {
			why = fmt.Sprintf(`profile %q has strangers = %q. Write strangers = "served" if it admits data connections from any address.`, s.Server, server.Strangers)
		} else if server.Name == "pureftpd" { // measured, 1.0.50
			why = "Pure-FTPd admits them with AllowUserFXP, which also has it connect to any address that PORT and EPRT name. Run " + others + " there."
		}
		b.err("foreign_data", finding.ServerUnable, "%s", why)
	case s.ForeignData && s.Gate:
		b.err("gate", finding.GateRefusesForeignData,
			"foreign_data is true, but gate = true opens the data ports only to addresses that have a control connection. Remove gate.")
	case !s.Gate && !s.ForeignData && refuses:
		remedy := "Write foreign_data = true to have it admit them"
		if !server.AdmitsForeign {
			remedy = "Where clients need them, run " + others + " with foreign_data = true"
		}
		b.warn("gate", finding.ServerRefusesForeignData,
			"gate = false opens the firewall to data connections from any client address, but %s refuses those that come from another address than their control connection. %s, or remove gate.", s.Server, remedy)
	}
}

// siteHost returns nil where the host is unknown or has an error of its own.
func (l *loader) siteHost(b *block, attr *hcl.Attribute) *Host {
	name, ok := b.text("host", attr, `"edge1"`)
	if !ok {
		b.missing("host", "Name the host block that the site runs on.")
		return nil
	}
	host, declared := l.hosts[name]
	if !declared && len(l.broken) == 0 {
		b.err("host", finding.UnknownHost, "no host block is named %q.%s Name one that is, or add it.", name, l.suggest(name, namesOf(l.hosts)))
	}
	return host
}

func (l *loader) siteServer(b *block, s *Site, attr *hcl.Attribute) sizing.Profile {
	name, ok := b.text("server", attr, `"vsftpd"`)
	if !ok {
		b.missing("server", "Name the server that runs the site: "+quotedList(l.servers())+".")
		return noServer
	}
	s.Server = name
	if own, declared := l.profiles[name]; declared {
		if own == nil { // the profile's own error has been reported
			*b.failed = true
			return noServer
		}
		s.Profile = own
		return own.Profile
	}
	at := slices.IndexFunc(l.o.Servers, func(p sizing.Profile) bool { return p.Name == name })
	if at < 0 {
		names := append(l.servers(), namesOf(l.profiles)...)
		b.err("server", finding.UnknownServer, "no profile of a server %q is known.%s The known ones are %s. A profile block describes another.", name, l.suggest(name, names), quotedList(names))
		return noServer
	}
	return l.o.Servers[at]
}

// noServer has no trait that a check asks for.
var noServer = sizing.Profile{Strangers: sizing.StrangersServed}

// servers are the names of the known servers, in the order of Options.
func (l *loader) servers() []string {
	names := make([]string, len(l.o.Servers))
	for i, p := range l.o.Servers {
		names[i] = p.Name
	}
	return names
}

func sitePort(b *block, attr *hcl.Attribute) uint16 {
	val, ok := b.value("port", attr, cty.Number, "21")
	if !ok {
		b.missing("port", "Write the control port, usually port = 21, or 990 with implicit TLS.")
		return 0
	}
	port, exact := val.AsBigFloat().Int64()
	if exact != 0 || port < 1 || port > maxPort {
		b.err("port", finding.PortOutOfRange, "port is %s, but ports are whole numbers from 1 to %d. FTP's own is 21.", number(val), maxPort)
		return 0
	}
	return uint16(port)
}

// siteAddresses returns some or all of the host's addresses, in its order.
func siteAddresses(b *block, host *Host, attr *hcl.Attribute) []netip.Addr {
	elements, given := b.list("addresses", attr, `["203.0.113.10"]`)
	if given && len(elements) == 0 && !*b.failed {
		b.err("addresses", finding.EmptyList, "addresses is empty. Leave it out for all addresses of the host.")
	}
	addrs := b.addresses("addresses", elements)
	if host == nil {
		return nil
	}
	if !given {
		return host.Addresses
	}
	for _, e := range elements {
		if addr, err := netip.ParseAddr(e.text); err == nil && slices.Contains(addrs, addr) && !slices.Contains(host.Addresses, addr) {
			b.errAt(e.at, finding.AddressNotOfHost, "%s is not an address of host %q, which has %s. Use one of these, or add it to the host.", addr, host.Name, addressList(host.Addresses))
		}
	}
	var some []netip.Addr
	for _, addr := range host.Addresses {
		if slices.Contains(addrs, addr) {
			some = append(some, addr)
		}
	}
	return some
}

// siteAnnounce reads the address for the 227 reply, which has room for IPv4
// only (RFC 959, section 4.1.2); EPSV's 229 names no address (RFC 2428).
func siteAnnounce(b *block, s *Site, attr *hcl.Attribute) netip.Addr {
	text, ok := b.text("announce", attr, `"198.51.100.7"`)
	if !ok {
		return netip.Addr{}
	}
	addr, ok := b.address("announce", text, b.ranges["announce"])
	if !ok {
		return netip.Addr{}
	}
	v4, _ := families(s.Addresses)
	switch {
	case !addr.Is4():
		b.err("announce", finding.AnnounceInvalid, "announce is %s, but the 227 reply can only carry an IPv4 address; IPv6 clients use EPSV, which names none. Write the IPv4 address that clients reach the site by, or leave announce out.", addr)
		return netip.Addr{}
	case addr.IsLinkLocalUnicast():
		b.err("announce", finding.AnnounceInvalid, "%s is a link-local address, which clients elsewhere cannot reach. Write the address that clients connect to.", addr)
		return netip.Addr{}
	case addr.IsLoopback() && !slices.ContainsFunc(s.Addresses, netip.Addr.IsLoopback) && s.Host != nil:
		b.err("announce", finding.AnnounceInvalid, "%s is a loopback address: clients would connect to themselves. Write the address that clients connect to.", addr)
		return netip.Addr{}
	case s.Host != nil && len(s.Addresses) > 0 && !v4:
		b.warn("announce", finding.NoEffect, "the site has no IPv4 address, so no 227 reply is ever sent. Leave announce out.")
	}
	return addr
}

func siteClients(b *block, s *Site, attr *hcl.Attribute) []netip.Prefix {
	elements, given := b.list("clients", attr, `["192.0.2.0/24"]`)
	if !given {
		return everyone
	}
	before := *b.failed
	if len(elements) == 0 && !before {
		b.err("clients", finding.EmptyList, "clients is empty, so nobody could connect. Name their networks, or leave clients out for everyone.")
	}
	prefixes := b.prefixes("clients", elements)
	checkClients(b, s, prefixes)
	return prefixes
}

// checkClients finds networks from which no packet can reach the site.
func checkClients(b *block, s *Site, prefixes []netip.Prefix) {
	if len(prefixes) == 0 || len(s.Addresses) == 0 {
		return
	}
	v4, v6 := families(s.Addresses)
	reachable, loopback := false, slices.ContainsFunc(s.Addresses, netip.Addr.IsLoopback)
	for _, prefix := range prefixes {
		reachable = reachable || prefix.Addr().Is4() && v4 || prefix.Addr().Is6() && v6
		if prefix.Addr().IsLoopback() && !loopback {
			b.warn("clients", finding.UnreachableClients, "%s is the loopback network, from which no packet arrives at %s.", prefix, addressList(s.Addresses))
		}
	}
	if !reachable {
		b.err("clients", finding.FamilyMismatch, "all clients are %s, but the site has only %s addresses (%s), so nobody could connect. Add a client network or an address of the other family.",
			familyName(!v4), familyName(v4), addressList(s.Addresses))
	}
}
