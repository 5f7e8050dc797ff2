package generators_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// firewallSite is a gated site open to everyone, on all addresses of its host.
func firewallSite(name string, control uint16, data spec.PortRange) *plan.Site {
	return &plan.Site{
		Site:      &spec.Site{Name: name},
		Sizing:    sizing.Result{Binding: "contention"},
		DataPorts: data,
		Policy: plan.Policy{
			Clients4: prefixes("0.0.0.0/0"), Clients6: prefixes("::/0"),
			Control: control, Data: data,
			Gate: true, GateTimeout: 2 * time.Minute,
			MaxPerClient: 50, ClientPrefix6: 64,
		},
	}
}

// firewallPlan puts sites on one host.
func firewallPlan(host *spec.Host, sites ...*plan.Site) *plan.Plan {
	for _, s := range sites {
		s.Host = host
		if s.Policy.Addresses4 != nil || s.Policy.Addresses6 != nil {
			continue
		}
		for _, a := range host.Addresses {
			if a.Is4() {
				s.Policy.Addresses4 = append(s.Policy.Addresses4, a)
			} else {
				s.Policy.Addresses6 = append(s.Policy.Addresses6, a)
			}
		}
	}
	return &plan.Plan{
		SpecName: "test.pasv.hcl",
		Hosts:    []*plan.Host{{Host: host, Sites: sites}},
		Sites:    sites,
	}
}

func addresses(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// rendered returns what one target makes of a plan, by path.
func rendered(kind string, p *plan.Plan) (map[string][]byte, error) {
	for _, k := range generators.Kinds() {
		if k.Name != kind {
			continue
		}
		files, diags := k.New().Files(p)
		if diags.HasErrors() {
			return nil, diags
		}
		byPath := map[string][]byte{}
		for _, f := range files {
			byPath[f.Path] = f.Content
		}
		return byPath, nil
	}
	return nil, fmt.Errorf("no target %q", kind)
}
