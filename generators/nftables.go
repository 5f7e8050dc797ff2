package generators

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "nftables", Default: true, New: func() Target { return &nftables{} }})
}

// nftables renders each host's firewall policy, and each gateway's DNAT, as a
// file for `nft -f`: atomic, repeatable, and gentle to what the kernel has
// learnt since the last load.
//
// The number of rules that a packet meets does not grow with the number of
// sites. A verdict map leads from (address, port) to one of a few chains; a
// second map gives the site's id, which rides in the packet's priority from
// there on, because a constant cannot stand in a concatenation. A priority is
// for queueing at an output: nothing reads it between the input hook and a
// local socket.
type nftables struct{}

func (nftables) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	add := func(path, template string, data any) {
		files = append(files, render(path, "nftables/"+template, data))
	}
	for _, h := range p.Hosts {
		table := newNFTTable(p, h)
		add(h.Name+"/nftables.nft", "nftables.nft.tmpl", table)
		if !table.Own() {
			add(h.Name+"/nftables.jump.nft", "nftables.jump.nft.tmpl", table)
		}
	}
	for _, g := range p.Gateways {
		add(g.Name+"/nftables.nft", "gateway.nft.tmpl", newGatewayView(p, g))
	}
	return files, nil
}

// nftTable is what the template of a host's file lays out: the table that
// holds our chains and sets, our own or the owner's.
type nftTable struct {
	Header       string
	Lines        []string // of the header, one a site
	Family, Name string
	Chain        string // of the owner, to be jumped to from; "" in a table of our own
	Prefix       string // of the names of our chains and sets
	Entry        string // the chain where packets enter
	Interface    string // "" is any
	Families     []*nftFamily
	Caps         []nftCap
	Sites        []nftElement // site id : the chain of its cap
}

// Own tells whether the table is ours, with a base chain.
func (t *nftTable) Own() bool { return t.Chain == "" }

// Chains returns the names of all our chains but a base chain, prefix included.
func (t *nftTable) Chains() []string {
	var names []string
	for _, f := range t.Families {
		for _, g := range f.Grains {
			names = append(names, "learn"+g.Name, "gated"+g.Name)
		}
		names = append(names, "open"+f.Suffix, "control"+f.Suffix)
	}
	for _, c := range t.Caps {
		names = append(names, c.Name)
	}
	names = append(names, "allow", "refuse")
	for i := range names {
		names[i] = t.Prefix + names[i]
	}
	if !t.Own() {
		names = append(names, t.Entry)
	}
	return names
}

// nftFamily is IPv4 or IPv6 in a table.
type nftFamily struct {
	Suffix, Proto, Type string        // "4", "ip", "ipv4_addr"
	Ports               []nftElement  // address . port : the chain for new connections
	Site                []nftElement  // address . port : site id
	Gates               []nftElement  // address . control port : the chain that learns
	Clients             []nftElement  // site id . prefix
	Grains              []clientGrain // the ways in which the sites here tell clients apart
}

type nftElement struct{ Key, Value, Comment string }

// clientGrain is what counts as one client: an address, or a prefix of it.
type clientGrain struct {
	Name    string // ends the names of its chains: "4_120s", "6_64_120s"
	Key     string // the expression that gives a packet's client
	Timeout int    // of the gate, seconds
}

// nftCap is a chain that holds clients to at most Max control connections.
type nftCap struct {
	Name string
	Max  int
	Keys []string // by family, in the order of nftTable.Families
}

func newNFTTable(p *plan.Plan, h *plan.Host) *nftTable {
	t := &nftTable{Header: header(p, "#"), Family: "inet", Name: "pasvctl", Entry: "input", Interface: h.Interface}
	if into := h.Firewall; into != nil {
		t.Family, t.Name, t.Chain = into.Family, into.Table, into.Chain
		t.Prefix, t.Entry = "pasvctl_", "pasvctl"
	}
	if slices.ContainsFunc(h.Addresses, netip.Addr.Is4) {
		t.Families = append(t.Families, &nftFamily{Suffix: "4", Proto: "ip", Type: "ipv4_addr"})
	}
	if slices.ContainsFunc(h.Addresses, netip.Addr.Is6) {
		t.Families = append(t.Families, &nftFamily{Suffix: "6", Proto: "ip6", Type: "ipv6_addr"})
	}
	ids := siteIDs(h.Sites)
	for _, s := range h.Sites {
		t.Lines = append(t.Lines, siteLine(s))
		for _, f := range t.Families {
			f.addSite(s, ids[s])
		}
		t.addCap(s, ids[s])
	}
	slices.SortFunc(t.Caps, func(a, b nftCap) int { return cmp.Compare(a.Name, b.Name) })
	return t
}

