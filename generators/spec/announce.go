package spec

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Announcement is the address that the 227 reply names to clients of a network.
type Announcement struct {
	Clients netip.Prefix
	Address netip.Addr
}

const maxAnnouncements = 64

// siteAnnounceTo reads the addresses by client network, the smallest network
// first, so that the first that has a client is the one for it.
func siteAnnounceTo(b *block, s *Site, server sizing.Profile) []Announcement {
	val, ok := b.value("announce_to")
	if !ok || val.LengthInt() == 0 {
		return nil
	}
	if !server.AnnouncesByClient {
		b.err("announce_to", finding.ServerUnable, "%s announces one address to all clients. Let these clients use EPSV, which names none, or give them a site of their own with its own announce.", s.Server)
		return nil
	}
	if val.LengthInt() > maxAnnouncements {
		b.err("announce_to", finding.ValueOutOfRange, "announce_to has %d networks, more than %d. Merge some of them.", val.LengthInt(), maxAnnouncements)
		return nil
	}
	at := b.ranges["announce_to"]
	var all []Announcement
	for it := val.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if value.IsNull() {
			b.err("announce_to", finding.WrongType, "announce_to has no address for %q. Write one, or remove it.", key.AsString())
			continue
		}
		clients, ok := b.prefix("announce_to", element{text: key.AsString(), at: at})
		addr, valid := b.address("announce_to", value.AsString(), at)
		switch {
		case !ok || !valid:
		case !clients.Addr().Is4() || !addr.Is4():
			b.err("announce_to", finding.AnnounceInvalid, "the 227 reply is for IPv4 only, and %s = %s is not. Remove it; IPv6 clients use EPSV, which names no address.", clients, addr)
		case addr.IsLoopback() && !clients.Addr().IsLoopback() || addr.IsLinkLocalUnicast() && !clients.Addr().IsLinkLocalUnicast():
			b.err("announce_to", finding.AnnounceInvalid, "no client in %s reaches the site by %s, which does not leave a machine or its link. Write the address that they connect to.", clients, addr)
		case slices.ContainsFunc(all, func(a Announcement) bool { return a.Clients == clients }):
			b.err("announce_to", finding.DuplicateElement, "%s is in announce_to twice. Remove one of them.", clients)
		default:
			all = append(all, Announcement{clients, addr})
		}
	}
	slices.SortFunc(all, func(x, y Announcement) int {
		return cmp.Or(cmp.Compare(y.Clients.Bits(), x.Clients.Bits()), x.Clients.Addr().Compare(y.Clients.Addr()))
	})
	return all
}

// siteAnnounce reads the address for the 227 reply, which has room for IPv4
// only (RFC 959, section 4.1.2); EPSV's 229 names no address (RFC 2428).
func (l *loader) siteAnnounce(b *block, s *Site, server sizing.Profile) (addr netip.Addr, name string) {
	text, ok := b.text("announce")
	if ok && HostName(text) {
		if server.AnnouncesName {
			return netip.Addr{}, text
		}
		able := l.servers(func(p sizing.Profile) bool { return p.AnnouncesName })
		b.err("announce", finding.ServerUnable, "%s does not resolve a host name for its reply. Write its IPv4 address, or run %s there.", s.Server, quotedList(able))
		return netip.Addr{}, ""
	}
	if !ok {
		return netip.Addr{}, ""
	}
	if addr, ok = b.address("announce", text, b.ranges["announce"]); !ok {
		return netip.Addr{}, ""
	}
	return announced(b, s, addr), ""
}

// HostName reports whether a text is a name of DNS with a dot in it (RFC 1123
// section 2.1): no address ends in a letter.
func HostName(text string) bool {
	return len(text) <= 253 && dottedName.MatchString(text)
}

var dottedName = regexp.MustCompile(`^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

// announced checks an announced address; zero if it is wrong.
func announced(b *block, s *Site, addr netip.Addr) netip.Addr {
	v4, _ := families(s.Addresses)
	switch {
	case !addr.Is4():
		b.err("announce", finding.AnnounceInvalid, "announce is %s, but the 227 reply can only carry an IPv4 address; IPv6 clients use EPSV, which names none. Write the IPv4 address that clients reach the site by, or remove announce.", addr)
		return netip.Addr{}
	case addr.IsLinkLocalUnicast():
		b.err("announce", finding.AnnounceInvalid, "%s is a link-local address, which clients elsewhere cannot reach. Write the address that clients connect to.", addr)
		return netip.Addr{}
	case addr.IsLoopback() && !s.onLoopback() && s.Host != nil:
		b.err("announce", finding.AnnounceInvalid, "%s is a loopback address: clients would connect to themselves. Write the address that clients connect to.", addr)
		return netip.Addr{}
	case s.Host != nil && len(s.Addresses) > 0 && !v4:
		b.warn("announce", finding.NoEffect, "the site has no IPv4 address, so no 227 reply is ever sent. Leave announce out.")
	}
	return addr
}

// onLoopback reports whether an announced loopback address leads clients to the
// site: it listens on loopback, or all its clients are there.
func (s *Site) onLoopback() bool {
	far := func(p netip.Prefix) bool { return !p.Addr().IsLoopback() }
	return slices.ContainsFunc(s.Addresses, netip.Addr.IsLoopback) || len(s.Clients) > 0 && !slices.ContainsFunc(s.Clients, far)
}
