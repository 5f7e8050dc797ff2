package generators

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Names as the API server takes them (kubernetes.io, "Object Names and IDs",
// "Labels and Selectors").
var (
	dnsLabel      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	qualifiedName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue    = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	quantity      = regexp.MustCompile(`^[1-9][0-9]{0,11}[KMGTP]i$`)
)

// check looks at the block's own settings, and at what node ports ask of the sites.
func (k *kubernetes) check(p *plan.Plan) (diags hcl.Diagnostics) {
	if k.Replicas != 1 {
		diags = append(diags, finding.ReplicasSplit.Error(k.at.Of("replicas"),
			"replicas is %d, but a Service keeps a client's affinity for each of its ports, so a data connection may go to another pod than its control connection. "+
				"Write replicas = 1, and for more capacity further sites, each with a Service and a range of its own.", k.Replicas))
	}
	if k.Namespace != "" && !dnsLabel.MatchString(k.Namespace) {
		diags = append(diags, k.wrong("namespace", "namespace is %q. Write small letters, digits and hyphens, at most 63, such as \"ftp\".", k.Namespace))
	}
	if !quantity.MatchString(k.Storage) {
		diags = append(diags, k.wrong("storage", "storage is %q. Write a size such as \"10Gi\".", k.Storage))
	}
	for _, key := range slices.Sorted(maps.Keys(k.Annotations)) {
		if name := key[strings.LastIndex(key, "/")+1:]; !qualifiedName.MatchString(key) || len(key)-len(name) > 254 {
			diags = append(diags, k.wrong("annotations", "%q is not the key of an annotation, such as \"metallb.io/address-pool\".", key))
		}
	}
	sites, hosts := siteNames(p), hostNames(p)
	for _, name := range slices.Sorted(maps.Keys(k.Nodes)) {
		if !slices.Contains(hosts, name) {
			diags = append(diags, k.wrong("nodes", "nodes names host %q, which has no sites here. %s", name, choices(name, hosts)))
		} else if node := k.Nodes[name]; node == "" || !labelValue.MatchString(node) {
			diags = append(diags, k.wrong("nodes", "%q is not the name of a node: `kubectl get nodes -L kubernetes.io/hostname` lists them.", node))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Selectors)) {
		if !slices.Contains(sites, name) {
			diags = append(diags, k.wrong("selectors", "selectors names site %q, which is not in the spec. %s", name, choices(name, sites)))
		}
		keys := map[string]bool{}
		for _, label := range k.Selectors[name] {
			key, value, is := strings.Cut(label, "=")
			if !is || keys[key] || !qualifiedName.MatchString(key) || !labelValue.MatchString(value) {
				diags = append(diags, k.wrong("selectors", "%q is not a label, such as \"app.kubernetes.io/name=sftpgo\", or its key is there twice.", label))
			}
			keys[key] = true
		}
		if len(keys) == 0 {
			diags = append(diags, k.wrong("selectors", "Site %q has no selectors, which would select no pod. Name a label of its pods, or remove the site.", name))
		}
	}
	return append(diags, k.checkNodePorts(p)...)
}

// checkNodePorts finds ports that no Service of type NodePort can have.
func (k *kubernetes) checkNodePorts(p *plan.Plan) (diags hcl.Diagnostics) {
	if k.Expose != "node_port" {
		return nil
	}
	owner := map[uint16]string{}
	for _, s := range p.Sites {
		if !nodePorts.Contains(s.Port) {
			diags = append(diags, finding.NodePortOutside.Error(s.Ranges.Of("port"),
				"Site %q has the control port %d, and a node port is within %s. Write port = %d, which clients then connect to, or expose = \"load_balancer\".",
				s.Name, s.Port, nodePorts, int(nodePorts.First)+int(s.Port)%(nodePorts.Count())))
		} else if owner[s.Port] != "" {
			diags = append(diags, finding.NodePortOutside.Error(s.Ranges.Of("port"),
				"Sites %q and %q have the control port %d, and a cluster has each node port once. Give one of them another port.", owner[s.Port], s.Name, s.Port))
		}
		owner[s.Port] = s.Name
		if s.Pinned && !(nodePorts.Contains(s.DataPorts.First) && nodePorts.Contains(s.DataPorts.Last)) {
			diags = append(diags, finding.NodePortOutside.Error(s.Ranges.Of("data_ports"),
				"Site %q pins %s, and node ports are within %s. Remove data_ports, or pin a range there.", s.Name, s.DataPorts, nodePorts))
		}
	}
	return diags
}

// The limits of balancers: Elastic Load Balancing quotas, "Listeners per Network
// Load Balancer", which AWS does not raise; Azure subscription limits, load
// balancer rules per NIC; GKE, forwarding rules with more than 5 ports.
const (
	awsListeners   = 50
	azureListeners = 300
	gcpPorts       = 5
	maxAnnotations = 256 << 10 // of all annotations of an object (apimachinery, TotalAnnotationSizeLimitB)
)

// limits reports what a balancer or kubectl does not take of a site.
func (k *kubernetes) limits(c container) (diags hcl.Diagnostics) {
	site, ports := c.Site, c.ports()
	at := site.Ranges.Of("concurrency.sessions")
	if site.Pinned {
		at = site.Ranges.Of("data_ports")
	}
	const remedy = "Lower concurrency.sessions, or run the bundled daemon with tls { required = true }, which needs one data port."
	count := sizing.Plural(len(ports), "port")
	if k.Expose == "host_network" {
		return nil
	}
	if len(ports) > nodePorts.Count() {
		return hcl.Diagnostics{finding.PlatformLimit.Error(at, "The Service of site %q has %s, and takes a node port for each, of which a cluster has %s. %s",
			site.Name, count, sizing.Count(nodePorts.Count()), remedy)}
	}
	if k.Expose == "load_balancer" {
		switch {
		case k.Balancer == "aws" && len(ports) > awsListeners:
			diags = append(diags, finding.PlatformLimit.Error(at, "The Service of site %q has %s, and a Network Load Balancer of AWS has at most %d listeners. %s", site.Name, count, awsListeners, remedy))
		case k.Balancer == "azure" && len(ports) > azureListeners:
			diags = append(diags, finding.PlatformLimit.Error(at, "The Service of site %q has %s, and Azure has at most %d load balancing rules for a network interface. %s", site.Name, count, azureListeners, remedy))
		case k.Balancer == "gcp" && len(ports) > gcpPorts:
			diags = append(diags, finding.PlatformLimit.Warning(at, "The Service of site %q has %s, and a forwarding rule of Google Cloud names at most %d: the balancer then forwards all ports from the lowest to the highest. %s", site.Name, count, gcpPorts, remedy))
		case k.Balancer == "any" && len(ports) > awsListeners:
			diags = append(diags, finding.PlatformLimit.Warning(at, "The Service of site %q has %s. A Network Load Balancer of AWS has at most %d listeners, and others have limits, too. %s Name the balancer in target \"kubernetes\", or balancer = \"other\".", site.Name, count, awsListeners, remedy))
		}
	}
	size := 0
	for key, value := range k.Annotations {
		size += len(key) + len(value)
	}
	// kubectl apply puts the Service, annotations included, into one more annotation.
	if text, _ := json.Marshal(map[string]any{"annotations": k.Annotations, "ports": k.applied(ports)}); size+len(text)+1024 > maxAnnotations {
		where := at
		if size > len(text)/2 {
			where = k.at.Of("annotations")
		}
		diags = append(diags, finding.PlatformLimit.Error(where, "kubectl apply copies the Service of site %q into an annotation, and with the others it has %s, more than the %s that an object takes. Shorten the annotations. %s",
			site.Name, sizing.Plural(size+len(text), "byte"), sizing.Count(maxAnnotations), remedy))
	}
	return diags
}

// applied are the ports as kubectl writes them.
func (k *kubernetes) applied(ports []servicePort) (all []map[string]any) {
	for _, p := range ports {
		port := map[string]any{"name": p.Name, "port": p.Port, "targetPort": p.TargetPort, "protocol": "TCP"}
		if k.Expose == "node_port" {
			port["nodePort"] = p.Port
		}
		all = append(all, port)
	}
	return all
}
