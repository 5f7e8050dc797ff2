package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

var siteBlock = &Block{
	Type: "site", Label: "name", LabelExample: "downloads", Doc: "One FTP service: a control port and a range of data ports on a host.",
	Arguments: []Argument{
		{Name: "host", Type: Text, Example: `"edge1"`,
			Required: "Name the host that the site runs on.",
			Doc:      "Host that the site runs on, by its block's name."},
		{Name: "addresses", Type: Addresses, Otherwise: "all of the host", Limit: "addresses of the host", Example: `["203.0.113.10"]`,
			Doc: "Addresses of the host that the site listens on."},
		{Name: "server", Type: Text, Example: `"vsftpd"`,
			Required: `Name the server that runs the site, like server = "vsftpd".`,
			Doc:      "FTP server that runs the site: one of the known ones below, or the name of a profile block."},
		{Name: "base_config", Type: Source, Otherwise: "pasvctl writes the whole config", Example: `"vsftpd.conf"`,
			Doc: "The server's own config, for vsftpd and ProFTPD a file, for Pure-FTPd the folder of its settings or pure-ftpd.conf. The generated one, of mode 0600, keeps it and the included files beside it; directives that the spec sets are comments there, and in one block."},
		{Name: "port", Type: Whole, Least: 1, Most: maxPort, Example: "21",
			Required: "Write the control port, usually port = 21, or 990 with implicit TLS.",
			Doc:      "Control port: 21, or 990 with implicit TLS."},
		{Name: "announce", Type: Address, Otherwise: "the address that the client connected to", Limit: "an IPv4 address, or a host name", Example: `"198.51.100.7"`,
			Doc: "Address in the reply to PASV (227), if clients reach the site by another than its own, as behind NAT; or the host name of one that changes. EPSV's reply names none."},
		{Name: "announce_to", Type: ByNetwork, Otherwise: "all clients are told the same address", Limit: "IPv4, at most 64 networks", Example: `{ "10.0.0.0/8" = "10.0.1.5" }`,
			Doc: "Addresses in the reply to PASV (227) for clients of single networks, such as those inside a NAT; the smallest network counts. All other clients are told that of announce."},
		{Name: "clients", Type: Networks, Otherwise: "everyone", Example: `["192.0.2.0/24", "198.51.100.9"]`,
			Doc: "Client networks that may connect. The rules drop all others."},
		{Name: "ipv6_client_prefix", Type: Whole, Least: 1, Most: 128, Default: 64, Unit: "bits", Example: "56",
			Doc: "Length of the prefix by which IPv6 clients are told apart: a client with a network of its own counts as one address."},
		{Name: "gate", Type: Bool, Otherwise: "true, and false with foreign_data", Example: "false",
			Doc: "The rules open the data ports only to addresses that have a control connection."},
		{Name: "foreign_data", Type: Bool, Default: false, Example: "true",
			Doc: "Data connections may come from other addresses than their control connection's, as from a NAT's pool. It costs the gate, and ports on servers that tell clients apart by address."},
		{Name: "active_mode", Type: Bool, Otherwise: "off; Pure-FTPd cannot turn it off; a base_config keeps its own", Example: "true",
			Doc: "Clients may ask for active mode (PORT, EPRT), in which the server connects to them. The rules let these connections out of a host whose output chain drops (firewall.output, or PASVCTL-OUT of iptables), and let nothing in."},
		{Name: "data_ports", Type: Ports, Otherwise: "the plan chooses, and the lock keeps them", Limit: "from 1024 to 65535, the first before the last", Example: `"20000-20199"`,
			Doc: "Pins the range of data ports. One that is too small for the site is refused."},
		{Name: "idle_timeout", Type: Duration, Least: 1, Most: day, Limit: "whole seconds", Example: `"900s"`,
			Otherwise: "the server's own, or 300s on the bundled daemon",
			Doc:       "How long a session may send no command. On most servers a PASV that no connection follows keeps its port for that time, which sizes the range."},
		{Name: "data_timeout", Type: Duration, Least: 1, Most: day, Limit: "whole seconds", Example: `"120s"`,
			Otherwise: "300s, or 60s on the bundled daemon",
			Doc:       "How long a transfer may carry no byte before the server aborts it."},
		{Name: "truncated_uploads", Type: Word, Words: words(RefuseTruncated, AcceptTruncated), Example: `"refuse"`,
			Otherwise: "the server's own way; the bundled daemon refuses them if TLS is required",
			Doc:       "What the server does with an upload under TLS whose data connection ends without close_notify, as if an attacker had truncated it."},
	},
	Blocks: []*Block{concurrencyBlock, trafficBlock, objectiveBlock, tlsBlock},
}

