package generators

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "vars", New: func() Target { return &vars{Format: "yaml", Prefix: "pasvctl_"} }, Settings: []spec.Argument{
		{Name: "format", Type: spec.Word, Words: []string{"json", "yaml"}, Default: "yaml", Example: `"json"`,
			Doc: "What the variables are written as. Ansible, Puppet's hiera and Salt read both."},
		{Name: "prefix", Type: spec.Text, Limit: "lower-case letters, digits, _ and ::, at most 64, with _ or :: at the end", Default: "pasvctl_", Example: `"pasvctl::"`,
			Doc: "Start of the variables' names, host, sites and gateway. Puppet looks up the parameters of a class pasvctl under \"pasvctl::\"."},
	}})
}

// vars renders variables for configuration management, a file for each host and gateway:
// host_vars of Ansible (docs.ansible.com, "How to build your inventory"), data of
// Puppet's hiera, pillar of Salt. Their names are those of a template's data,
// in lower case, and as stable.
type vars struct {
	placed
	Format string `hcl:"format,optional"`
	Prefix string `hcl:"prefix,optional"`
}

var varsPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]*(::[a-z][a-z0-9_]*)*(_|::)$`)

// Files renders DIR/vars/NAME.yaml, or .json, for each host and gateway.
func (v *vars) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	if !varsPrefix.MatchString(v.Prefix) || len(v.Prefix) > 64 {
		return nil, hcl.Diagnostics{v.wrong("prefix", "prefix is %q. Write lower-case letters, digits and underscores that end in _ or ::, such as \"pasvctl_\" for Ansible and Salt or \"pasvctl::\" for Puppet.", v.Prefix)}
	}
	var files []File
	for _, host := range p.Hosts {
		sites := map[string]any{}
		for _, site := range host.Sites {
			data := siteData(site)
			// How the range was planned is no setting.
			for _, name := range []string{"Pinned", "Binding", "Refused"} {
				delete(data, name)
			}
			sites[site.Name] = lowerNames(data)
		}
		files = append(files, v.file(p, host.Name, map[string]any{"host": map[string]any{
			"name": host.Name, "interface": host.Interface, "addresses": texts(host.Addresses),
			"ip_local_reserved_ports": portList(reservations(host)),
		}, "sites": sites}))
	}
	for _, gateway := range p.Gateways {
		files = append(files, v.file(p, gateway.Name, map[string]any{"gateway": lowerNames(gatewayData(gateway))}))
	}
	return files, nil
}

func (v *vars) file(p *plan.Plan, machine string, variables map[string]any) File {
	named := map[string]any{}
	for name, value := range variables {
		named[v.Prefix+name] = value
	}
	path := "vars/" + machine + "." + v.Format
	if v.Format == "yaml" {
		return render(path, "vars/machine.yaml.tmpl", map[string]any{"Header": header(p, "#"), "Variables": named})
	}
	content, err := json.MarshalIndent(named, "", "  ")
	if err != nil {
		panic(err) // texts, integers and booleans always marshal
	}
	return File{Path: path, Content: append(content, '\n')}
}

// lowerNames writes the names of a template's data as variables are written:
// ControlPort is control_port, TLS is tls.
func lowerNames(data map[string]any) map[string]any {
	lower := map[string]any{}
	for name, value := range data {
		switch inner := value.(type) {
		case map[string]any:
			value = lowerNames(inner)
		case []any:
			all := []any{}
			for _, each := range inner {
				if dict, ok := each.(map[string]any); ok {
					each = lowerNames(dict)
				}
				all = append(all, each)
			}
			value = all
		}
		lower[strings.ToLower(wordStart.ReplaceAllString(name, "${1}_${2}"))] = value
	}
	return lower
}

var wordStart = regexp.MustCompile(`([a-z])([A-Z])`)
