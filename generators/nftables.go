package generators

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "nftables", Default: true, New: func() Target { return &nftables{} }})
}

// nftables renders each host's firewall policy, and each gateway's DNAT, as a
// file for `nft -f`: atomic, repeatable, and it keeps what the kernel has
// learnt since the last load.
//
// A site has chains, sets and counters of its own, named after it. One verdict
// map for each address family leads from (address, port) to its chains, so the
// number of rules that a packet meets does not grow with the number of sites.
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
	Family, Name string
	Chain        string   // of the owner, to be jumped to from; "" in a table of our own
	Prefix       string   // of the names of our chains and sets
	Entry        string   // the chain where packets enter
	Output       string   // of the owner, for outgoing packets; "" where no site has active mode, or none drops
	Active       []string // rules that let active data connections out
	Interface    string   // "" is any
	Families     []*nftFamily
	Sites        []*nftSite
}

// Own reports whether the table is ours, with a base chain.
func (t *nftTable) Own() bool { return t.Chain == "" }

// Gated reports whether any site has a gate.
func (t *nftTable) Gated() bool {
	return slices.ContainsFunc(t.Sites, func(s *nftSite) bool { return s.Gate })
}

// Chains returns the names of our chains that have to be emptied one by one:
// none in a table of our own.
func (t *nftTable) Chains() []string {
	if t.Own() {
		return nil
	}
	names := []string{t.Entry, t.Prefix + "pass"}
	if t.Output != "" {
		names = append(names, t.Prefix+"output")
	}
	for _, s := range t.Sites {
		names = append(names, s.Name+"_control", s.Name+"_data")
		if s.Gate {
			names = append(names, s.Name+"_learn")
		}
	}
	return names
}

// nftFamily is IPv4 or IPv6 in a table.
type nftFamily struct {
	Suffix, Proto, Type string   // "4", "ip", "ipv4_addr"
	Ports               []string // elements of the verdict map
}

type nftSite struct {
	// Name starts the names of the site's chains and sets. The names of sites
	// have no underscore and every ending has one, so no two sites share a
	// chain and no chain has a word of nft's for its name; they have at most
	// 24 characters (package spec), and nft takes 255.
	Name     string
	Line     string // of the comment above its chains
	Gate     bool
	Timeout  string // of the gate, as nft reads it
	Max      int    // control connections of a client
	Families []nftSiteFamily
}

// nftSiteFamily is a site's part in an address family that it has addresses of.
type nftSiteFamily struct {
	*nftFamily
	Client  string         // the expression for a packet's client
	Outside string         // matches packets from outside the site's clients; "" if nobody is
	Clients []netip.Prefix // elements of a set, which Outside needs if they are several
}

func newNFTTable(p *plan.Plan, h *plan.Host) *nftTable {
	t := &nftTable{Header: header(p, "#"), Family: "inet", Name: "pasvctl", Entry: "input", Interface: h.Interface}
	if into := h.Firewall; into != nil {
		t.Family, t.Name, t.Chain = into.Family, into.Table, into.Chain
		t.Prefix, t.Entry = "pasvctl_", "pasvctl"
	}
	four := &nftFamily{Suffix: "4", Proto: "ip", Type: "ipv4_addr"}
	six := &nftFamily{Suffix: "6", Proto: "ip6", Type: "ipv6_addr"}
	for _, s := range h.Sites {
		site := &nftSite{
			Name: t.Prefix + s.Name, Line: siteLine(s), Gate: s.Policy.Gate, Max: s.Policy.MaxPerClient,
			Timeout: fmt.Sprintf("%ds", int(s.Policy.GateTimeout.Seconds())),
		}
		site.add(four, s.Policy.Addresses4, s.Policy.Clients4, "ip saddr", s)
		t.active(s, site.Name, "4", "ip", s.Policy.Addresses4, s.Policy.Clients4)
		t.active(s, site.Name, "6", "ip6", s.Policy.Addresses6, s.Policy.Clients6)
		site.add(six, s.Policy.Addresses6, s.Policy.Clients6, client6(s.Policy.ClientPrefix6), s)
		t.Sites = append(t.Sites, site)
	}
	if h.Output != nil && len(t.Active) > 0 {
		t.Output = h.Output.Chain
	}
	for _, f := range []*nftFamily{four, six} {
		if len(f.Ports) > 0 {
			t.Families = append(t.Families, f)
		}
	}
	return t
}

// active adds the rule for a site's active data connections of a family.
func (t *nftTable) active(s *plan.Site, name, suffix, proto string, addresses []netip.Addr, clients []netip.Prefix) {
	if s.Policy.Active.Count() == 0 || len(addresses) == 0 || len(clients) == 0 {
		return
	}
	rule := proto + " saddr " + addressSet(addresses)
	switch {
	case everyone(clients):
	case len(clients) == 1:
		rule += fmt.Sprintf(" %s daddr %s", proto, clients[0])
	default:
		rule += fmt.Sprintf(" %s daddr @%s_clients%s", proto, name, suffix)
	}
	t.Active = append(t.Active, fmt.Sprintf("%s tcp sport %s tcp dport %s", rule, s.Policy.Active, plan.ActiveTo))
}

// addressSet writes one address, or several as a set.
func addressSet(addresses []netip.Addr) string {
	if len(addresses) == 1 {
		return addresses[0].String()
	}
	return "{ " + spec.Join(addresses, ", ") + " }"
}

func (site *nftSite) add(f *nftFamily, addresses []netip.Addr, clients []netip.Prefix, client string, s *plan.Site) {
	if len(addresses) == 0 {
		return
	}
	for _, a := range addresses {
		f.Ports = append(f.Ports, fmt.Sprintf("%d . %s : goto %s_control", s.Policy.Control, a, site.Name))
		for _, data := range dataRanges(s) {
			f.Ports = append(f.Ports, fmt.Sprintf("%s . %s : goto %s_data", data, a, site.Name))
		}
	}
	in := nftSiteFamily{nftFamily: f, Client: client}
	switch {
	case everyone(clients):
	case len(clients) == 0:
		in.Outside = "meta nfproto ipv" + f.Suffix
	case len(clients) == 1:
		in.Outside = fmt.Sprintf("%s saddr != %s", f.Proto, clients[0])
	default:
		in.Clients = clients
		in.Outside = fmt.Sprintf("%s saddr != @%s_clients%s", f.Proto, site.Name, f.Suffix)
	}
	site.Families = append(site.Families, in)
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
