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
	register(Kind{Name: "digitalocean", New: func() Target { return &digitalOcean{Outbound: "all"} }, Settings: []spec.Argument{
		{Name: "tags", Type: spec.Texts, Otherwise: "the module makes pasvctl-HOST", Limit: "existing tags by the hosts' names", Example: `{ edge1 = "ftp" }`,
			Doc: "Tag of the Droplet that is a host: its firewall applies to the Droplets that have it."},
		{Name: "outbound", Type: spec.Word, Words: []string{"all", "none"}, Default: "all", Example: `"none"`,
			Doc: "What the firewalls let out. A Droplet whose firewalls have no outbound rule can open no connection: write \"none\" if another firewall has some."},
	}})
}

// digitalOcean renders one cloud firewall for each host as a Terraform module
// (digitalocean/digitalocean, digitalocean_firewall). A rule has one range and
// sources of both address families.
type digitalOcean struct {
	placed
	Tags     map[string]string `hcl:"tags,optional"`
	Outbound string            `hcl:"outbound,optional"`
}

// doRules is how many rules a firewall has, inbound and outbound ("Cloud Firewalls
// Limits"), and doOutbound those that let everything out.
const (
	doRules    = 50
	doOutbound = 3
	doName     = 255
)

var doTag = regexp.MustCompile(`^[A-Za-z0-9:_-]{1,255}$`)

// Files renders DIR/digitalocean/pasvctl.tf.
func (d *digitalOcean) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := d.hostSetting(p, "tags", d.Tags, doTag.MatchString, `a tag: 1 to 255 letters, digits, ":", "_" and "-"`)
	if diags.HasErrors() {
		return nil, diags
	}
	var firewalls []map[string]any
	for _, host := range p.Hosts {
		rules := portRules(host)
		if len(rules) == 0 {
			continue
		}
		room := doRules
		if d.Outbound == "all" {
			room -= doOutbound
		} else if len(activeNetworks(host)) > 0 {
			room--
		}
		if len(rules) > room {
			diags = append(diags, finding.PlatformLimit.Error(host.Ranges.Of(""),
				"Host %q needs %s, two for each site, and a firewall of DigitalOcean takes %s besides its outbound rules: %s. Spread the sites over more hosts.",
				host.Name, sizing.Plural(len(rules), "inbound rule"), sizing.Count(room), sizing.Plural(room/2, "site")))
		}
		firewalls = append(firewalls, map[string]any{
			"Host": host.Name, "Name": cloudName(doName, "", host.Name), "Tag": d.Tags[host.Name], "Rules": rules,
			"Active": activeNetworks(host), "ActiveTo": plan.ActiveTo,
		})
	}
	if diags.HasErrors() || len(firewalls) == 0 {
		return nil, diags
	}
	return []File{render("digitalocean/pasvctl.tf", "digitalocean/pasvctl.tf.tmpl", map[string]any{
		"Header": header(p, "#"), "Firewalls": firewalls, "Outbound": d.Outbound == "all",
	})}, diags
}
