package generators

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// awsGroup is the security group of one host.
type awsGroup struct {
	Host      *plan.Host
	ID        string // of a group that is there already
	LogicalID string // in CloudFormation
	Rules     []awsRule
	Active    []awsRule // of outgoing connections to clients in active mode; From is where to
}

// awsFamilies are the kinds of clients that a rule admits.
var awsFamilies = []string{"IPv4", "IPv6", "PrefixList", "SecurityGroup"}

// awsRule lets one client prefix, prefix list or security group reach one port
// range. Its key is the admission's, so that Terraform changes the ports of a rule
// in place. AWS refuses two rules of the same ports and clients, so the first site
// that wants one has it for the others too, and it names them all.
type awsRule struct {
	Key         string
	Family      string // one of awsFamilies
	LogicalID   string // in CloudFormation, if the group is there already
	HostName    string
	Ports       spec.PortRange
	From        string // a prefix, or the id of a prefix list or security group
	Description string

	site *plan.Site // the first that wants it
	data bool
}

func (a *aws) group(host *plan.Host) awsGroup {
	group := awsGroup{Host: host, ID: a.SecurityGroups[host.Name], LogicalID: logicalID(host.Name)}
	for _, way := range host.Admissions() {
		way.For = slices.DeleteFunc(slices.Clone(way.For), func(p plan.Purpose) bool { return len(a.Sources[p.Site.Name]) > 0 })
		if len(way.For) > 0 {
			group.allow(way.For, way.Ports, way.Family(), way.From.String())
		}
	}
	group.allowSources(a.Sources)
	group.letOut(a.Sources)
	slices.SortStableFunc(group.Rules, func(x, y awsRule) int {
		if x.site == y.site && x.data != y.data {
			return map[bool]int{false: -1, true: 1}[x.data]
		}
		return strings.Compare(x.site.Name, y.site.Name)
	})
	return group
}

// allowSources admits prefix lists and groups to the sites that have some.
func (g *awsGroup) allowSources(sources map[string][]string) {
	type match struct {
		ports spec.PortRange
		id    string
	}
	wanted := map[match][]plan.Purpose{}
	var order []match
	for _, site := range g.Host.Sites {
		for _, data := range []bool{false, true} {
			ports := spec.PortRange{First: site.Policy.Control, Last: site.Policy.Control}
			if data {
				ports = site.Policy.Data
			}
			for _, id := range sources[site.Name] {
				m := match{ports, id}
				if wanted[m] == nil {
					order = append(order, m)
				}
				wanted[m] = append(wanted[m], plan.Purpose{Site: site, Data: data})
			}
		}
	}
	for _, m := range order {
		g.allow(wanted[m], m.ports, sourceFamily(m.id), m.id)
	}
}

// letOut lists the outgoing connections of active mode, a rule for each network or
// source of the sites that have it. Security groups know no source port.
func (g *awsGroup) letOut(sources map[string][]string) {
	for _, site := range g.Host.Sites {
		if site.Policy.Active.Count() == 0 {
			continue
		}
		for _, id := range sources[site.Name] {
			g.out(site, sourceFamily(id), id)
		}
		for _, network := range site.Networks() {
			if len(sources[site.Name]) == 0 {
				g.out(site, map[bool]string{true: "IPv4", false: "IPv6"}[network.Addr().Is4()], network.String())
			}
		}
	}
}

func (g *awsGroup) out(site *plan.Site, family, to string) {
	if !slices.ContainsFunc(g.Active, func(r awsRule) bool { return r.From == to }) {
		g.Active = append(g.Active, awsRule{
			Key: g.Host.Name + "/active/" + to, Family: family, HostName: g.Host.Name, Ports: plan.ActiveTo, From: to, Description: awsText(site.Name + " active mode"),
		})
	}
}

// sourceFamily is that of a prefix list or a security group.
func sourceFamily(id string) string {
	if strings.HasPrefix(id, "pl-") {
		return "PrefixList"
	}
	return "SecurityGroup"
}

// allow adds the rule of those who want it.
func (g *awsGroup) allow(who []plan.Purpose, ports spec.PortRange, family, from string) {
	first := who[0]
	key := g.Host.Name + "/" + first.Site.Name + "/" + first.String() + "/" + from
	var names []string
	for _, p := range who {
		names = append(names, p.Site.Name+" "+p.String())
	}
	g.Rules = append(g.Rules, awsRule{
		Key:         key,
		Family:      family,
		LogicalID:   g.LogicalID + "Rule" + fmt.Sprintf("%X", sha256.Sum256([]byte(key)))[:16],
		HostName:    g.Host.Name,
		Ports:       ports,
		From:        from,
		Description: awsText(strings.Join(names, "; ")),
		site:        first.Site,
		data:        first.Data,
	})
}

