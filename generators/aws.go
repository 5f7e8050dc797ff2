package generators

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "aws", Default: true, IfFits: true, New: func() Target {
		return &aws{Format: "terraform", RulesPerGroup: 60}
	}, Settings: []spec.Argument{
		{Name: "format", Type: spec.Word, Words: slices.Sorted(maps.Keys(awsFormats)), Default: "terraform", Example: `"cloudformation"`,
			Doc: "What the rules are written for: the AWS command line, CloudFormation or Terraform."},
		{Name: "vpc_id", Type: spec.Text, Otherwise: "the files ask for it", Limit: "the id of a VPC, like vpc-0a1b2c3d", Example: `"vpc-0a1b2c3d"`,
			Doc: "VPC of the security groups. The command line's rules go to a group that is there already, and need none."},
		{Name: "rules_per_group", Type: spec.Whole, Least: 1, Most: 1000, Default: 60, Unit: "rules", Example: "100",
			Doc: "The account's quota of inbound rules for each family in one group: 60 unless AWS raised it."},
		{Name: "security_groups", Type: spec.Texts, Otherwise: "a group is made for each host", Limit: "ids by the hosts' names", Example: `{ edge1 = "sg-0a1b2c3d" }`,
			Doc: "Existing groups that a host's rules are added to. Nothing else may manage them with inline rules, which remove all others."},
		{Name: "sources", Type: spec.TextLists, Otherwise: "the sites' clients", Limit: "ids of prefix lists (pl-…) and security groups (sg-…) by the sites' names", Example: `{ downloads = ["pl-0a1b2c3d", "sg-0e4f5a6b"] }`,
			Doc: "Admits these in AWS instead of a site's clients. The host's own firewall goes by clients, which must include them. AWS counts a prefix list as its maximum number of entries, which pasvctl does not know."},
		{Name: "tags", Type: spec.Texts, Otherwise: "only Name", Limit: "at most 49", Example: `{ Team = "transfer" }`,
			Doc: "Tags of the groups that are made. Name replaces pasvctl's."},
	}})
}

// aws renders one EC2 security group per host. A security group is stateful
// and only ever allows, so that the replies and the running transfers pass by
// themselves; it knows neither the gate nor the host's addresses, which the
// host's own firewall adds.
type aws struct {
	placed
	Format string `hcl:"format,optional"`
	VPC    string `hcl:"vpc_id,optional"`
	// RulesPerGroup is the account's quota of inbound rules for each family
	// in one group: 60 unless AWS raised it, at most 1000.
	RulesPerGroup int `hcl:"rules_per_group,optional"`

	SecurityGroups map[string]string   `hcl:"security_groups,optional"`
	Sources        map[string][]string `hcl:"sources,optional"`
	Tags           map[string]string   `hcl:"tags,optional"`
}

// awsFormats are the renderings by their name in the format attribute.
var awsFormats = map[string]func(*aws, *plan.Plan, []awsGroup) ([]File, hcl.Diagnostics){
	"cli":            (*aws).cli,
	"cloudformation": (*aws).cloudFormation,
	"terraform":      (*aws).terraform,
}

// Files renders DIR/aws/…, in the format that the block asks for.
func (a *aws) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := a.check(p)
	if diags.HasErrors() {
		return nil, diags
	}
	groups := make([]awsGroup, 0, len(p.Hosts))
	full := false
	for _, host := range p.Hosts {
		if len(host.Sites) == 0 {
			continue
		}
		group := a.group(host)
		more := a.quota(group)
		if len(more) > 0 {
			full = true
		} else {
			more = a.shared(group)
		}
		diags = append(diags, more...)
		groups = append(groups, group)
	}
	if full || len(groups) == 0 {
		return nil, diags
	}
	files, more := awsFormats[a.Format](a, p, groups)
	return files, append(diags, more...)
}

