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
	var control, plain, data []expected
	known := map[expected]bool{}
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
				if !e.Data {
					plain = append(plain, expected{e, from, to})
					continue
				}
				data = append(data, expected{e, from, to})
				c := expected{from: from, to: netip.AddrPortFrom(to.Addr(), e.Site.Port)}
				if !known[c] {
					known[c] = true
					control = append(control, c)
				}
			}
		}
	}
	if err := t.expect(plain); err != nil {
		return err
	}
	held := t.bed.Connect(probesOf(control)...)
	defer func() {
		for _, c := range held {
			if c.File != nil {
				c.Close()
			}
		}
	}()
	return t.expect(data)
}

// expected is a connection that one of the spec's expectations is about.
type expected struct {
	*spec.Expect
	from netip.Addr
	to   netip.AddrPort
}

// destinations are the ports that an expectation is about, as far as they are
// tried.
func (t *trial) destinations(e *spec.Expect) (all []netip.AddrPort) {
	addresses, ports := t.host.Addresses, []uint16{e.Port}
	if e.Site != nil {
		addresses, ports = e.Site.Addresses, []uint16{e.Site.Port}
		if i := slices.IndexFunc(t.host.Sites, func(s *plan.Site) bool { return s.Site == e.Site }); e.Data && i >= 0 {
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

func probesOf(all []expected) []packets.Probe {
	probes := make([]packets.Probe, len(all))
	for i, e := range all {
		probes[i] = packets.Probe{From: e.from, To: e.to, Want: packets.Dropped}
		if e.Expect != nil && e.Accept {
			probes[i].Want = packets.Admitted
		}
	}
	return probes
}

func (t *trial) expect(all []expected) error {
	for i, r := range t.bed.Send(probesOf(all)...) {
		if r.Err != nil {
			return r.Err
		}
		e := all[i]
		var site *plan.Site
		if j := slices.IndexFunc(t.host.Sites, func(s *plan.Site) bool { return s.Site == e.Site }); j >= 0 {
			site = t.host.Sites[j]
		}
		if err := t.add(site, fmt.Sprintf("expect %q", e.Name), r.From.String(), r.To.String(), string(r.Want), string(r.Got)); err != nil {
			return err
		}
	}
	return nil
}