func (l *loader) decodeSite(raw *hcl.Block) {
	b := l.block(raw)
	s := &Site{Name: l.checkName(b, raw), Ranges: b.ranges}
	for _, kind := range l.o.Targets {
		if slices.Contains(kind.HostFiles, s.Name) {
			b.errAt(raw.LabelRanges[0], finding.ReservedName, `a site's files go to HOST/SITE/, and target %q writes the file HOST/%s. Rename the site.`, kind.Name, s.Name)
		}
	}
	b.decode(raw.Body, siteBlock)
	s.Host = l.siteHost(b)
	server := l.siteServer(b, s)
	s.Base = siteBase(b, raw.DefRange.Filename)
	s.Port = uint16(b.integer("port"))
	s.Addresses = siteAddresses(b, s.Host)
	s.Clients = siteClients(b, s)
	s.Announce, s.AnnounceName = l.siteAnnounce(b, s, server)
	s.AnnounceTo = siteAnnounceTo(b, s, server)
	s.IPv6ClientPrefix = b.integer("ipv6_client_prefix")
	l.siteForeign(b, s, server)
	s.IdleTimeout, s.DataTimeout = siteTimeouts(b, s, server)
	s.TLS = decodeTLS(b.in("tls"), s, server)
	s.ActiveMode = siteActive(b, s, server)
	s.TruncatedUploads = siteTruncated(b, s, server)
	s.MarkedSessions = s.TLS.Mode != TLSOff && s.TLS.Required && s.TLS.ReuseRequired
	checkScope(b, s)
	s.Sessions, s.SessionsPerAddress = decodeConcurrency(b.in("concurrency"))
	s.Traffic = decodeTraffic(b.in("traffic"), s.Sessions, s.SessionsPerAddress)
	s.Objective = decodeObjective(b.in("objective"), server)
	s.DataPorts = b.portRangeOf("data_ports")
	if *b.failed || s.Host == nil { // the host's own error has been reported
		if _, exists := l.sites[s.Name]; !exists {
			l.sites[s.Name] = nil
		}
		return
	}
	l.sites[s.Name] = s
	l.spec.Sites = append(l.spec.Sites, s)
}

