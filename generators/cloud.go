package generators

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// cloudRule is what one site admits in one address family: plan's flat list as
// the clouds take it whose rules have several ports and several networks.
type cloudRule struct {
	Key         string // HOST/SITE/v4 or v6, without ports: a range that moves changes the rule in place
	Host        *plan.Host
	Site        *plan.Site
	Family      string // "IPv4" or "IPv6"
	Suffix      string // "v4" or "v6"
	Ports       []spec.PortRange
	From        []netip.Prefix
	Description string
}

// cloudRules are the rules of a host, by site, IPv4 first.
func cloudRules(host *plan.Host) []cloudRule {
	index := map[string]*cloudRule{}
	for _, way := range host.Admissions() {
		suffix := map[string]string{"IPv4": "v4", "IPv6": "v6"}[way.Family()]
		for _, purpose := range way.For {
			key := host.Name + "/" + purpose.Site.Name + "/" + suffix
			rule := index[key]
			if rule == nil {
				rule = &cloudRule{Key: key, Host: host, Site: purpose.Site, Family: way.Family(), Suffix: suffix,
					Description: fmt.Sprintf("FTP control and data ports of %s for %s, by pasvctl", purpose.Site.Name, way.Family())}
				index[key] = rule
			}
			if !slices.Contains(rule.Ports, way.Ports) {
				rule.Ports = append(rule.Ports, way.Ports)
			}
			if !purpose.Data {
				rule.From = append(rule.From, way.From)
			}
		}
	}
	all := make([]cloudRule, 0, len(index))
	for _, key := range slices.Sorted(maps.Keys(index)) {
		all = append(all, *index[key])
	}
	return all
}

// cloudName names a cloud's resource after its host, and its site if it is for
// one, in at most so many characters. Two hyphens part the names. A name that would
// be too long, or has two hyphens itself, is cut and gets a digest, so that no two
// resources have one name and none depends on others.
func cloudName(most int, suffix string, names ...string) string {
	plain := "pasvctl-" + strings.Join(names, "--")
	parted := slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "--") })
	if !parted && len(plain)+len(suffix) <= most {
		return plain + suffix
	}
	digest := fmt.Sprintf("-%x", sha256.Sum256([]byte(strings.Join(names, "/"))))[:17]
	for strings.Contains(plain, "--") {
		plain = strings.ReplaceAll(plain, "--", "-")
	}
	return strings.TrimRight(plain[:min(len(plain), most-len(digest)-len(suffix))], "-") + digest + suffix
}

// widest leaves out networks that another one contains.
func widest(networks []netip.Prefix) []netip.Prefix {
	var all []netip.Prefix
	for _, n := range networks { // sorted: a network comes before those that it contains
		if last := len(all) - 1; last < 0 || !all[last].Overlaps(n) {
			all = append(all, n)
		}
	}
	return all
}

// hostSetting checks a setting that names something for each host: the host is
// there, the name has the cloud's form, and no two hosts have the same, which
// would open the ports of each on the other.
func (b placed) hostSetting(p *plan.Plan, setting string, names map[string]string, valid func(string) bool, what string) (diags hcl.Diagnostics) {
	hosts := hostNames(p)
	owner := map[string]string{}
	for _, host := range slices.Sorted(maps.Keys(names)) {
		name := names[host]
		switch {
		case !slices.Contains(hosts, host):
			diags = append(diags, b.wrong(setting, "%s names host %q, which has no sites here. %s", setting, host, choices(host, hosts)))
		case !valid(name):
			diags = append(diags, b.wrong(setting, "%q is not %s.", name, what))
		case owner[strings.ToLower(name)] != "":
			diags = append(diags, b.wrong(setting, "Hosts %q and %q both have %q, which would open the ports of each on the other. Name one for each.", owner[strings.ToLower(name)], host, name))
		}
		owner[strings.ToLower(name)] = host
	}
	return diags
}

func hostNames(p *plan.Plan) (names []string) {
	for _, host := range p.Hosts {
		names = append(names, host.Name)
	}
	return names
}

func siteNames(p *plan.Plan) (names []string) {
	for _, site := range p.Sites {
		names = append(names, site.Name)
	}
	return names
}

// tooManyNetworks says how many networks a site has in a family, how many the
// cloud takes, and what merging them would give.
func tooManyNetworks(rule cloudRule, n, most int, taker string) *hcl.Diagnostic {
	return finding.PlatformLimit.Error(rule.Site.Ranges.Of("clients"),
		"Site %q has %s networks of %s, and %s takes %s. %s Name at most %s in clients.",
		rule.Site.Name, sizing.Count(n), rule.Family, taker, sizing.Count(most), mergedText(rule.Site, rule.Family), sizing.Count(most))
}

// mergedText says how few networks would do for a site's clients of a family.
func mergedText(site *plan.Site, family string) string {
	merged := site.Policy.Clients4
	if family == "IPv6" {
		merged = site.Policy.Clients6
	}
	return "Merged where they touch or contain each other, its networks of " + family + " are " + sizing.Count(len(merged)) + "."
}

// hostWidth is the width of the longest host's name in quotes, for a table that
// terraform fmt aligns.
func hostWidth(rows []map[string]string) int {
	width := 0
	for _, row := range rows {
		width = max(width, len(row["Host"])+2)
	}
	return width
}

// portRule is what a host admits to one range of ports, in both address families:
// plan's flat list as the clouds take it whose rules have one range and mix them.
type portRule struct {
	Ports       spec.PortRange
	From        []netip.Prefix
	Description string // the sites
}

// portRules are the rules of a host, in the order of the flat list.
func portRules(host *plan.Host) []portRule {
	var all []portRule
	for _, ways := range spec.Grouped(host.Admissions(), func(way plan.Admission) spec.PortRange { return way.Ports }) {
		rule := portRule{Ports: ways[0].Ports}
		var sites []string
		for _, way := range ways {
			rule.From = append(rule.From, way.From)
			for _, purpose := range way.For {
				if text := purpose.Site.Name + " " + purpose.String(); !slices.Contains(sites, text) {
					sites = append(sites, text)
				}
			}
		}
		rule.Description = strings.Join(sites, "; ")
		all = append(all, rule)
	}
	return all
}

// activeNetworks are those to which the host's sites open data connections in
// active mode, for a cloud that lets out only what a rule admits.
func activeNetworks(host *plan.Host) []netip.Prefix {
	var all []netip.Prefix
	for _, site := range host.Sites {
		if site.Policy.Active.Count() > 0 {
			all = append(all, site.Networks()...)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}
