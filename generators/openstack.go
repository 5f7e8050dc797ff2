package generators

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "openstack", New: func() Target { return &openStack{RulesPerProject: 100} }, Settings: []spec.Argument{
		{Name: "security_groups", Type: spec.Texts, Otherwise: "a group is made for each host", Limit: "ids of groups by the hosts' names", Example: `{ edge1 = "8f1ffb2c-0d61-4a4b-9a34-8e2f1c0b7a55" }`,
			Doc: "Existing groups that a host's rules are added to."},
		{Name: "rules_per_project", Type: spec.Whole, Least: 1, Most: 100000, Default: 100, Unit: "rules", Example: "500",
			Doc: "The project's quota of security group rules that is left for these: 100 unless the operator changed it."},
	}})
}

// openStack renders security groups as a Terraform module
// (terraform-provider-openstack/openstack, openstack_networking_secgroup_v2): a
// rule has one range and one network, as the entries of plan's flat list.
type openStack struct {
	placed
	Groups          map[string]string `hcl:"security_groups,optional"`
	RulesPerProject int               `hcl:"rules_per_project,optional"`
}

const (
	// openStackOwn are the rules that a new group has by itself: everything may
	// go out, in either family (Networking API v2.0, security groups).
	openStackOwn  = 2
	openStackName = 255
)

var openStackID = regexp.MustCompile(`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`)

// Files renders DIR/openstack/pasvctl.tf.
func (o *openStack) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := o.hostSetting(p, "security_groups", o.Groups, openStackID.MatchString,
		`the id of a security group, such as "8f1ffb2c-0d61-4a4b-9a34-8e2f1c0b7a55"`)
	if diags.HasErrors() {
		return nil, diags
	}
	var made, present []map[string]string
	var ways []plan.Admission
	for _, host := range p.Hosts {
		if id := o.Groups[host.Name]; id != "" {
			present = append(present, map[string]string{"Host": host.Name, "Group": id})
		} else {
			made = append(made, map[string]string{"Host": host.Name, "Group": cloudName(openStackName, "", host.Name)})
		}
		ways = append(ways, host.Admissions()...)
	}
	if need := len(ways) + openStackOwn*len(made); need > o.RulesPerProject {
		diags = append(diags, finding.PlatformLimit.Error(o.at.Of("rules_per_project"),
			"The plan needs %s: one for each network of a site to its control port and one to its data ports, and %s for each new group. The project has %s left. "+
				"Name fewer and wider networks in clients, or have the quota raised and set rules_per_project = %d.",
			sizing.Plural(need, "security group rule"), sizing.Count(openStackOwn), sizing.Count(o.RulesPerProject), need))
	}
	if diags.HasErrors() || len(ways) == 0 {
		return nil, diags
	}
	return []File{render("openstack/pasvctl.tf", "openstack/pasvctl.tf.tmpl", map[string]any{
		"Header": header(p, "#"), "Made": made, "Present": present, "Ways": ways,
		"MadeWidth": hostWidth(made), "PresentWidth": hostWidth(present),
	})}, diags
}