// siteForeign reads whether data connections may come from other addresses than
// their control connection's, which a gate would refuse.
func (l *loader) siteForeign(b *block, s *Site, server sizing.Profile) {
	s.ForeignData = b.boolean("foreign_data")
	s.Gate = b.booleanOr("gate", !s.ForeignData)
	refuses := server.Strangers != sizing.StrangersServed
	others := quotedList(l.servers(func(p sizing.Profile) bool { return p.AdmitsForeign }))
	switch {
	case s.ForeignData && refuses && !server.AdmitsForeign:
		why := fmt.Sprintf(`pasvctl writes no config for %s, which refuses them unless it is told otherwise. Run %s there, or describe it in a profile block with strangers = "served".`, server.Title, others)
		if s.Profile != nil {
			why = fmt.Sprintf(`profile %q has strangers = %q. Write strangers = "served" if it admits data connections from any address.`, s.Server, server.Strangers)
		} else if server.WhyNotForeign != "" {
			why = server.WhyNotForeign + " Run " + others + " there."
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

// siteActive reads whether clients may ask for active mode.
func siteActive(b *block, s *Site, server sizing.Profile) bool {
	active := b.boolean("active_mode")
	switch {
	case !b.has("active_mode") || b.unconfigured("active_mode", s, server):
	case !active && server.AlwaysActive:
		b.err("active_mode", finding.ServerUnable, "%s has no setting that turns active mode off. Remove active_mode, or run another server there.", server.Title)
	case active && server.ActiveInClear && s.TLS.Required:
		b.err("active_mode", finding.ServerUnable, "%s opens no data connection under TLS in active mode, and the site requires TLS. Remove active_mode, or set required = false in its tls block.", server.Title)
	}
	return active
}

// unconfigured reports an argument that only a server's config heeds, of a server that
// pasvctl writes none for.
func (b *block) unconfigured(name string, s *Site, server sizing.Profile) bool {
	switch {
	case !b.has(name) || server.ActiveFrom != "":
		return false
	case s.Profile != nil:
		b.err(name, finding.ServerUnable, "profile %q describes a server that pasvctl writes no config for. Set this in the server's own, and remove %s.", s.Server, name)
	case server.Name != "": // else the server's own error has been reported
		b.err(name, finding.ServerUnable, "pasvctl writes no config for %s. Set this in the server's own, if it can, and remove %s.", s.Server, name)
	}
	return true
}

// siteHost returns nil where the host is unknown or has an error of its own.
func (l *loader) siteHost(b *block) *Host {
	if b.attrs["host"] == nil {
		b.missing("host", "Name the host that the site runs on"+l.likeHost()+".")
		return nil
	}
	name, ok := b.text("host")
	if !ok {
		return nil
	}
	host, declared := l.hosts[name]
	if !declared && len(l.broken) == 0 && !l.unread[name] && !l.unread[""] {
		b.err("host", finding.UnknownHost, "no host block is named %q.%s Name a host of the spec%s, or add a host block.", name, l.suggest(name, namesOf(l.hosts)), l.likeHost())
	}
	return host
}

// likeHost names a host of the spec as an example, if there is one.
func (l *loader) likeHost() string {
	if len(l.spec.Hosts) == 0 {
		return ""
	}
	return fmt.Sprintf(", like host = %q", l.spec.Hosts[0].Name)
}

func (l *loader) siteServer(b *block, s *Site) sizing.Profile {
	name, ok := b.text("server")
	if !ok {
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
		names := append(l.servers(anyServer), namesOf(l.profiles)...)
		meant := l.suggest(name, names)
		if titled := l.serverTitled(name); titled != "" {
			meant = fmt.Sprintf(" Write %q.", titled)
		}
		b.err("server", finding.UnknownServer, "no profile of a server %q is known.%s The known ones are %s. A profile block describes another.", name, meant, quotedList(names))
		return noServer
	}
	return l.o.Servers[at]
}

// serverTitled is the server whose name or title is text except for case, spaces
// and signs.
func (l *loader) serverTitled(text string) string {
	bare := func(s string) string { return notInName.ReplaceAllString(strings.ToLower(s), "") }
	for _, p := range l.o.Servers {
		if bare(text) == bare(p.Name) || bare(text) == bare(p.Title) {
			return p.Name
		}
	}
	return ""
}

// noServer has no trait that a check asks for.
var noServer = sizing.Profile{Strangers: sizing.StrangersServed}

// servers are the names of some of the known servers, in the order of Options.
func (l *loader) servers(that func(sizing.Profile) bool) (names []string) {
	for _, p := range l.o.Servers {
		if that(p) {
			names = append(names, p.Name)
		}
	}
	return names
}

func anyServer(sizing.Profile) bool { return true }

// siteAddresses returns some or all of the host's addresses, in its order.
func siteAddresses(b *block, host *Host) []netip.Addr {
	elements, given := b.list("addresses")
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
			b.errAt(e.at, finding.AddressNotOfHost, "%s is not an address of host %q, which has %s. Use one of these, or add it to the host.", addr, host.Name, Join(host.Addresses, ", "))
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

func siteClients(b *block, s *Site) []netip.Prefix {
	elements, given := b.list("clients")
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
			b.warn("clients", finding.UnreachableClients, "%s is the loopback network, from which no packet arrives at %s.", prefix, Join(s.Addresses, ", "))
		}
	}
	if !reachable {
		b.err("clients", finding.FamilyMismatch, "all clients are %s, but the site has only %s addresses (%s), so nobody could connect. Add a client network or an address of the other family.",
			familyName(!v4), familyName(v4), Join(s.Addresses, ", "))
	}
}
