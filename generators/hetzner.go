package generators

import (
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "hetzner", New: func() Target { return &hetzner{} }, Settings: []spec.Argument{
		{Name: "label_selectors", Type: spec.Texts, Otherwise: "the firewalls are attached outside the module", Limit: "label selectors by the hosts' names", Example: `{ edge1 = "role=ftp" }`,
			Doc: "Label selector of the server that is a host: its firewall applies to the servers that match it."},
	}})
}

// hetzner renders one firewall of Hetzner Cloud for each host as a Terraform module
// (hetznercloud/hcloud, hcloud_firewall). A rule has one range and sources of both
// address families.
type hetzner struct {
	placed
	Selectors map[string]string `hcl:"label_selectors,optional"`
}

// The limits of a firewall (Hetzner Cloud API, Firewalls, and its FAQ).
const (
	hetznerRules     = 50
	hetznerEffective = 500 // each source of a rule counts
	hetznerNetworks  = 100 // in a rule
	hetznerText      = 255 // of a description
	hetznerName      = 128
)

var hetznerSelector = regexp.MustCompile(`^[A-Za-z0-9!(][A-Za-z0-9!=,()/._ -]{0,254}$`)

// Files renders DIR/hetzner/pasvctl.tf.
func (h *hetzner) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := h.hostSetting(p, "label_selectors", h.Selectors, hetznerSelector.MatchString, `a label selector, such as "role=ftp"`)
	if diags.HasErrors() {
		return nil, diags
	}
	var firewalls []map[string]any
	for _, host := range p.Hosts {
		var rules []portRule
		effective := 0
		for _, rule := range portRules(host) {
			if len(rule.Description) > hetznerText {
				rule.Description = rule.Description[:hetznerText-3] + "..."
			}
			for networks := range slices.Chunk(rule.From, hetznerNetworks) {
				rules = append(rules, portRule{rule.Ports, networks, rule.Description})
				effective += len(networks)
			}
		}
		if len(rules) == 0 {
			continue
		}
		if len(rules) > hetznerRules || effective > hetznerEffective {
			diags = append(diags, finding.PlatformLimit.Error(host.Sites[0].Ranges.Of("clients"),
				"Host %q needs %s with %s together, and a firewall of Hetzner takes %s with %s: for each site two rules, and each network counts in both. Name fewer and wider networks in clients, or spread the sites over more hosts.",
				host.Name, sizing.Plural(len(rules), "rule"), sizing.Plural(effective, "source"), sizing.Count(hetznerRules), sizing.Count(hetznerEffective)))
		}
		firewalls = append(firewalls, map[string]any{
			"Host": host.Name, "Name": cloudName(hetznerName, "", host.Name), "Selector": h.Selectors[host.Name], "Rules": rules,
		})
	}
	if diags.HasErrors() || len(firewalls) == 0 {
		return nil, diags
	}
	return []File{render("hetzner/pasvctl.tf", "hetzner/pasvctl.tf.tmpl", map[string]any{"Header": header(p, "#"), "Firewalls": firewalls})}, diags
}
