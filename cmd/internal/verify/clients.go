package verify

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// lane is a site in one address family, with the clients that try it.
type lane struct {
	site      *plan.Site
	addresses []netip.Addr
	ports     []uint16 // data ports that are tried

	// Zero where the site's clients have no room for one.
	client   netip.Addr // has control connections
	twin     netip.Addr // the last address that counts as the same client
	stranger netip.Addr // a client that never has one, the nearest to client
	ghost    netip.Addr // a client that no host of the world is

	inside  []netip.Addr // first and last addresses of the clients' prefixes
	outside []netip.Addr // their neighbours beyond
}

const (
	// maxEdges bounds the prefixes of a site whose edges are tried.
	maxEdges = 16
	// maxAddresses bounds the addresses of a site that are tried.
	maxAddresses = 8
	// randomPorts are tried in each range beside the first and the last port.
	randomPorts = 2
)

// casting hands out addresses of the world, each to one client of one site as
// far as there are enough.
type casting struct {
	reserved []netip.Addr // of hosts and gateways
	taken    []netip.Prefix
	next     map[place]int
}

type place struct {
	within netip.Prefix
	bits   int
}

// lanes casts the clients for a host's sites, the sites of each family in turn.
func (c *casting) lanes(sites []*plan.Site) (all []*lane) {
	for _, v6 := range []bool{false, true} {
		for _, s := range sites {
			if len(addressesOf(s, v6)) > 0 {
				all = append(all, c.lane(s, v6))
			}
		}
	}
	return all
}

func (c *casting) lane(s *plan.Site, v6 bool) *lane {
	l := &lane{site: s, addresses: addressesOf(s, v6), ports: tried(s)}
	l.addresses = l.addresses[:min(len(l.addresses), maxAddresses)]
	bits := 32
	if v6 {
		bits = s.Policy.ClientPrefix6
	}
	clients := clientsOf(s, v6)
	// Where there is room, client and stranger are neighbours.
	roomy := slices.Clone(clients)
	slices.SortStableFunc(roomy, func(a, b netip.Prefix) int {
		return cmp.Compare(min(2, bits-b.Bits()), min(2, bits-a.Bits()))
	})
	var roles []netip.Prefix
	for _, role := range []*netip.Addr{&l.client, &l.stranger, &l.ghost} {
		p, ok := c.pick(roomy, bits, roles)
		if !ok {
			break
		}
		roles = append(roles, p)
		*role = c.within(p)
	}
	if len(roles) > 0 {
		if last := netipx.PrefixLastIP(roles[0]); last != l.client && c.usable(last) {
			l.twin = last
		}
	}
	for _, p := range clients[:min(len(clients), maxEdges)] {
		r := netipx.RangeOfPrefix(p)
		for _, a := range []netip.Addr{r.From(), r.To()} {
			if c.usable(a) && !slices.Contains(l.inside, a) {
				l.inside = append(l.inside, a)
			}
		}
		for _, a := range []netip.Addr{r.From().Prev(), r.To().Next()} {
			if c.usable(a) && !isClient(s, a) && !slices.Contains(l.outside, a) {
				l.outside = append(l.outside, a)
			}
		}
	}
	if stranger := farAway(v6); !isClient(s, stranger) && c.usable(stranger) {
		l.outside = append(l.outside, stranger)
	}
	return l
}

// farAway is an address that few sites have among their clients: of the
// documentation prefixes (RFC 5737, RFC 3849).
func farAway(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8:dead::66")
	}
	return netip.MustParseAddr("198.51.100.166")
}

// Clients of a site that is for everyone come from here: the range for
// benchmarks of networks (RFC 2544), and documentation.
var anywhere = []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:db8:8000::/33")}

// pick finds a client, a prefix of so many bits, that is none of the others of
// its site, and nobody else's where there is a choice.
func (c *casting) pick(clients []netip.Prefix, bits int, others []netip.Prefix) (netip.Prefix, bool) {
	for _, share := range []bool{false, true} {
		for _, p := range clients {
			for _, a := range anywhere {
				if p.Bits() <= a.Bits() && p.Overlaps(a) && bits > a.Bits() {
					p = a
				}
			}
			at := place{p, bits}
			from := c.next[at]
			switch {
			case share:
				from = 0
			case len(others) == 0:
				from += from % 2 // so that the next client is its neighbour
			}
			for i := from; i < from+8; i++ {
				candidate, ok := nth(p, bits, i)
				if !ok {
					break
				}
				if overlaps(others, candidate) || !share && overlaps(c.taken, candidate) || !c.usable(c.within(candidate)) {
					continue
				}
				c.taken, c.next[at] = append(c.taken, candidate), i+1
				return candidate, true
			}
		}
	}
	return netip.Prefix{}, false
}

func overlaps(all []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(all, p.Overlaps)
}

// nth is the i-th prefix of so many bits in p; a p that is longer is its own
// only one.
func nth(p netip.Prefix, bits, i int) (netip.Prefix, bool) {
	if bits <= p.Bits() {
		return p, i == 0
	}
	if free := bits - p.Bits(); free < 31 && i >= 1<<free {
		return netip.Prefix{}, false
	}
	raw := p.Masked().Addr().AsSlice()
	for bit := bits - 1; i > 0; bit, i = bit-1, i>>1 {
		if i&1 == 1 {
			raw[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(a, bits), true
}

// within is an address of a client: its first, or the first one that may be
// anybody's.
func (c *casting) within(p netip.Prefix) netip.Addr {
	a := p.Addr()
	if !c.usable(a) {
		for _, other := range anywhere {
			if p.Contains(other.Addr()) {
				return other.Addr().Next()
			}
		}
	}
	return a
}

// usable reports whether a host of the outside world can have the address.
func (c *casting) usable(a netip.Addr) bool {
	return packets.Outside(a) && !slices.Contains(c.reserved, a)
}

// tried are the data ports of a site that are tried: the first, the last, and
// some between that are the same in every run.
func tried(s *plan.Site) (ports []uint16) {
	h := fnv.New64a()
	h.Write([]byte(s.Name))
	random := rand.New(rand.NewPCG(h.Sum64(), 0))
	for _, data := range ranges(s) {
		some := []uint16{data.First, data.Last}
		for range randomPorts {
			some = append(some, data.First+uint16(random.IntN(data.Count())))
		}
		slices.Sort(some)
		ports = append(ports, slices.Compact(some)...)
	}
	return ports
}

// everybody lists the addresses of the world that lanes need.
func everybody(lanes []*lane) []netip.Addr {
	var all []netip.Addr
	known := map[netip.Addr]bool{}
	for _, l := range lanes {
		for _, a := range slices.Concat([]netip.Addr{l.client, l.twin, l.stranger}, l.inside, l.outside) {
			if a.IsValid() && !known[a] {
				known[a] = true
				all = append(all, a)
			}
		}
	}
	return all
}
