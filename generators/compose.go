package generators

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "compose", New: func() Target {
		return &compose{Network: "bridge", Forwarding: "both", Spec: imageFolder}
	}, Settings: append([]spec.Argument{
		{Name: "network", Type: spec.Word, Words: []string{"bridge", "host"}, Default: "bridge", Example: `"host"`,
			Doc: "Network of the containers: one of their own, whose ports Docker publishes, or the host's, which costs nothing and sees the clients' addresses."},
		{Name: "forwarding", Type: spec.Word, Words: []string{"both", "proxy", "rules"}, Default: "both", Example: `"rules"`,
			Doc: "How the engine forwards published ports: by firewall rules and a docker-proxy process for each port and address (Docker's default), by the proxy alone (rootless Docker, Docker Desktop, \"iptables\": false), which hides the clients' addresses, or by rules alone (\"userland-proxy\": false)."},
		{Name: "spec", Type: spec.Text, Default: imageFolder, Limit: "absolute, or from the Compose file's folder, of letters, digits and _ . @ + , = : -", Example: `"/srv/pasvctl"`,
			Doc: "Folder on the host with the spec, its lock and the files SITE.users, for the bundled daemon."},
	}, imageSettings...)})
}

// compose renders a Compose file for each host (compose-spec.io), and what its
// owner may load into Docker's chain DOCKER-USER.
type compose struct {
	placed
	Network     string            `hcl:"network,optional"`
	Forwarding  string            `hcl:"forwarding,optional"`
	Spec        string            `hcl:"spec,optional"`
	Images      map[string]string `hcl:"images,optional"`
	Environment map[string]string `hcl:"environment,optional"`
}

// specFolder are paths that Compose takes for a folder of the host, without variables.
var specFolder = regexp.MustCompile(`^(\.{0,2}(/[A-Za-z0-9_.@+,=:-]+)+|\.{1,2})$`)

// manyPorts is from how many ports on the proxies of a site are worth a warning.
const manyPorts = 100

// Files renders DIR/HOST/compose.yaml; if Docker forwards the ports by rules, also
// docker-user.v4 and docker-user.v6 for iptables-restore and their ipset.
func (c *compose) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	host := c.Network == "host"
	all, diags := imageChoice{c.placed, c.Images, c.Environment}.containers(p, host)
	if !specFolder.MatchString(c.Spec) {
		diags = append(diags, c.wrong("spec", "spec is %q. Write the path of the folder on the host, absolute or from the Compose file's folder, such as \"/etc/pasvctl\" or \"../..\".", c.Spec))
	}
	if diags.HasErrors() {
		return nil, diags
	}
	var files []File
	for _, h := range p.Hosts {
		var services []map[string]any
		for _, made := range all[h] {
			if !host {
				diags = append(diags, c.proxied(made)...)
			}
			services = append(services, c.service(made))
		}
		files = append(files, render(h.Name+"/compose.yaml", "compose/compose.yaml.tmpl", map[string]any{
			"Header": header(p, "#"), "Services": services, "Host": host, "Spec": c.Spec, "Rules": !host && c.Forwarding != "proxy",
			"IPv6": !host && c.Forwarding != "proxy" && slices.ContainsFunc(h.Sites, func(s *plan.Site) bool { return len(s.Policy.Addresses6) > 0 }),
		}))
		if !host && c.Forwarding != "proxy" {
			files = append(files, dockerUser(p, h)...)
		}
	}
	return files, diags
}

// dockerUser renders the policy of a host's sites for DOCKER-USER. Published
// ports never reach INPUT: they are in FORWARD, after Docker's DNAT, where only
// conntrack knows to which address and port they came
// (docs.docker.com, "Docker with iptables").
func dockerUser(p *plan.Plan, h *plan.Host) []File {
	v4, v6 := newIptView(p, h, false), newIptView(p, h, true)
	for _, view := range []*iptView{v4, v6} {
		view.Docker = true
		for _, site := range view.Sites {
			site.ControlChain, site.DataChain = strings.TrimSuffix(site.ControlChain, "c")+"uc", strings.TrimSuffix(site.DataChain, "d")+"ud"
		}
	}
	return []File{
		render(h.Name+"/docker-user.v4", "iptables/filter.tmpl", v4),
		render(h.Name+"/docker-user.v6", "iptables/filter.tmpl", v6),
		render(h.Name+"/docker-user.ipset", "iptables/ipset.tmpl", map[string]any{"Header": v4.Header, "Docker": true, "Families": []*iptView{v4, v6}}),
	}
}

// proxied reports what docker-proxy does to a site.
func (c *compose) proxied(made container) (diags hcl.Diagnostics) {
	site := made.Site
	if ports := site.DataPorts.Count(); ports > manyPorts && c.Forwarding != "rules" {
		attr := "concurrency.sessions"
		if site.Pinned {
			attr = "data_ports"
		}
		diags = append(diags, finding.ManyProxies.Warning(site.Ranges.Of(attr),
			"Site %q publishes %s on %s, and Docker starts a docker-proxy process for each port and address: %s. "+
				"Write network = \"host\" in target \"compose\", or set \"userland-proxy\": false in the engine's daemon.json and write forwarding = \"rules\".",
			site.Name, sizing.Plural(ports, "data port"), sizing.Plural(len(site.Addresses), "address"), sizing.Plural((ports+1)*len(site.Addresses), "process")))
	}
	if c.Forwarding != "proxy" {
		return diags
	}
	if made.Own && !slices.Contains(site.Clients, netip.PrefixFrom(netip.IPv4Unspecified(), 0)) {
		diags = append(diags, finding.ClientsHidden.Error(site.Ranges.Of("clients"),
			"Behind docker-proxy the daemon of site %q sees the proxy's address for every client, which is outside of clients, and refuses them all. "+
				"Write network = \"host\" in target \"compose\", or remove clients and let the host's firewall admit them.", site.Name))
	}
	if site.SessionsPerAddress < site.Sessions {
		diags = append(diags, finding.ClientsHidden.Warning(site.Ranges.Of("concurrency.sessions_per_address"),
			"Behind docker-proxy the server of site %q sees one address for all clients, so its cap of %s an address is a cap for all, and the range is computed for fewer sessions of one address than there are. "+
				"Write network = \"host\" in target \"compose\", or sessions_per_address = %d.", site.Name, sizing.Plural(site.SessionsPerAddress, "session"), site.Sessions))
	}
	return diags
}

// service is what the template lays out of a container.
func (c *compose) service(made container) map[string]any {
	image := made.Image
	if image == "" {
		name := strings.ToUpper(strings.ReplaceAll(made.Site.Name, "-", "_")) + "_IMAGE"
		image = "${" + name + ":?name the image that runs site " + made.Site.Name + "}"
	}
	var env []string
	for _, e := range made.Env {
		env = append(env, e[0]+"="+e[1])
	}
	ports := made.Data.String()
	var data []string
	for _, at := range bracketed(made.Site.Addresses) {
		data = append(data, fmt.Sprintf("%s:%s:%s/tcp", at, ports, ports))
	}
	return map[string]any{
		"C": made, "Name": made.Site.Name, "Line": siteLine(made.Site), "Image": image, "Command": made.Command, "Env": env,
		"User": imageUser, "Files": imageFiles, "Data": data, "Addresses": texts(made.Site.Addresses),
		"Proxies": (made.Data.Count() + 1) * len(made.Site.Addresses), "Proxy": c.Forwarding != "rules",
	}
}
