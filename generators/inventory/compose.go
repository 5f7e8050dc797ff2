package inventory

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsCompose, readCompose}) }

var composeLine = regexp.MustCompile(`(?m)^services:`)

// tellsCompose is surer than the reader of a command, which a service may have.
func tellsCompose(text []byte) int { return 1000 * matches(composeLine, text) }

// maxCompose is how long a compose file may be, in bytes: a parsed one takes
// many times that.
const maxCompose = 1 << 20

// readCompose reads the published ports of compose.yaml: a firewall for each
// service that has some.
func readCompose(in *input) error {
	if len(in.text) > maxCompose {
		return fmt.Errorf("%s: it is longer than a compose file", in.at(0))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(in.text, &doc); err != nil {
		return fmt.Errorf("%s: it is not YAML: %s", in.at(0), strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil
	}
	services := child(doc.Content[0], "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return fmt.Errorf("%s: services is not a mapping", in.at(0))
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		in.service(services.Content[i].Value, aliased(services.Content[i+1]))
	}
	return nil
}

// aliased is the node that an alias names.
func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// child is the value of a key of a mapping, or of one that it merges; nil if
// there is none.
func child(n *yaml.Node, key string) *yaml.Node { return childWithin(n, key, 8) }

func childWithin(n *yaml.Node, key string, depth int) *yaml.Node {
	if n = aliased(n); n.Kind != yaml.MappingNode || depth == 0 {
		return nil
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return aliased(n.Content[i+1])
		}
		if n.Content[i].Value == "<<" && merged == nil {
			merged = childWithin(n.Content[i+1], key, depth-1)
		}
	}
	return merged
}

func scalar(n *yaml.Node, key string) string {
	if c := child(n, key); c != nil && c.Kind == yaml.ScalarNode {
		return c.Value
	}
	return ""
}

func (in *input) service(name string, n *yaml.Node) {
	list := child(n, "ports")
	if list == nil {
		return
	}
	if scalar(n, "network_mode") == "host" {
		in.unread(in.at(list.Line), "ports of "+name, "with network_mode: host they have no effect")
		return
	}
	f := &Firewall{At: in.at(list.Line), Format: "compose", Name: name, IPv4: true, IPv6: true}
	in.Firewalls = append(in.Firewalls, f)
	for _, e := range list.Content {
		e = aliased(e)
		var o Opening
		var why string
		if e.Kind == yaml.MappingNode {
			o, why = longPort(e)
		} else {
			o, why = shortPort(e.Value)
		}
		o.At = in.at(e.Line)
		switch {
		case why != "":
			in.unread(o.At, "ports of "+name, "%s", why)
		case o.Ports != spec.PortRange{}: // of TCP
			f.Openings = append(f.Openings, o)
		}
	}
}

// shortPort reads "[HOST:][PUBLISHED:]TARGET[/PROTOCOL]".
func shortPort(text string) (o Opening, why string) {
	if strings.Contains(text, "$") {
		return o, "it has a variable"
	}
	text, protocol, _ := strings.Cut(text, "/")
	host := ""
	if rest, bracketed := strings.CutPrefix(text, "["); bracketed {
		host, text, _ = strings.Cut(rest, "]:")
	} else if i := strings.LastIndex(text, ":"); i >= 0 {
		if j := strings.LastIndex(text[:i], ":"); j >= 0 {
			host, text = text[:j], text[j+1:]
		}
	}
	published, target, both := strings.Cut(text, ":")
	if !both || published == "" {
		return o, "the system chooses the port outside"
	}
	return publishedPort(host, published, target, protocol)
}

// longPort reads the mapping of a port.
func longPort(n *yaml.Node) (o Opening, why string) {
	host, published, target := scalar(n, "host_ip"), scalar(n, "published"), scalar(n, "target")
	switch {
	case strings.Contains(host+published+target, "$"):
		return o, "it has a variable"
	case published == "":
		return o, "the system chooses the port outside"
	case strings.Contains(published, "-") && !strings.Contains(target, "-"):
		return o, "it publishes any one port of a range"
	}
	return publishedPort(host, published, target, scalar(n, "protocol"))
}

func publishedPort(host, published, target, protocol string) (o Opening, why string) {
	if protocol != "" && protocol != "tcp" {
		return o, ""
	}
	var ok1, ok2 bool
	o.Ports, ok1 = spec.ParsePortRange(published)
	o.Inside, ok2 = spec.ParsePortRange(target)
	if !ok1 || !ok2 || o.Ports.First == 0 || o.Inside.First == 0 {
		return o, "it is not a range of ports"
	}
	if o.IPv4, o.IPv6 = true, true; host != "" {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return o, "its address is none"
		}
		if o.IPv4, o.IPv6 = a.Is4(), a.Is6(); !a.IsUnspecified() {
			o.Destinations = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
		}
	}
	return o, ""
}
