package spec

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// address parses one IP address; what is wrong with it is reported.
func (b *block) address(attr, text string, at hcl.Range) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil && strings.Contains(text, "/"):
		alone, _, _ := strings.Cut(text, "/")
		b.errAt(at, finding.InvalidAddress, "%q in %s is a network, and a single address is needed. Write %q.", text, b.key(attr), alone)
	case err != nil && withPort(text).IsValid():
		b.errAt(at, finding.InvalidAddress, "%q in %s has a port. Write %q.", text, b.key(attr), withPort(text).String())
	case err != nil && attr == "announce":
		b.errAt(at, finding.InvalidAddress, "%q in %s is neither an IP address nor a whole host name. Write it like \"203.0.113.10\" or \"ftp.example.com\".", text, b.key(attr))
	case err != nil:
		b.errAt(at, finding.InvalidAddress, "%q in %s is not an IP address. Write it like \"203.0.113.10\" or \"2001:db8::10\"; host names are not resolved.", text, b.key(attr))
	case addr.Zone() != "":
		b.errAt(at, finding.InvalidAddress, "%q in %s has a zone, which firewall rules cannot match. Write %q and name the interface instead.", text, b.key(attr), addr.WithZone("").String())
	case addr.Is4In6():
		b.errAt(at, finding.InvalidAddress, "%q in %s never appears in an IPv6 packet. Write %q.", text, b.key(attr), addr.Unmap().String())
	case addr.IsUnspecified():
		b.errAt(at, finding.InvalidAddress, "%q in %s means every address. Write the addresses themselves, because rules and port ranges are kept apart by address.", text, b.key(attr))
	case addr.IsMulticast():
		b.errAt(at, finding.InvalidAddress, "%q in %s is a multicast address, which no TCP connection can have.", text, b.key(attr))
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		b.errAt(at, finding.InvalidAddress, "%q in %s is the broadcast address, which no TCP connection can have.", text, b.key(attr))
	case unroutable(addr).IsValid():
		b.errAt(at, finding.InvalidAddress, "%q in %s is in %s, whose packets no router forwards (RFC 6890, section 2.2.2). Write an address that a machine can be reached by.", text, b.key(attr), unroutable(addr))
	default:
		return addr, true
	}
	return netip.Addr{}, false
}

// withPort is the address of ADDRESS:PORT; the zero value if text is no such.
func withPort(text string) netip.Addr {
	both, _ := netip.ParseAddrPort(text)
	return both.Addr()
}

// Possible reports whether an address may be in a spec: one that a TCP
// connection can have, without a zone.
func Possible(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !unroutable(a).IsValid()
}

// unroutable returns the network addr is in whose packets no router forwards
// (RFC 6890, section 2.2.2); the zero value is none. Loopback and link-local
// addresses are not among them: a site may listen there.
func unroutable(addr netip.Addr) netip.Prefix {
	for _, p := range []netip.Prefix{
		netip.PrefixFrom(netip.IPv4Unspecified(), 8),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{240}), 4),
	} {
		if p.Contains(addr) {
			return p
		}
	}
	return netip.Prefix{}
}

// addresses parses a list of addresses and refuses duplicates.
func (b *block) addresses(attr string, elements []element) []netip.Addr {
	return distinct(b, attr, elements, func(e element) (netip.Addr, bool) { return b.address(attr, e.text, e.at) })
}

// distinct parses the elements of a list and refuses duplicates.
func distinct[T interface {
	comparable
	fmt.Stringer
}](b *block, attr string, elements []element, parse func(element) (T, bool)) (all []T) {
	seen := map[T]bool{}
	for _, e := range elements {
		value, ok := parse(e)
		if !ok {
			continue
		}
		if seen[value] {
			b.errAt(e.at, finding.DuplicateElement, "%s is in %s twice. Remove one of them.", value, b.key(attr))
			continue
		}
		seen[value] = true
		all = append(all, value)
	}
	return all
}

// prefix parses one client prefix; an address alone stands for itself.
func (b *block) prefix(attr string, e element) (netip.Prefix, bool) {
	if !strings.Contains(e.text, "/") {
		return b.singleClient(attr, e)
	}
	prefix, err := netip.ParsePrefix(e.text)
	switch {
	case err != nil:
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s is not a network. Write %s.", e.text, b.key(attr), networkRemedy(e.text))
	case prefix.Addr().Is4In6():
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s never matches an IPv6 packet. Write the IPv4 network.", e.text, b.key(attr))
	case prefix != prefix.Masked():
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s has bits set behind its prefix. Write %q for the network, or %q for the one address.",
			e.text, b.key(attr), prefix.Masked().String(), prefix.Addr().String())
	case prefix.Addr().IsMulticast():
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s is a multicast network, from which no packet comes.", e.text, b.key(attr))
	case prefix.Addr().IsUnspecified() && prefix.IsSingleIP():
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s is no client's address. Write %q for everyone.", e.text, b.key(attr), prefix.Addr().String()+"/0")
	default:
		return prefix, true
	}
	return netip.Prefix{}, false
}

