package generators

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "iptables", Default: true, HostFiles: []string{"ipset"}, New: func() Target { return &iptables{} }})
}

// iptables renders each host's firewall policy for iptables-restore and
// ip6tables-restore with --noflush, with the sets that the rules match for
// `ipset restore -exist`, and each gateway's DNAT.
//
// Every site has two chains, and a packet meets up to two rules for every
// address of every site: hosts with hundreds of sites are better off with
// nftables. A re-load restarts the count of each client's connections,
// because connlimit's memory goes with its rule; a server's own cap does not.
type iptables struct{}

func (iptables) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	add := func(path, template string, data any) {
		files = append(files, render(path, "iptables/"+template, data))
	}
	for _, h := range p.Hosts {
		v4, v6 := newIptView(p, h, false), newIptView(p, h, true)
		add(h.Name+"/iptables.v4", "filter.tmpl", v4)
		add(h.Name+"/iptables.v6", "filter.tmpl", v6)
		add(h.Name+"/ipset", "ipset.tmpl", map[string]any{"Header": v4.Header, "Docker": false, "Families": []*iptView{v4, v6}})
	}
	for _, g := range p.Gateways {
		name := g.Name + "/iptables.v4"
		if g.Address.Is6() {
			name = g.Name + "/iptables.v6"
		}
		add(name, "gateway.tmpl", newGatewayView(p, g))
	}
	return files, nil
}

// iptView is one address family of a host's firewall.
type iptView struct {
	Header    string
	Command   string // iptables or ip6tables
	Family    string // inet or inet6
	Interface string // "" is any
	Docker    bool   // for Docker's chain DOCKER-USER, after its DNAT
	Sites     []*iptSite
}

// Active reports whether the host lets a site's active data connections out.
func (v *iptView) Active() bool {
	return !v.Docker && slices.ContainsFunc(v.Sites, func(s *iptSite) bool { return s.Active.Count() > 0 })
}

type iptSite struct {
	Line          string // of the file's header
	Comment       string // the site's name
	Reason        string // of its range
	Control       uint16
	Data          []spec.PortRange // older ones that still drain included
	Active        spec.PortRange   // that active data connections come from; zero: none
	Max           int              // control connections of a client
	Addresses     []netip.Addr
	ControlChain  string
	DataChain     string
	Clients       []netip.Prefix
	ClientSet     string // "": everyone is a client
	ClientSetNext string // filled, then swapped in
	SeenSet       string // "": no gate
	ClientBits    int    // this many bits of an address are one client
	Timeout       int    // of the gate, seconds
}

func newIptView(p *plan.Plan, h *plan.Host, v6 bool) *iptView {
	view := &iptView{Header: header(p, "#"), Command: "iptables", Family: "inet", Interface: h.Interface}
	if v6 {
		view.Command, view.Family = "ip6tables", "inet6"
	}
	names := shortNames(h.Sites)
	for _, s := range h.Sites {
		if site := newIptSite(s, names[s], v6); len(site.Addresses) > 0 {
			view.Sites = append(view.Sites, site)
		}
	}
	return view
}

func newIptSite(s *plan.Site, name string, v6 bool) *iptSite {
	site := &iptSite{
		Line: siteLine(s), Comment: commentText(s.Name), Reason: rangeReason(s),
		Control: s.Policy.Control, Max: s.Policy.MaxPerClient,
		Addresses: s.Policy.Addresses4, Clients: s.Policy.Clients4, ClientBits: 32,
		ControlChain: "PASVCTL-" + name + ".c",
		DataChain:    "PASVCTL-" + name + ".d",
		Timeout:      int(s.Policy.GateTimeout.Seconds()),
		Data:         dataRanges(s),
		Active:       s.Policy.Active,
	}
	clients, seen := "pasvctl-"+name+".c4", "pasvctl-"+name+".s4"
	if v6 {
		site.Addresses, site.Clients, site.ClientBits = s.Policy.Addresses6, s.Policy.Clients6, s.Policy.ClientPrefix6
		clients = "pasvctl-" + name + ".c6"
		// ipset cannot create an existing set with another netmask.
		seen = fmt.Sprintf("pasvctl-%s.s6_%d", name, site.ClientBits)
	}
	if !everyone(site.Clients) {
		site.ClientSet, site.ClientSetNext = clients, clients+"n"
	}
	if s.Policy.Gate {
		site.SeenSet = seen
	}
	return site
}

// shortNames fits the names of a host's sites into the 28 characters of a
// chain's name and the 31 of a set's, with their prefixes and suffixes. No two
// are the same: one site's rules would be the other's too.
func shortNames(sites []*plan.Site) map[*plan.Site]string {
	names := make(map[*plan.Site]string, len(sites))
	taken := map[string]bool{}
	for _, s := range sites {
		name := s.Name
		if len(name) > 16 {
			h := fnv.New32a()
			h.Write([]byte(name))
			for sum := h.Sum32(); ; sum++ {
				if name = fmt.Sprintf("%s~%08x", s.Name[:7], sum); !taken[name] {
					break
				}
			}
		}
		taken[name] = true
		names[s] = name
	}
	return names
}
