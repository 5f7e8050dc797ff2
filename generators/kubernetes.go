package generators

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "kubernetes", New: func() Target {
		return &kubernetes{Expose: "load_balancer", Balancer: "any", NetworkPolicy: true, Replicas: 1, Storage: "10Gi"}
	}, Settings: append([]spec.Argument{
		{Name: "expose", Type: spec.Word, Words: []string{"host_network", "load_balancer", "node_port"}, Default: "load_balancer", Example: `"host_network"`,
			Doc: "How clients reach a site: by a Service of type LoadBalancer, by one of type NodePort, for which all ports are placed within 30000-32767, or in the network of the node."},
		{Name: "balancer", Type: spec.Word, Words: []string{"any", "aws", "azure", "gcp", "other"}, Default: "any", Example: `"other"`,
			Doc: "Whose load balancer it is, for its limits; any warns of the narrowest."},
		{Name: "namespace", Type: spec.Text, Otherwise: "kubectl's", Limit: "a DNS label", Example: `"ftp"`,
			Doc: "Namespace of all objects."},
		{Name: "annotations", Type: spec.Texts, Otherwise: "none", Example: `{ "metallb.io/address-pool" = "ftp" }`,
			Doc: "Annotations of the Services, such as a balancer's."},
		{Name: "selectors", Type: spec.TextLists, Otherwise: "pods of pasvctl's Deployment", Limit: "labels KEY=VALUE by the sites' names", Example: `{ downloads = ["app.kubernetes.io/name=sftpgo"] }`,
			Doc: "Labels of pods that run a site already. There is no Deployment for it then."},
		{Name: "network_policy", Type: spec.Bool, Default: true, Example: "false",
			Doc: "Write a NetworkPolicy with the site's clients. It needs a network plugin that heeds endPort, and means nothing in the network of the node."},
		{Name: "replicas", Type: spec.Whole, Least: 1, Most: 1000, Default: 1, Unit: "pods", Example: "1",
			Doc: "Pods of a site: 1. Another number is refused with the reason."},
		{Name: "nodes", Type: spec.Texts, Otherwise: "the hosts' names, and any with load_balancer", Limit: "by the hosts' names", Example: `{ edge1 = "node-7.example.net" }`,
			Doc: "Nodes that the hosts are, by their label kubernetes.io/hostname. With load_balancer only pods of hosts that are named here stay on one."},
		{Name: "storage", Type: spec.Text, Default: "10Gi", Limit: "a quantity, like 10Gi", Example: `"200Gi"`,
			Doc: "Size of the volume for the files of the bundled daemon's users."},
	}, imageSettings...)})
}

// kubernetes renders the objects of each site (kubernetes.io, API reference of
// 1.37), as a base for kustomize.
type kubernetes struct {
	placed
	Expose        string              `hcl:"expose,optional"`
	Balancer      string              `hcl:"balancer,optional"`
	Namespace     string              `hcl:"namespace,optional"`
	Annotations   map[string]string   `hcl:"annotations,optional"`
	Selectors     map[string][]string `hcl:"selectors,optional"`
	NetworkPolicy bool                `hcl:"network_policy,optional"`
	Replicas      int                 `hcl:"replicas,optional"`
	Nodes         map[string]string   `hcl:"nodes,optional"`
	Storage       string              `hcl:"storage,optional"`
	Images        map[string]string   `hcl:"images,optional"`
	Environment   map[string]string   `hcl:"environment,optional"`
}

// nodePorts are the API server's default --service-node-port-range.
var nodePorts = spec.PortRange{First: 30000, Last: 32767}

func (k *kubernetes) within() spec.PortRange {
	if k.Expose == "node_port" {
		return nodePorts
	}
	return spec.PortRange{}
}

