package generators

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "vars", New: func() Target { return &vars{Format: "yaml", Prefix: "pasvctl_"} }, Settings: []spec.Argument{
		{Name: "format", Type: spec.Word, Words: []string{"json", "yaml"}, Default: "yaml", Example: `"json"`,
			Doc: "What the variables are written as. Ansible, Puppet's hiera and Salt read both."},
		{Name: "prefix", Type: spec.Text, Limit: "lower-case letters, digits, _ and ::, at most 64, with _ or :: at the end", Default: "pasvctl_", Example: `"pasvctl::"`,
			Doc: "Start of both variables' names, host and sites. Puppet looks up the parameters of a class pasvctl under \"pasvctl::\"."},
	}})
}

// vars renders variables for configuration management, a file for each host:
// host_vars of Ansible (docs.ansible.com, "How to build your inventory"), data of
// Puppet's hiera, pillar of Salt. Their names are those of a template's data,
// in lower case, and as stable.
type vars struct {
	Format string `hcl:"format,optional"`
	Prefix string `hcl:"prefix,optional"`

	PrefixRange hcl.Range `hcl:"prefix,attr_value_range"`
}

var varsPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]*(::[a-z][a-z0-9_]*)*(_|::)$`)

// Files renders DIR/vars/HOST.yaml, or .json, for each host.
func (v *vars) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	if !varsPrefix.MatchString(v.Prefix) || len(v.Prefix) > 64 {
		return nil, hcl.Diagnostics{finding.InvalidSetting.Error(&v.PrefixRange,
			"prefix is %q. Write lower-case letters, digits and underscores that end in _ or ::, such as \"pasvctl_\" for Ansible and Salt or \"pasvctl::\" for Puppet.", v.Prefix)}
	}
	files := make([]File, len(p.Hosts))
	for i, host := range p.Hosts {
		sites := map[string]any{}
		for _, site := range host.Sites {
			data := siteData(site)
			// How the range was planned is no setting.
			for _, name := range []string{"Pinned", "Binding", "Refused"} {
				delete(data, name)
			}
			sites[site.Name] = lowerNames(data)
		}
		data := map[string]any{
			"name": host.Name, "interface": host.Interface, "addresses": texts(host.Addresses),
			"ip_local_reserved_ports": portList(reservations(host)),
		}
		path := "vars/" + host.Name + "." + v.Format
		if v.Format == "yaml" {
			files[i] = render(path, "vars/host.yaml.tmpl", map[string]any{
				"Header": header(p, "#"), "Prefix": v.Prefix, "Host": data, "Sites": sites,
			})
			continue
		}
		content, err := json.MarshalIndent(map[string]any{v.Prefix + "host": data, v.Prefix + "sites": sites}, "", "  ")
		if err != nil {
			panic(err) // texts, integers and booleans always marshal
		}
		files[i] = File{Path: path, Content: append(content, '\n')}
	}
	return files, nil
}

// lowerNames writes the names of a template's data as variables are written:
// ControlPort is control_port, TLS is tls.
func lowerNames(data map[string]any) map[string]any {
	lower := map[string]any{}
	for name, value := range data {
		if inner, ok := value.(map[string]any); ok {
			value = lowerNames(inner)
		}
		lower[strings.ToLower(wordStart.ReplaceAllString(name, "${1}_${2}"))] = value
	}
	return lower
}

var wordStart = regexp.MustCompile(`([a-z])([A-Z])`)
