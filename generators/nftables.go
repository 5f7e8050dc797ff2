package generators

import (
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
// sites. Maps lead from (address, port) to one of a few chains and to the
// site's id, which rides in the packet's priority from there on, because a
// constant cannot stand in a concatenation. A priority is for queueing at an
// output: nothing reads it between the input hook and a local socket.
//
// Only ranges of ports and of client addresses are in interval sets, and
// whatever else is in hashes: the kernel takes time that grows with the square
// of an interval set's size to replace its elements.
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
}

// Own tells whether the table is ours, with a base chain.
func (t *nftTable) Own() bool { return t.Chain == "" }

// Chains returns the names of all our chains but a base chain, prefix included.
// A chain's name says all that is in it, so that one which an older file left
// behind is never wrong, only without use.
func (t *nftTable) Chains() []string {
	var names []string
	for _, f := range t.Families {
		for _, g := range f.Gates {
			names = append(names, t.Prefix+"learn"+g.Name, t.Prefix+"gated"+g.Name)
		}
		names = append(names, t.Prefix+"open"+f.Suffix)
		for _, c := range f.Caps {
			names = append(names, t.Prefix+"control"+c.Name)
		}
	}
	names = append(names, t.Prefix+"allow", t.Prefix+"refuse")
	if !t.Own() {
		names = append(names, t.Entry)
	}
	return names
}

// nftFamily is IPv4 or IPv6 in a table. The elements of its sets and maps are
// as nft reads them.
type nftFamily struct {
	Suffix, Proto, Type string   // "4", "ip", "ipv4_addr"
	Control             []string // address . control port : the chain for new connections
	Learn               []string // address . control port : the chain that learns, of gated sites
	Site                []string // address . control port : site id
	Data                []string // address . data ports : site id
	Doors               []string // site id : the chain for new data connections
	Restricted          []string // ids of the sites that are not for everyone
	Clients             []string // site id . prefix, of those sites
	Gates               []nftGate
	Caps                []nftCap
	prefix              string // of the names of chains
}

// nftGate is what the gated sites that tell their clients apart alike share.
type nftGate struct {
	Name    string // ends the names of its chains: "4_120s", "6_64_120s"
	Client  string // the expression for a packet's client
	Timeout int    // seconds
}

// nftCap is what the sites that hold their clients to the same number of
// control connections share.
type nftCap struct {
	Name   string // ends the name of its chain: "4_50", "6_64_50"
	Client string
	Max    int
}

func newNFTTable(p *plan.Plan, h *plan.Host) *nftTable {
	t := &nftTable{Header: header(p, "#"), Family: "inet", Name: "pasvctl", Entry: "input", Interface: h.Interface}
	if into := h.Firewall; into != nil {
		t.Family, t.Name, t.Chain = into.Family, into.Table, into.Chain
		t.Prefix, t.Entry = "pasvctl_", "pasvctl"
	}
	if slices.ContainsFunc(h.Addresses, netip.Addr.Is4) {
		t.Families = append(t.Families, &nftFamily{prefix: t.Prefix, Suffix: "4", Proto: "ip", Type: "ipv4_addr"})
	}
	if slices.ContainsFunc(h.Addresses, netip.Addr.Is6) {
		t.Families = append(t.Families, &nftFamily{prefix: t.Prefix, Suffix: "6", Proto: "ip6", Type: "ipv6_addr"})
	}
	ids := siteIDs(h.Sites)
	for _, s := range h.Sites {
		t.Lines = append(t.Lines, siteLine(s))
		for _, f := range t.Families {
			f.addSite(s, ids[s])
		}
	}
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
	client, grain := f.client(s.Policy.ClientPrefix6)
	timeout := int(s.Policy.GateTimeout.Seconds())
	gate := nftGate{Name: fmt.Sprintf("%s_%ds", grain, timeout), Client: client, Timeout: timeout}
	limit := nftCap{Name: fmt.Sprintf("%s_%d", grain, s.Policy.MaxPerClient), Client: client, Max: s.Policy.MaxPerClient}
	if !slices.Contains(f.Caps, limit) {
		f.Caps = append(f.Caps, limit)
	}
	if s.Policy.Gate && !slices.Contains(f.Gates, gate) {
		f.Gates = append(f.Gates, gate)
	}
	comment := commentText(s.Name)
	for _, a := range addresses {
		control := fmt.Sprintf("%s . %d", a, s.Policy.Control)
		f.Control = append(f.Control, fmt.Sprintf("%s : goto %scontrol%s", control, f.prefix, limit.Name))
		f.Site = append(f.Site, fmt.Sprintf("%s comment %q : %s", control, comment, id))
		for _, data := range dataRanges(s) {
			f.Data = append(f.Data, fmt.Sprintf("%s . %s comment %q : %s", a, data, comment, id))
		}
		if s.Policy.Gate {
			f.Learn = append(f.Learn, fmt.Sprintf("%s : jump %slearn%s", control, f.prefix, gate.Name))
		}
	}
	door := "open" + f.Suffix
	if s.Policy.Gate {
		door = "gated" + gate.Name
	}
	f.Doors = append(f.Doors, id+" : goto "+f.prefix+door)
	if everyone(clients) {
		return
	}
	f.Restricted = append(f.Restricted, fmt.Sprintf("%s comment %q", id, comment))
	for _, c := range clients {
		f.Clients = append(f.Clients, id+" . "+c.String())
	}
}

// client is the expression for the client of a packet, where the first bits of
// an IPv6 address are one client, and a name for it.
func (f *nftFamily) client(bits int) (expression, name string) {
	if f.Suffix == "4" {
		return "ip saddr", "4"
	}
	name = fmt.Sprintf("6_%d", bits)
	if bits >= 128 {
		return "ip6 saddr", name
	}
	mask, _ := netip.AddrFrom16([16]byte(slices.Repeat([]byte{0xff}, 16))).Prefix(bits)
	return "ip6 saddr & " + mask.Addr().String(), name
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
