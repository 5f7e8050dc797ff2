package generators

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
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
	LogicalID string // in CloudFormation
	Rules     []awsRule
	index     map[awsMatch]int // into Rules
}

// awsMatch is what makes two rules the same to AWS.
type awsMatch struct {
	ports  spec.PortRange
	prefix netip.Prefix
}

// awsRule lets one client prefix reach one port range. Its key stays the same
// while the site keeps its name and the prefix, so that Terraform changes the
// ports of a rule in place.
type awsRule struct {
	Key         string
	Family      string // IPv4 or IPv6
	HostName    string
	Ports       spec.PortRange
	Prefix      netip.Prefix
	Description string
}

func newAWSGroup(host *plan.Host) awsGroup {
	group := awsGroup{Host: host, LogicalID: logicalID(host.Name), index: map[awsMatch]int{}}
	for _, site := range host.Sites {
		control := spec.PortRange{First: site.Policy.Control, Last: site.Policy.Control}
		group.add(site, "control", control)
		group.add(site, "data", site.Policy.Data)
	}
	return group
}

// add lets a site's clients reach ports, family by family. Two sites on two
// addresses of the host may want the very same rule, which AWS refuses as a
// duplicate: then the first one serves both and names both.
func (g *awsGroup) add(site *plan.Site, what string, ports spec.PortRange) {
	policy := site.Policy
	families := []struct {
		name    string
		ours    []netip.Addr
		clients []netip.Prefix
	}{
		{"IPv4", policy.Addresses4, policy.Clients4},
		{"IPv6", policy.Addresses6, policy.Clients6},
	}
	for _, family := range families {
		if len(family.ours) == 0 {
			continue
		}
		for _, prefix := range family.clients {
			match := awsMatch{ports, prefix}
			if i, twice := g.index[match]; twice {
				rule := &g.Rules[i]
				rule.Description = awsText(rule.Description + "; " + site.Name + " " + what)
				continue
			}
			g.index[match] = len(g.Rules)
			g.Rules = append(g.Rules, awsRule{
				Key:         g.Host.Name + "/" + site.Name + "/" + what + "/" + prefix.String(),
				Family:      family.name,
				HostName:    g.Host.Name,
				Ports:       ports,
				Prefix:      prefix,
				Description: awsText(site.Name + " " + what),
			})
		}
	}
}

// quota compares the group with what one security group may hold. A spec that
// never asked for AWS loses the AWS files to it, and nothing else.
func (a *aws) quota(g awsGroup) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, family := range []string{"IPv4", "IPv6"} {
		total, most, by := g.count(family)
		if total <= a.RulesPerGroup {
			continue
		}
		diags = append(diags, finding.SecurityGroupFull.Error(by.Ranges.Of("clients"),
			"Host %q needs %s for %s, and a security group holds %s of each family. "+
				"Site %q alone needs %s, one for each of its client prefixes (merged as far as they go) to the control port and one to the data ports. "+
				"Name fewer and wider prefixes, spread the sites over more hosts, or have the quota raised and set rules_per_group.",
			g.Host.Name, sizing.Plural(total, "rule"), family, sizing.Count(a.RulesPerGroup), by.Name, sizing.Count(most)))
	}
	return diags
}

// count returns the rules of one family, and how many of them the site with
// the most has.
func (g *awsGroup) count(family string) (total, most int, by *plan.Site) {
	n := map[string]int{}
	for _, rule := range g.Rules {
		if rule.Family == family {
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
func (g *awsGroup) shared() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, a := range g.Host.Sites {
		for _, b := range g.Host.Sites[i+1:] {
			ports, overlap := commonPorts(a.Policy, b.Policy)
			if !overlap || sameClients(a.Policy, b.Policy) {
				continue
			}
			diags = append(diags, finding.SecurityGroupShared.Warning(b.Ranges.Of("clients"),
				"Sites %q and %q both use port %s, on different addresses of host %q and for different clients. "+
					"A security group is for all addresses of a machine, so each site's ports are open there to the other's clients too; "+
					"the host's own firewall still keeps them apart. Give the sites different ports to have the group do so.",
				a.Name, b.Name, ports, g.Host.Name))
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

func sameClients(a, b plan.Policy) bool {
	return fmt.Sprint(a.Clients4, a.Clients6) == fmt.Sprint(b.Clients4, b.Clients6)
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
	IpProtocol string
	FromPort   uint16
	ToPort     uint16
	IpRanges   []awsRange4 `json:",omitempty"`
	Ipv6Ranges []awsRange6 `json:",omitempty"`
}

type awsRange4 struct{ CidrIp, Description string }

type awsRange6 struct{ CidrIpv6, Description string }

// permissions groups the rules by port range, as the EC2 API does. JSON has no
// comments: each description says where the rule comes from, since the group
// may hold others.
func (g *awsGroup) permissions() []awsPermission {
	var all []awsPermission
	at := map[spec.PortRange]int{}
	for _, rule := range g.Rules {
		i, seen := at[rule.Ports]
		if !seen {
			i = len(all)
			at[rule.Ports] = i
			all = append(all, awsPermission{IpProtocol: "tcp", FromPort: rule.Ports.First, ToPort: rule.Ports.Last})
		}
		description := awsText("By pasvctl: " + rule.Description)
		if rule.Family == "IPv4" {
			all[i].IpRanges = append(all[i].IpRanges, awsRange4{rule.Prefix.String(), description})
		} else {
			all[i].Ipv6Ranges = append(all[i].Ipv6Ranges, awsRange6{rule.Prefix.String(), description})
		}
	}
	return all
}