// quota compares the group with what one security group may hold. A spec that
// never asked for AWS loses the AWS files to it, and nothing else.
func (a *aws) quota(g awsGroup) hcl.Diagnostics {
	for _, family := range awsFamilies[:2] {
		total, most, by := g.count(family)
		if total <= a.RulesPerGroup {
			continue
		}
		merged := ""
		if len(a.Sources[by.Name]) == 0 {
			merged = " " + mergedText(by, family)
		}
		return hcl.Diagnostics{finding.SecurityGroupFull.Error(a.clientsRange(by),
			"Host %q needs %s for %s, and a security group holds %s of each family. "+
				"Site %q alone needs %s, one for each of its clients to the control port and one to the data ports.%s "+
				"Name fewer and wider prefixes, spread the sites over more hosts, or have the quota raised and set rules_per_group.",
			g.Host.Name, sizing.Plural(total, "rule"), family, sizing.Count(a.RulesPerGroup), by.Name, sizing.Count(most), merged)}
	}
	return nil
}

// count returns the rules of one address family, and how many of them the site
// with the most has. What names no addresses counts in both ("Amazon VPC quotas").
func (g *awsGroup) count(family string) (total, most int, by *plan.Site) {
	n := map[string]int{}
	for _, rule := range g.Rules {
		if rule.Family == family || rule.Family != "IPv4" && rule.Family != "IPv6" {
			total++
			n[strings.SplitN(rule.Key, "/", 3)[1]]++
		}
	}
	for _, site := range g.Host.Sites {
		if n[site.Name] > most {
			most, by = n[site.Name], site
		}
	}
	return total, most, by
}

// shared warns of sites that use one port on different addresses for
// different clients: a group's rule is for all addresses of the machine.
func (a *aws) shared(g awsGroup) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, first := range g.Host.Sites {
		for _, second := range g.Host.Sites[i+1:] {
			ports, overlap := commonPorts(first.Policy, second.Policy)
			if !overlap || a.clients(first) == a.clients(second) {
				continue
			}
			diags = append(diags, finding.SecurityGroupShared.Warning(a.clientsRange(second),
				"Sites %q and %q both use port %s, on different addresses of host %q and for different clients. "+
					"A security group is for all addresses of a machine, so each site's ports are open there to the other's clients too; "+
					"the host's own firewall still keeps them apart. Give the sites different ports to have the group do so.",
				first.Name, second.Name, ports, g.Host.Name))
		}
	}
	return diags
}

func commonPorts(a, b plan.Policy) (spec.PortRange, bool) {
	for _, x := range []spec.PortRange{{First: a.Control, Last: a.Control}, a.Data} {
		for _, y := range []spec.PortRange{{First: b.Control, Last: b.Control}, b.Data} {
			if x.Overlaps(y) {
				return spec.PortRange{First: max(x.First, y.First), Last: min(x.Last, y.Last)}, true
			}
		}
	}
	return spec.PortRange{}, false
}

// clientsRange is where the spec names those that the group admits to a site.
func (a *aws) clientsRange(site *plan.Site) *hcl.Range {
	if len(a.Sources[site.Name]) > 0 {
		return a.at.Of("sources")
	}
	return site.Ranges.Of("clients")
}

// clients are those that the group admits to a site.
func (a *aws) clients(site *plan.Site) string {
	if sources := a.Sources[site.Name]; len(sources) > 0 {
		return fmt.Sprint(slices.Sorted(slices.Values(sources)))
	}
	return fmt.Sprint(site.Policy.Clients4, site.Policy.Clients6)
}

// logicalID makes a CloudFormation logical id, letters and digits only, of a
// host's name. A name with other characters gets a digest, so that "edge-1"
// and "edge1" stay two.
func logicalID(host string) string {
	plain := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, host)
	if plain != host {
		plain += fmt.Sprintf("%X", sha256.Sum256([]byte(host)))[:8]
	}
	return "FTP" + plain
}

// awsPermission is an IpPermission of the EC2 API.
type awsPermission struct {
	IpProtocol       string
	FromPort         uint16
	ToPort           uint16
	IpRanges         []awsRange4 `json:",omitempty"`
	Ipv6Ranges       []awsRange6 `json:",omitempty"`
	PrefixListIds    []awsList   `json:",omitempty"`
	UserIdGroupPairs []awsPair   `json:",omitempty"`
}

type awsRange4 struct{ CidrIp, Description string }

type awsRange6 struct{ CidrIpv6, Description string }

type awsList struct{ PrefixListId, Description string }

type awsPair struct{ GroupId, Description string }

// permissions groups the rules by port range, as the EC2 API does. JSON has no
// comments: each description says where the rule comes from, since the group
// may hold others.
func (g *awsGroup) permissions() []awsPermission {
	var all []awsPermission
	for _, rules := range spec.Grouped(g.Rules, func(r awsRule) spec.PortRange { return r.Ports }) {
		p := awsPermission{IpProtocol: "tcp", FromPort: rules[0].Ports.First, ToPort: rules[0].Ports.Last}
		for _, rule := range rules {
			description := awsText("By pasvctl: " + rule.Description)
			switch rule.Family {
			case "IPv4":
				p.IpRanges = append(p.IpRanges, awsRange4{rule.From, description})
			case "IPv6":
				p.Ipv6Ranges = append(p.Ipv6Ranges, awsRange6{rule.From, description})
			case "PrefixList":
				p.PrefixListIds = append(p.PrefixListIds, awsList{rule.From, description})
			default:
				p.UserIdGroupPairs = append(p.UserIdGroupPairs, awsPair{rule.From, description})
			}
		}
		all = append(all, p)
	}
	return all
}
