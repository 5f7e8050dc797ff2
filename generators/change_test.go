package generators

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	changed "github.com/pasvctl/pasvctl/generators/change"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// What a firewall does with a new connection.
const (
	refused = iota
	gated   // passes if its client has a control connection
	passed
)

// policyOf asks the policy of a host, packet by packet: out is a connection
// that the server opens from the port.
func policyOf(p *plan.Plan, host string, at netip.Addr, port uint16, client netip.Addr, out bool) (verdict int) {
	within := func(networks []netip.Prefix) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(client) })
	}
	for _, s := range p.Sites {
		if s.Host.Name != host || !slices.Contains(s.Addresses, at) || !within(s.Policy.Clients4) && !within(s.Policy.Clients6) {
			continue
		}
		switch {
		case out && s.Policy.Active.Contains(port), !out && port == s.Policy.Control, !out && s.Policy.Data.Contains(port) && !s.Policy.Gate:
			return passed
		case !out && s.Policy.Data.Contains(port):
			verdict = gated
		}
	}
	return verdict
}

// drawn are values that tuples are drawn from: all of the two plans, and their neighbours.
type drawn struct {
	addresses, clients []netip.Addr
	ports              []uint16
}

func (d *drawn) add(r *rand.Rand, p *plan.Plan) {
	for _, s := range p.Sites {
		d.addresses = append(d.addresses, s.Addresses...)
		span := s.DataPorts.Count()
		d.ports = append(d.ports, s.Port, s.Port+1, s.DataPorts.First, s.DataPorts.First-1, s.DataPorts.Last, s.DataPorts.Last+1, s.DataPorts.First+uint16(r.IntN(span)))
		if a := s.Policy.Active; a.First > 0 {
			d.ports = append(d.ports, a.First, a.Last, a.First-1)
		}
		for _, n := range s.Clients {
			d.clients = append(d.clients, n.Addr(), n.Masked().Addr().Prev(), n.Addr().Next())
			bytes := n.Masked().Addr().AsSlice()
			for i := n.Bits(); i < n.Addr().BitLen(); i++ {
				bytes[i/8] ^= byte(r.IntN(2)) << (7 - i%8)
			}
			inside, _ := netip.AddrFromSlice(bytes)
			d.clients = append(d.clients, inside)
		}
	}
	d.clients = slices.DeleteFunc(d.clients, func(a netip.Addr) bool { return !a.IsValid() })
}

// covering counts the passages of a host that have a connection.
func covering(all []changed.Passage, at netip.Addr, port uint16, client netip.Addr, out bool, like func(changed.Passage) bool) (n int) {
	for _, p := range all {
		if (p.What == "active") == out && like(p) && slices.Contains(p.Addresses, at) &&
			slices.ContainsFunc(p.Ports, func(r plan.Ports) bool { return r.Contains(port) }) &&
			slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(client) }) {
			n++
		}
	}
	return n
}

// checkPassages compares what opens, or with the plans exchanged what shuts, with the
// policies for one connection.
func checkPassages(t *testing.T, what string, all []changed.Passage, was, is int, at netip.Addr, port uint16, client netip.Addr, out bool) {
	t.Helper()
	whole := covering(all, at, port, client, out, func(p changed.Passage) bool { return !p.GateOnly && p.Gated == (is == gated) })
	other := covering(all, at, port, client, out, func(p changed.Passage) bool { return !p.GateOnly && p.Gated != (is == gated) })
	lifted := covering(all, at, port, client, out, func(p changed.Passage) bool { return p.GateOnly })
	wantWhole, wantLifted := was == refused && is > refused, was == gated && is == passed
	if (whole > 0) != wantWhole || other > 0 || (lifted > 0) != wantLifted || !out && whole+lifted > 1 {
		t.Fatalf("%s: %s port %d from %s (out %v): %d then %d, and %d, %d, %d passages have it", what, at, port, client, out, was, is, whole, other, lifted)
	}
}

// forwardOf is where a plan's gateways send a port of an address.
func forwardOf(p *plan.Plan, at netip.Addr, port uint16) (to netip.AddrPort) {
	for _, g := range p.Gateways {
		for _, f := range g.Forwards {
			if g.Address == at && f.Ports.Contains(port) {
				to = netip.AddrPortFrom(f.To, port-f.Ports.First+f.ToPorts.First)
			}
		}
	}
	return to
}

// checkForwards compares what opens, or with the plans exchanged what shuts, with the
// forwards of one port.
func checkForwards(t *testing.T, what string, all []changed.Passage, was, is netip.AddrPort, at netip.Addr, port uint16) {
	t.Helper()
	n := 0
	for _, p := range all {
		for _, r := range p.Ports {
			if p.What == "forward" && p.Addresses[0] == at && r.Contains(port) && p.To == netip.AddrPortFrom(is.Addr(), is.Port()-port+r.First) {
				n++
			}
		}
	}
	if want := is.IsValid() && was != is; n > 1 || (n == 1) != want {
		t.Fatalf("%s: port %d of gateway %s: %s, then %s, and %d passages have it", what, port, at, was, is, n)
	}
}

