package generators

import (
	"net/netip"
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "azure", Ranks: true, New: func() Target { return &azure{Priority: 200} }, Settings: []spec.Argument{
		{Name: "resource_group", Type: spec.Text, Otherwise: "the module asks for it", Limit: "the name of a resource group", Example: `"ftp"`,
			Doc: "Resource group of the network security groups."},
		{Name: "location", Type: spec.Text, Otherwise: "the module asks for it", Limit: "an Azure region", Example: `"westeurope"`,
			Doc: "Region of the groups that are made."},
		{Name: "network_security_groups", Type: spec.Texts, Otherwise: "a group is made for each host", Limit: "names of groups by the hosts' names", Example: `{ edge1 = "edge1-nsg" }`,
			Doc: "Existing groups that a host's rules are added to. Nothing else may manage them with inline rules, which remove all others."},
		{Name: "priority", Type: spec.Whole, Least: azureFirst, Most: azureLast, Default: 200, Example: "1000",
			Doc: "First priority of the rules. Each site has two numbers, for IPv4 and IPv6, which the lock keeps when other sites come and go."},
	}})
}

// azure renders network security rules as a Terraform module (hashicorp/azurerm,
// azurerm_network_security_rule): two a site, since a rule does not mix address
// families, in one network security group for each host.
type azure struct {
	placed
	ResourceGroup string            `hcl:"resource_group,optional"`
	Location      string            `hcl:"location,optional"`
	Groups        map[string]string `hcl:"network_security_groups,optional"`
	Priority      int               `hcl:"priority,optional"`
}

// The limits of a network security group ("Azure subscription and service limits",
// Networking limits) and of names ("Naming rules for Azure resources",
// Microsoft.Network and Microsoft.Resources).
const (
	azureFirst    = 100 // priorities
	azureLast     = 4096
	azureRules    = 1000 // in a group
	azureNetworks = 4000 // in a rule
	azureName     = 80
)

var (
	azureGroup         = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$`)
	azureResourceGroup = regexp.MustCompile(`^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$`)
	azureLocation      = regexp.MustCompile(`^[A-Za-z0-9]+( [A-Za-z0-9]+)*$`)
)

// azureRule is a row of the module's table.
type azureRule struct {
	cloudRule
	Name     string
	Priority int
	Networks []netip.Prefix
}

// Files renders DIR/azure/pasvctl.tf.
func (a *azure) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := a.check(p)
	if diags.HasErrors() {
		return nil, diags
	}
	var rules []azureRule
	var made, present []map[string]string
	for _, host := range p.Hosts {
		if name := a.Groups[host.Name]; name != "" {
			present = append(present, map[string]string{"Host": host.Name, "Group": name})
		} else {
			made = append(made, map[string]string{"Host": host.Name, "Group": cloudName(azureName, "", host.Name)})
		}
		of := cloudRules(host)
		if len(of) > azureRules {
			diags = append(diags, finding.PlatformLimit.Error(host.Ranges.Of(""),
				"Host %q needs %s, and a network security group takes %s. One for each address family makes that %s with both, or %s with one. Spread the sites over more hosts.",
				host.Name, sizing.Plural(len(of), "rule"), sizing.Count(azureRules), sizing.Plural(azureRules/2, "site"), sizing.Count(azureRules)))
		}
		last := 0
		for _, rule := range of {
			priority := a.Priority + 2*(rule.Site.Rank-1)
			if rule.Family == "IPv6" {
				priority++
			}
			last = max(last, priority)
			networks := widest(rule.From)
			if len(networks) > azureNetworks {
				diags = append(diags, tooManyNetworks(rule, len(networks), azureNetworks, "a rule of Azure"))
			}
			rules = append(rules, azureRule{rule, cloudName(azureName, "-"+rule.Suffix, host.Name, rule.Site.Name), priority, networks})
		}
		if last > azureLast {
			diags = append(diags, a.noPriority(host, last))
		}
	}
	if diags.HasErrors() || len(rules) == 0 {
		return nil, diags
	}
	return []File{render("azure/pasvctl.tf", "azure/pasvctl.tf.tmpl", map[string]any{
		"Header": header(p, "#"), "ResourceGroup": a.ResourceGroup, "Location": a.Location,
		"Made": made, "Present": present, "Rules": rules,
		"MadeWidth": hostWidth(made), "PresentWidth": hostWidth(present),
	})}, diags
}

// noPriority says which first priority would leave enough numbers for a host.
func (a *azure) noPriority(host *plan.Host, last int) *hcl.Diagnostic {
	fits := a.Priority - (last - azureLast)
	remedy := "Set priority to " + sizing.Count(fits) + " or less."
	if fits < azureFirst {
		remedy = "No first priority leaves enough. Spread the sites over more hosts, or remove the comments with a rank from pasvctl.lock.hcl, which gives the rules other numbers."
	}
	return finding.PlatformLimit.Error(a.at.Of("priority"),
		"Host %q needs the priorities %d to %d, and Azure takes %d to %d. %s", host.Name, a.Priority, last, azureFirst, azureLast, remedy)
}

func (a *azure) check(p *plan.Plan) hcl.Diagnostics {
	diags := a.hostSetting(p, "network_security_groups", a.Groups, azureGroup.MatchString,
		`the name of a network security group: 1 to 80 letters, digits, "_", "." and "-"`)
	if a.ResourceGroup != "" && !azureResourceGroup.MatchString(a.ResourceGroup) {
		diags = append(diags, a.wrong("resource_group", `%q is not the name of a resource group: 1 to 90 letters, digits, "_", "-", ".", "(" and ")", without "." at the end. Without resource_group the module asks for it.`, a.ResourceGroup))
	}
	if a.Location != "" && (!azureLocation.MatchString(a.Location) || len(a.Location) > 64) {
		diags = append(diags, a.wrong("location", `%q is not an Azure region, such as "westeurope". Without location the module asks for it.`, a.Location))
	}
	if !diags.HasErrors() && a.Location != "" && len(a.Groups) == len(p.Hosts) {
		diags = append(diags, finding.NoEffect.Warning(a.at.Of("location"), "Every host has a network security group that exists, and the group has its region. Remove location."))
	}
	return diags
}
