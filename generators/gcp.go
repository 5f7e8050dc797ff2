package generators

import (
	"maps"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "gcp", New: func() Target { return &gcp{Format: "terraform", Priority: 1000} }, Settings: []spec.Argument{
		{Name: "format", Type: spec.Word, Words: slices.Sorted(maps.Keys(gcpFiles)), Default: "terraform", Example: `"gcloud"`,
			Doc: "What the rules are written for: a script of gcloud commands, which may run again, or a Terraform module."},
		{Name: "network", Type: spec.Text, Otherwise: "the files ask for it", Limit: "the name of a VPC network, or its path", Example: `"prod"`,
			Doc: "VPC network of the rules. That of another project is written as projects/PROJECT/global/networks/NAME."},
		{Name: "project", Type: spec.Text, Otherwise: "the provider's, or gcloud's current one", Limit: "the id of a project", Example: `"transfer-4711"`,
			Doc: "Project of the rules."},
		{Name: "target_tags", Type: spec.Texts, Otherwise: "pasvctl-HOST", Limit: "network tags by the hosts' names", Example: `{ edge1 = "ftp" }`,
			Doc: "Network tag of the instance that is a host: its rules apply to the instances that have it."},
		{Name: "target_service_accounts", Type: spec.Texts, Otherwise: "rules go by tags", Limit: "service accounts by the hosts' names", Example: `{ edge1 = "ftp@prod-1.iam.gserviceaccount.com" }`,
			Doc: "Service account of the instance that is a host, in place of a tag, which anybody who may edit the instance can set."},
		{Name: "priority", Type: spec.Whole, Least: 0, Most: 65535, Default: 1000, Example: "900",
			Doc: "Priority of all rules. Of two rules that match a packet, the one with the lower number decides, and of equal ones a deny."},
		{Name: "rules_per_project", Type: spec.Whole, Least: 1, Most: 100000, Otherwise: "not checked", Unit: "rules", Example: "500",
			Doc: "The project's quota of VPC firewall rules that is left for these."},
	}})
}

// gcp renders VPC firewall rules (Compute Engine API v1, firewalls): one for each
// site and address family, since the source ranges of a rule are of one family.
type gcp struct {
	placed
	Format          string            `hcl:"format,optional"`
	Network         string            `hcl:"network,optional"`
	Project         string            `hcl:"project,optional"`
	Tags            map[string]string `hcl:"target_tags,optional"`
	Accounts        map[string]string `hcl:"target_service_accounts,optional"`
	Priority        int               `hcl:"priority,optional"`
	RulesPerProject int               `hcl:"rules_per_project,optional"`
}

// gcpFiles are the template and the file of each format.
var gcpFiles = map[string][2]string{
	"gcloud":    {"gcp/pasvctl.sh.tmpl", "gcp/pasvctl.sh"},
	"terraform": {"gcp/pasvctl.tf.tmpl", "gcp/pasvctl.tf"},
}

const (
	gcpName     = 63   // RFC 1035, as the API's pattern of a firewall's name
	gcpNetworks = 5000 // in a rule ("Cloud NGFW quotas", Per rule)
	// gcpWord is the longest argument of a program on Linux (MAX_ARG_STRLEN), in bytes.
	gcpWord = 131_071
)

var (
	gcpLabel   = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	gcpNetwork = regexp.MustCompile(`^((https://www\.googleapis\.com/compute/v1/)?projects/[a-z0-9.:-]{1,100}/global/networks/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	gcpProject = regexp.MustCompile(`^([a-z0-9.-]{1,64}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	gcpAccount = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}@[a-z0-9.-]{1,200}$`)
)

// gcpRule is a firewall rule. It has a tag or a service account.
type gcpRule struct {
	cloudRule
	Name, Tag, Account string
}

// Files renders DIR/gcp/pasvctl.tf or DIR/gcp/pasvctl.sh.
func (g *gcp) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := g.check(p)
	if diags.HasErrors() {
		return nil, diags
	}
	var rules []gcpRule
	for _, host := range p.Hosts {
		for _, rule := range cloudRules(host) {
			named := gcpRule{cloudRule: rule, Name: cloudName(gcpName, "-"+rule.Suffix, host.Name, rule.Site.Name), Account: g.Accounts[host.Name]}
			if named.Account == "" {
				named.Tag = g.tag(host.Name)
			}
			rules = append(rules, named)
			if len(rule.From) > gcpNetworks {
				diags = append(diags, tooManyNetworks(rule, len(rule.From), gcpNetworks, "a firewall rule of Google Cloud"))
			} else if n := len("--source-ranges=") + len(spec.Join(rule.From, ",")); g.Format == "gcloud" && n > gcpWord {
				diags = append(diags, finding.PlatformLimit.Error(g.at.Of("format"),
					"The %s networks of site %q make an argument of %s, and Linux gives a program at most %s. Use the format \"terraform\", or name fewer networks in clients.",
					rule.Family, rule.Site.Name, sizing.Plural(n, "byte"), sizing.Count(gcpWord)))
			}
		}
	}
	if g.RulesPerProject > 0 && len(rules) > g.RulesPerProject {
		diags = append(diags, finding.PlatformLimit.Error(g.at.Of("rules_per_project"),
			"The plan needs %s, one for each site and address family, and the project has %s left. Have the quota raised, or put fewer sites into the spec.",
			sizing.Plural(len(rules), "firewall rule"), sizing.Count(g.RulesPerProject)))
	}
	if diags.HasErrors() || len(rules) == 0 {
		return nil, diags
	}
	return []File{render(gcpFiles[g.Format][1], gcpFiles[g.Format][0], map[string]any{
		"Header": header(p, "#"), "Network": g.Network, "Project": g.Project, "Priority": g.Priority,
		"Rules": rules, "Accounts": len(g.Accounts) > 0,
	})}, diags
}

func (g *gcp) tag(host string) string {
	if tag := g.Tags[host]; tag != "" {
		return tag
	}
	return cloudName(gcpName, "", host)
}

func (g *gcp) check(p *plan.Plan) hcl.Diagnostics {
	tags := maps.Clone(g.Tags)
	for _, host := range p.Hosts {
		if g.Accounts[host.Name] == "" && len(g.Tags) > 0 {
			tags[host.Name] = g.tag(host.Name)
		}
	}
	diags := append(
		g.hostSetting(p, "target_tags", tags, gcpLabel.MatchString,
			`a network tag: 1 to 63 lower-case letters, digits and "-", which starts with a letter and does not end with "-"`),
		g.hostSetting(p, "target_service_accounts", g.Accounts, gcpAccount.MatchString,
			`a service account, such as "ftp@transfer-4711.iam.gserviceaccount.com"`)...)
	for _, host := range slices.Sorted(maps.Keys(g.Accounts)) {
		if g.Tags[host] != "" {
			diags = append(diags, g.wrong("target_service_accounts", "Host %q has a tag and a service account, and a rule goes by one of them. Remove it from target_tags or from target_service_accounts.", host))
		}
	}
	if g.Network != "" && !gcpNetwork.MatchString(g.Network) {
		diags = append(diags, g.wrong("network", `%q is not a VPC network, such as "prod" or "projects/transfer-4711/global/networks/prod". Without network the files ask for it.`, g.Network))
	}
	if g.Project != "" && !gcpProject.MatchString(g.Project) {
		diags = append(diags, g.wrong("project", `%q is not the id of a project, such as "transfer-4711".`, g.Project))
	}
	return diags
}