// Opens and shuts are what the policies of both plans say of each connection.
func TestChangeAgreesWithPolicy(t *testing.T) {
	found := map[[2]int]int{}
	pairs, gateways := 0, 0
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		one, two := newRandomSpec(r), newRandomSpec(r)
		if len(one.sites) == 0 || len(two.sites) == 0 {
			continue
		}
		for i := range two.sites { // all that a site may have, and that a drawn one has not
			if s := &two.sites[i]; r.IntN(2) == 0 && !strings.Contains(s.text, "gate = false") {
				s.text = strings.Replace(s.text, "  gate = ", "  active_mode = true\n  gate = ", 1)
			}
		}
		pairs++
		was := one.load(t, r, nil)
		var lock []byte
		if r.IntN(2) == 0 {
			lock = was.Lock.Bytes()
		}
		is := two.load(t, r, lock)
		c, back := changed.Between(was.Plan, is.Plan, nil), changed.Between(is.Plan, was.Plan, nil)
		mirrors(t, c, back)
		if same := changed.Between(was.Plan, was.Plan, nil); !same.Empty() || same.Same != len(was.Plan.Sites) {
			t.Fatalf("seed %d: a plan differs from itself: %+v", seed, same)
		}
		nat := netip.MustParseAddr("198.51.100.7")
		var forwards changed.Firewall
		if i := slices.IndexFunc(c.Firewalls, func(f changed.Firewall) bool { return f.Gateway == "nat" }); i >= 0 {
			forwards = c.Firewalls[i]
			gateways++
		}
		var d drawn
		d.add(r, was.Plan)
		d.add(r, is.Plan)
		for _, port := range d.ports {
			before, after := forwardOf(was.Plan, nat, port), forwardOf(is.Plan, nat, port)
			checkForwards(t, fmt.Sprintf("seed %d, opens", seed), forwards.Opens, before, after, nat, port)
			checkForwards(t, fmt.Sprintf("seed %d, shuts", seed), forwards.Shuts, after, before, nat, port)
		}
		for range 8000 {
			at, port, client, out := pick(r, d.addresses...), pick(r, d.ports...), pick(r, d.clients...), r.IntN(4) == 0
			if at.Is4() != client.Is4() {
				continue
			}
			for _, host := range []string{"h0", "h1", "h2"} {
				before, after := policyOf(was.Plan, host, at, port, client, out), policyOf(is.Plan, host, at, port, client, out)
				found[[2]int{before, after}]++
				var f changed.Firewall
				if i := slices.IndexFunc(c.Firewalls, func(f changed.Firewall) bool { return f.Host == host }); i >= 0 {
					f = c.Firewalls[i]
				}
				checkPassages(t, fmt.Sprintf("seed %d, opens", seed), f.Opens, before, after, at, port, client, out)
				checkPassages(t, fmt.Sprintf("seed %d, shuts", seed), f.Shuts, after, before, at, port, client, out)
			}
		}
	}
	if gateways < 5 {
		t.Errorf("%d gateways differ", gateways)
	}
	for before := range passed + 1 {
		for after := range passed + 1 {
			if n := found[[2]int{before, after}]; n < 100 {
				t.Errorf("%d connections go from %d to %d in %d pairs", n, before, after, pairs)
			}
		}
	}
}

// mirrors holds a change to that of the plans exchanged.
func mirrors(t *testing.T, c, back *changed.Change) {
	t.Helper()
	opposite := map[string]string{"new": "gone", "gone": "new", "loosens": "tightens", "tightens": "loosens"}
	turned := func(word string) string {
		if o, has := opposite[word]; has {
			return o
		}
		return word
	}
	swap := func(all []changed.Difference) {
		for i, d := range all {
			all[i].Was, all[i].Is, all[i].Effect = d.Is, d.Was, turned(d.Effect)
		}
	}
	for i := range back.Sites {
		s := &back.Sites[i]
		s.Kind = plan.Kind(turned(string(s.Kind)))
		swap(s.Differences)
	}
	for i, f := range back.Firewalls {
		back.Firewalls[i].Opens, back.Firewalls[i].Shuts = f.Shuts, f.Opens
		swap(f.Differences)
		for j, l := range f.Limits {
			f.Limits[j].Was, f.Limits[j].Is, f.Limits[j].Effect = l.Is, l.Was, turned(l.Effect)
		}
	}
	facts := func(c *changed.Change) string {
		for i := range c.Sites {
			c.Sites[i].Why = ""
		}
		text, err := json.MarshalIndent(c, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if forth, back := facts(c), facts(back); !reflect.DeepEqual(forth, back) {
		t.Fatalf("the change back is another one:\n%s\nand\n%s", forth, back)
	}
}
