package verify

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// ownOf picks the expectations of the spec that are about a host.
func ownOf(all []*spec.Expect, h *plan.Host) (own []*spec.Expect) {
	for _, e := range all {
		if e.Host == h.Host || e.Site != nil && e.Site.Host == h.Host {
			own = append(own, e)
		}
	}
	return own
}

// own proves the spec's own expectations. Who expects something of a site's
// data ports expects it of an FTP client, which connects to the control port
// first, as far as it gets there.
func (t *trial) own() error {
	if len(t.expects) == 0 {
		return nil
	}
	if err := t.forget(); err != nil {
		return err
	}
	var control []packets.Probe
	known := map[packets.Probe]bool{}
	var plain, data []check
	for _, e := range t.expects {
		if e.Host != nil && t.dropping {
			continue // a port that is not ours is up to the host's owner
		}
		for _, to := range t.destinations(e) {
			for _, from := range e.From {
				if from.Is4() != to.Addr().Is4() {
					continue
				}
				if slices.Contains(t.reserved, from) {
					return fmt.Errorf("expect %q: %s is the address of a host or gateway of the spec: no client comes from there", e.Name, from)
				}
				c := check{what: fmt.Sprintf("expect %q", e.Name), from: from, to: to, want: packets.Dropped}
				if i := t.siteOf(e); i >= 0 {
					c.site = t.host.Sites[i]
				}
				if e.Accept {
					c.want = packets.Admitted
				}
				if !e.Data {
					plain = append(plain, c)
					continue
				}
				data = append(data, c)
				p := packets.Probe{From: from, To: netip.AddrPortFrom(to.Addr(), e.Site.Port), Want: packets.Dropped}
				if !known[p] {
					known[p] = true
					control = append(control, p)
				}
			}
		}
	}
	if err := t.tryAtOnce(plain); err != nil {
		return err
	}
	held := t.bed.Connect(control...)
	defer packets.CloseAll(held)
	return t.tryAtOnce(data)
}

// siteOf is the place of an expectation's site among the host's; -1 if it has
// none.
func (t *trial) siteOf(e *spec.Expect) int {
	return slices.IndexFunc(t.host.Sites, func(s *plan.Site) bool { return s.Site == e.Site })
}

// destinations are the ports that an expectation is about, as far as they are
// tried.
func (t *trial) destinations(e *spec.Expect) (all []netip.AddrPort) {
	addresses, ports := t.host.Addresses, []uint16{e.Port}
	if e.Site != nil {
		addresses, ports = e.Site.Addresses, []uint16{e.Site.Port}
		if i := t.siteOf(e); e.Data && i >= 0 {
			ports = tried(t.host.Sites[i])
		}
	}
	for _, a := range addresses[:min(len(addresses), maxAddresses)] {
		for _, port := range ports {
			if !a.IsLoopback() {
				all = append(all, netip.AddrPortFrom(a, port))
			}
		}
	}
	return all
}
