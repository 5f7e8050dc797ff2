package inventory

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsListeners, readListeners}) }

func tellsListeners(text []byte) int { return tellsJSON(text, "Listeners") }

// readListeners reads what aws elbv2 describe-listeners prints: a firewall for
// the load balancers, which opens the ports that have a listener.
func readListeners(in *input) error {
	listeners, err := elements(in.text, 1, "Listeners")
	if err != nil {
		return fmt.Errorf("%s: it is not the JSON that aws elbv2 describe-listeners prints: %w", in.at(0), err)
	}
	byName := map[string]*Firewall{}
	for _, e := range listeners {
		var l struct {
			LoadBalancerArn string
			Port            uint16
			Protocol        string
		}
		at := in.at(e.line)
		if err := json.Unmarshal(e.text, &l); err != nil || l.Port == 0 {
			in.unread(at, "the listener", "it has no port")
			continue
		}
		if l.Protocol != "TCP" && l.Protocol != "TCP_UDP" {
			in.unread(at, "the listener", "its protocol is not TCP")
			continue
		}
		name := path.Base(path.Dir(l.LoadBalancerArn)) // …:loadbalancer/net/NAME/ID
		f := byName[name]
		if f == nil {
			f = &Firewall{At: at, Format: "balancer", Name: name, IPv4: true}
			byName[name] = f
			in.Firewalls = append(in.Firewalls, f)
		}
		f.Openings = append(f.Openings, Opening{At: at, IPv4: true, Ports: spec.PortRange{First: l.Port, Last: l.Port}})
	}
	return nil
}
