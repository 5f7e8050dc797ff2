package plan

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestDrainKeepsOlderPortsThatNobodyHasNow(t *testing.T) {
	h := &spec.Host{Name: "edge1", Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("203.0.113.11")}}
	site := func(name string, address int, port uint16, data spec.PortRange) *Site {
		return &Site{Site: &spec.Site{Name: name, Host: h, Port: port, Addresses: h.Addresses[address : address+1]}, DataPorts: data}
	}
	sites := []*Site{
		site("a", 0, 21, spec.PortRange{First: 61000, Last: 61009}),
		site("b", 0, 20004, spec.PortRange{First: 20008, Last: 20010}),
		site("c", 1, 20001, spec.PortRange{First: 20000, Last: 20003}), // another address
	}
	p := &Plan{Sites: sites, Hosts: hosts(sites)}
	tests := []struct {
		name string
		was  []spec.PortRange
		want []spec.PortRange
	}{
		{"moved", []spec.PortRange{{First: 30000, Last: 30009}}, []spec.PortRange{{First: 30000, Last: 30009}}},
		{"as it was", []spec.PortRange{{First: 61000, Last: 61009}}, nil},
		{"shrunk", []spec.PortRange{{First: 60990, Last: 61019}}, []spec.PortRange{{First: 60990, Last: 60999}, {First: 61010, Last: 61019}}},
		{"now another's", []spec.PortRange{{First: 20000, Last: 20012}}, []spec.PortRange{{First: 20000, Last: 20003}, {First: 20005, Last: 20007}, {First: 20011, Last: 20012}}},
		{"twice", []spec.PortRange{{First: 40005, Last: 40009}, {First: 40000, Last: 40006}}, []spec.PortRange{{First: 40000, Last: 40009}}},
		{"to the last port", []spec.PortRange{{First: 65530, Last: 65535}}, []spec.PortRange{{First: 65530, Last: 65535}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := p.Drain(map[string][]spec.PortRange{"a": tt.was})
			if got := d.Sites[0].Policy.Draining; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if d.Hosts[0].Sites[0] != d.Sites[0] || len(d.Sites[1].Policy.Draining) > 0 {
				t.Error("the host has another site, or another site drains")
			}
			if len(p.Sites[0].Policy.Draining) > 0 {
				t.Error("the plan itself has changed")
			}
		})
	}
}