var masked = regexp.MustCompile(`^([\d.]+)[\s/]+(\d+\.\d+\.\d+\.\d+)$`)

// networkRemedy writes a network with a netmask, a wildcard mask or a prefix
// that is too long as a spec does; else it gives examples.
func networkRemedy(text string) string {
	if m := masked.FindStringSubmatch(text); m != nil {
		addr, _ := netip.ParseAddr(m[1])
		mask, _ := netip.ParseAddr(m[2])
		if n := maskLength(mask); addr.Is4() && n >= 0 {
			return strconv.Quote(netip.PrefixFrom(addr, n).Masked().String())
		}
	}
	alone, _, _ := strings.Cut(text, "/")
	if addr, err := netip.ParseAddr(alone); err == nil && addr.Zone() == "" {
		if addr.Is4() {
			return fmt.Sprintf("a length from 0 to 32 after the slash, like %q", netip.PrefixFrom(addr, 24).Masked())
		}
		return fmt.Sprintf("a length from 0 to 128 after the slash, like %q", netip.PrefixFrom(addr, 64).Masked())
	}
	return `it like "192.0.2.0/24", "2001:db8::/32" or "192.0.2.7"`
}

// maskLength is the prefix length of a netmask, 255.0.0.0, or of a wildcard
// mask, 0.255.255.255; -1 if it is neither.
func maskLength(mask netip.Addr) int {
	if !mask.Is4() {
		return -1
	}
	four := mask.As4()
	m := binary.BigEndian.Uint32(four[:])
	if m>>31 == 0 {
		m = ^m
	}
	n := bits.LeadingZeros32(^m)
	if m<<n != 0 {
		return -1
	}
	return n
}

// singleClient parses a client's address as a prefix of its full length.
func (b *block) singleClient(attr string, e element) (netip.Prefix, bool) {
	addr, err := netip.ParseAddr(e.text)
	switch {
	case err != nil:
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s is neither a network nor an address. Write %s; for everyone, leave %s out.", e.text, b.key(attr), networkRemedy(e.text), attr)
		return netip.Prefix{}, false
	case addr.IsUnspecified():
		b.errAt(e.at, finding.InvalidNetwork, "%q in %s is no client's address. Write %q for everyone.", e.text, b.key(attr), e.text+"/0")
		return netip.Prefix{}, false
	}
	addr, ok := b.address(attr, e.text, e.at)
	return netip.PrefixFrom(addr, addr.BitLen()), ok
}

// prefixes parses a list of client prefixes and refuses duplicates. One that
// another covers may stand: lists are joined from several sources.
func (b *block) prefixes(attr string, elements []element) []netip.Prefix {
	return distinct(b, attr, elements, func(e element) (netip.Prefix, bool) { return b.prefix(attr, e) })
}

// families tells which IP versions are among addrs.
func families(addrs []netip.Addr) (v4, v6 bool) {
	for _, addr := range addrs {
		v4 = v4 || addr.Is4()
		v6 = v6 || addr.Is6()
	}
	return v4, v6
}

// Join writes values with a separator between them.
func Join[T fmt.Stringer](all []T, separator string) string {
	texts := make([]string, len(all))
	for i, value := range all {
		texts[i] = value.String()
	}
	return strings.Join(texts, separator)
}

// Grouped puts together what has the same key, in the order of the first of each.
func Grouped[T any, K comparable](all []T, key func(T) K) (groups [][]T) {
	index := map[K]int{}
	for _, one := range all {
		k := key(one)
		i, known := index[k]
		if !known {
			i = len(groups)
			index[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], one)
	}
	return groups
}

func familyName(v4 bool) string {
	if v4 {
		return "IPv4"
	}
	return "IPv6"
}

var everyone = []netip.Prefix{
	netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	netip.PrefixFrom(netip.IPv6Unspecified(), 0),
}

// sortedRange writes a reversed range the right way round.
func sortedRange(a, b int) string { return fmt.Sprintf("%d-%d", min(a, b), max(a, b)) }