// terraform renders a module of its own: rules as separate resources with
// stable keys, because inline rules and rule resources undo each other.
func (a *aws) terraform(p *plan.Plan, groups []awsGroup) ([]File, hcl.Diagnostics) {
	data := a.data(p, groups)
	var tables []map[string]any
	for i, family := range awsFamilies {
		var rows []awsRule
		width := 0
		for _, group := range groups {
			for _, rule := range group.Rules {
				if rule.Family == family {
					rows = append(rows, rule)
					width = max(width, len(rule.Key))
				}
			}
		}
		if i < 2 || len(rows) > 0 {
			tables = append(tables, map[string]any{
				"Rules": rows, "Width": width,
				"Local":     []string{"ipv4", "ipv6", "prefix_lists", "security_groups"}[i],
				"Resource":  []string{"ipv4", "ipv6", "prefix_list", "security_group"}[i],
				"Attribute": []string{"cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"}[i],
			})
		}
	}
	data["Tables"] = tables
	var active []awsRule
	width := 0
	for _, group := range groups {
		if group.ID == "" { // what a present group lets out is its owner's
			active = append(active, group.Active...)
		}
	}
	for _, rule := range active {
		width = max(width, len(rule.Key))
	}
	data["Active"], data["ActiveWidth"] = active, width
	return []File{render("aws/pasvctl.tf", "aws/pasvctl.tf.tmpl", data)}, nil
}

// The limits of one CloudFormation template ("CloudFormation quotas").
const (
	cfnResources = 500
	cfnBytes     = 1_000_000
)

func (a *aws) cloudFormation(p *plan.Plan, groups []awsGroup) ([]File, hcl.Diagnostics) {
	file := render("aws/pasvctl.cfn.yaml", "aws/pasvctl.cfn.yaml.tmpl", a.data(p, groups))
	resources := 0
	for _, group := range groups {
		if resources++; group.ID != "" {
			resources += len(group.Rules) - 1
		}
	}
	if resources > cfnResources || len(file.Content) > cfnBytes {
		return nil, hcl.Diagnostics{finding.PlatformLimit.Error(a.at.Of("format"),
			"The security groups make a template of %s and %s, and CloudFormation takes %s and %s. "+
				"Split the spec, or use the format \"terraform\".", sizing.Plural(resources, "resource"), sizing.Plural(len(file.Content), "byte"), sizing.Plural(cfnResources, "resource"), sizing.Plural(cfnBytes, "byte"))}
	}
	return []File{file}, nil
}

// cli renders what aws ec2 authorize-security-group-ingress reads as
// --ip-permissions, a file per host.
func (a *aws) cli(_ *plan.Plan, groups []awsGroup) ([]File, hcl.Diagnostics) {
	files := make([]File, len(groups))
	for i, group := range groups {
		content, err := json.MarshalIndent(group.permissions(), "", "  ")
		if err != nil {
			panic(err) // strings and integers always marshal
		}
		files[i] = File{Path: "aws/" + group.Host.Name + ".ip-permissions.json", Content: append(content, '\n')}
	}
	return files, nil
}

func (a *aws) data(p *plan.Plan, groups []awsGroup) map[string]any {
	made := slices.DeleteFunc(slices.Clone(groups), func(g awsGroup) bool { return g.ID != "" })
	tags := maps.Clone(a.Tags)
	delete(tags, "Name")
	return map[string]any{
		"Made":        made,
		"Present":     len(groups) > len(made),
		"Tags":        tags,
		"Name":        a.Tags["Name"],
		"Header":      header(p, "#"),
		"Description": awsDescription,
		"VPC":         a.VPC,
		"Groups":      groups,
	}
}

// awsDescription describes every security group, and the CloudFormation
// template. AWS cannot change a group's description (EC2 API, CreateSecurityGroup),
// so a tool replaces a group whose description differs: it is the same for all.
const awsDescription = "FTP control and passive ports by pasvctl"

// awsText keeps a text within what AWS takes as the description of a group or
// a rule: at most 255 characters of a small set.
func awsText(s string) string {
	const others = " ._-:/()#,@[]+=&;{}!$*"
	s = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune(others, r):
			return r
		}
		return '-'
	}, s)
	if len(s) > 255 {
		s = s[:252] + "..."
	}
	return s
}