// Files renders DIR/HOST/kubernetes/SITE.yaml for each site, and a
// kustomization.yaml that names them.
func (k *kubernetes) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	diags := k.check(p)
	host := k.Expose == "host_network"
	all, more := imageChoice{k.placed, k.Images, k.Environment}.containers(p, host)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return nil, diags
	}
	var files []File
	for _, h := range p.Hosts {
		folder := h.Name + "/kubernetes/"
		var names []string
		for _, made := range all[h] {
			names = append(names, made.Site.Name+".yaml")
			files = append(files, render(folder+made.Site.Name+".yaml", "kubernetes/site.yaml.tmpl", k.objects(p, made)))
			diags = append(diags, k.limits(made)...)
		}
		files = append(files, render(folder+"kustomization.yaml", "kubernetes/kustomization.yaml.tmpl", map[string]any{"Header": header(p, "#"), "Names": names}))
	}
	return files, diags
}

type servicePort struct {
	Name             string
	Port, TargetPort uint16
}

// ports are the ports of a site's Service: a Service has no ranges. The data
// ports keep their numbers on the way, because the server names them to the client.
func (c *container) ports() []servicePort {
	all := []servicePort{{"ftp", c.Site.Port, c.Control}}
	for port := int(c.Data.First); port <= int(c.Data.Last); port++ {
		all = append(all, servicePort{fmt.Sprintf("pasv-%d", port), uint16(port), uint16(port)})
	}
	return all
}

// objects is what the template lays out of a site.
func (k *kubernetes) objects(p *plan.Plan, c container) map[string]any {
	site := c.Site
	labels := [][2]string{{"app.kubernetes.io/name", "ftp"}, {"app.kubernetes.io/instance", "ftp-" + site.Name}}
	selector := labels
	foreign, has := k.Selectors[site.Name]
	if has {
		selector = nil
		for _, label := range foreign {
			key, value, _ := strings.Cut(label, "=")
			selector = append(selector, [2]string{key, value})
		}
	}
	clients := append(slices.Clone(site.Policy.Clients4), site.Policy.Clients6...)
	if everyoneOf(site) {
		clients = nil
	}
	node := k.Nodes[site.Host.Name]
	if node == "" && k.Expose != "load_balancer" {
		node = site.Host.Name
	}
	return map[string]any{
		"Header": header(p, "#"), "Line": siteLine(site), "C": c, "Name": "ftp-" + site.Name, "Site": site.Name,
		"Namespace": k.Namespace, "Labels": labels, "Selector": selector, "Annotations": k.Annotations,
		"Service": k.Expose != "host_network", "NodePort": k.Expose == "node_port", "Host": k.Expose == "host_network",
		"Ports": c.ports(), "Clients": texts(clients), "Policy": k.NetworkPolicy && k.Expose != "host_network",
		"V4": len(site.Policy.Addresses4) > 0, "V6": len(site.Policy.Addresses6) > 0,
		"Pods": !has && c.Image != "", "Node": node,
		"User": imageUser, "Files": imageFiles, "Spec": imageFolder, "Storage": k.Storage, "Certificates": c.secrets(),
	}
}

// everyoneOf reports whether a site leaves no client out.
func everyoneOf(s *plan.Site) bool {
	return (len(s.Policy.Addresses4) == 0 || everyone(s.Policy.Clients4)) && (len(s.Policy.Addresses6) == 0 || everyone(s.Policy.Clients6))
}

// mountedSecret is a folder with files of the Secret of a site's certificate.
type mountedSecret struct {
	Name, Folder string
	Items        [][2]string // key, file
}

// secrets are the folders of the certificate and its key, with the keys that a
// Secret of type kubernetes.io/tls has; one file for both is cert-manager's
// additional output CombinedPEM.
func (c *container) secrets() (all []mountedSecret) {
	for i, folder := range c.Folders {
		mounted := mountedSecret{Name: []string{"tls", "tls-key"}[i], Folder: folder}
		for _, item := range [][2]string{{"tls.crt", c.TLS.Certificate}, {"tls.key", c.TLS.Key}} {
			if path.Dir(item[1]) == folder {
				mounted.Items = append(mounted.Items, [2]string{item[0], path.Base(item[1])})
			}
		}
		if c.TLS.Certificate == c.TLS.Key {
			mounted.Items = [][2]string{{"tls-combined.pem", path.Base(c.TLS.Key)}}
		}
		all = append(all, mounted)
	}
	return all
}
