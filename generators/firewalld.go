package generators

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "firewalld", HostFiles: []string{"firewalld"}, New: func() Target { return &firewalld{} }})
}

// firewalld renders a policy of each host for packets from all zones to the host
// (firewalld.policy(5), firewalld.richlanguage(5)), and an ipset for the clients of
// each site and address family (firewalld.ipset(5)). A zone bound to the clients
// would take all their traffic, to other services too.
type firewalld struct{}

const (
	// The policy is pasvctl: firewalld takes 17 characters.
	firewalldSet      = 31    // of a set's name: IPSET_MAXNAMELEN with its NUL
	firewalldNetworks = 65536 // in a set: maxelem, ipset(8)
)

// hostRule is what one site admits in one address family on the host itself.
type hostRule struct {
	Site      string
	Family    string       // "ipv4" or "ipv6"
	Set       string       // of its clients; "" for everyone
	Addresses []netip.Addr // of the site
	Ports     []spec.PortRange
	From      []netip.Prefix // none contains another
}

// hostRules are the rules of a host, by site, IPv4 first.
func hostRules(host *plan.Host) []hostRule {
	var all []hostRule
	for _, rule := range cloudRules(host) {
		own := hostRule{Site: rule.Site.Name, Family: "ip" + rule.Suffix, Addresses: rule.Site.Policy.Addresses4, Ports: rule.Ports, From: widest(rule.From)}
		if rule.Family == "IPv6" {
			own.Addresses = rule.Site.Policy.Addresses6
		}
		if own.From[0].Bits() > 0 {
			own.Set = cloudName(firewalldSet, "-"+rule.Suffix, own.Site)
		}
		all = append(all, own)
	}
	return all
}

// Files renders DIR/HOST/firewalld, in the layout of /etc/firewalld.
func (*firewalld) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, host := range p.Hosts {
		for _, rule := range cloudRules(host) {
			if n := len(widest(rule.From)); n > firewalldNetworks {
				diags = append(diags, tooManyNetworks(rule, n, firewalldNetworks, "an ipset"))
			}
		}
		rules := hostRules(host)
		if len(rules) == 0 {
			continue
		}
		data := map[string]any{"Header": header(p, ""), "Rules": rules}
		files = append(files, render(host.Name+"/firewalld/policies/pasvctl.xml", "firewalld/policy.xml.tmpl", data))
		for _, rule := range rules {
			if rule.Set != "" {
				files = append(files, render(host.Name+"/firewalld/ipsets/"+rule.Set+".xml", "firewalld/ipset.xml.tmpl", map[string]any{"Header": header(p, ""), "Rule": rule}))
			}
		}
	}
	return files, diags
}