func (f *nftFamily) addSite(s *plan.Site, id string) {
	addresses, clients := s.Policy.Addresses4, s.Policy.Clients4
	if f.Suffix == "6" {
		addresses, clients = s.Policy.Addresses6, s.Policy.Clients6
	}
	if len(addresses) == 0 {
		return
	}
	grain := f.grain(s.Policy)
	data := "open" + f.Suffix
	if s.Policy.Gate {
		data = "gated" + grain.Name
	}
	comment := commentText(s.Name)
	for _, a := range addresses {
		control := fmt.Sprintf("%s . %d", a, s.Policy.Control)
		ports := fmt.Sprintf("%s . %s", a, s.Policy.Data)
		f.Ports = append(f.Ports, nftElement{Key: control, Value: "control" + f.Suffix}, nftElement{Key: ports, Value: data})
		f.Site = append(f.Site, nftElement{Key: control, Value: id, Comment: comment}, nftElement{Key: ports, Value: id, Comment: comment})
		if s.Policy.Gate {
			f.Gates = append(f.Gates, nftElement{Key: control, Value: "learn" + grain.Name})
		}
	}
	for _, c := range clients {
		f.Clients = append(f.Clients, nftElement{Key: id + " . " + c.String()})
	}
	if s.Policy.Gate && !slices.Contains(f.Grains, grain) {
		f.Grains = append(f.Grains, grain)
	}
}

// grain says how the family tells the clients of a site apart.
func (f *nftFamily) grain(p plan.Policy) clientGrain {
	seconds := int(p.GateTimeout.Seconds())
	if f.Suffix == "4" {
		return clientGrain{Name: fmt.Sprintf("4_%ds", seconds), Key: "ip saddr", Timeout: seconds}
	}
	return clientGrain{Name: fmt.Sprintf("6_%d_%ds", p.ClientPrefix6, seconds), Key: client6(p.ClientPrefix6), Timeout: seconds}
}

// client6 is the expression for the client of an IPv6 packet, where the first
// bits of an address are one client.
func client6(bits int) string {
	if bits >= 128 {
		return "ip6 saddr"
	}
	mask, _ := netip.AddrFrom16([16]byte(slices.Repeat([]byte{0xff}, 16))).Prefix(bits)
	return "ip6 saddr & " + mask.Addr().String()
}

// addCap gives the site's id the chain that has its cap. A chain's name says
// all that is in it, so a chain that an older file left behind is never wrong.
func (t *nftTable) addCap(s *plan.Site, id string) {
	c := nftCap{Name: fmt.Sprintf("cap_%d", s.Policy.MaxPerClient), Max: s.Policy.MaxPerClient}
	for _, f := range t.Families {
		key := "ip saddr"
		if f.Suffix == "6" {
			key = client6(s.Policy.ClientPrefix6)
			c.Name = fmt.Sprintf("cap_%d_%d", s.Policy.MaxPerClient, s.Policy.ClientPrefix6)
		}
		c.Keys = append(c.Keys, key)
	}
	t.Sites = append(t.Sites, nftElement{Key: id, Value: c.Name})
	if !slices.ContainsFunc(t.Caps, func(o nftCap) bool { return o.Name == c.Name }) {
		t.Caps = append(t.Caps, c)
	}
}

// siteIDs gives each site of a host a 32-bit id in nft's way of writing a
// classid. Learnt members of the sets go by it, so it must not depend on the
// other sites: one that is added or removed must not hand its clients to a
// neighbour. It does depend on the site's cap, because a set element keeps the
// limit that it was made with: under a new id the new cap counts at once.
func siteIDs(sites []*plan.Site) map[*plan.Site]string {
	ids := make(map[*plan.Site]string, len(sites))
	taken := map[uint32]bool{0: true, 0xffffffff: true} // nft writes these as "none" and "root"
	for _, s := range sites {
		h := fnv.New32a()
		fmt.Fprintf(h, "%s %d", s.Name, s.Policy.MaxPerClient)
		id := h.Sum32()
		for taken[id] {
			id++
		}
		taken[id] = true
		ids[s] = fmt.Sprintf("%x:%x", id>>16, id&0xffff)
	}
	return ids
}
