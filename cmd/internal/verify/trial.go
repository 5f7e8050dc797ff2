package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// trial is a throwaway network with the rules of one host, in one setting.
type trial struct {
	name, setting string
	host          *plan.Host
	rules         kernel.Rules
	gateway       *plan.Gateway // in front of the host; nil: none
	gatewayRules  kernel.Rules
	dropping      bool   // the host drops what no rule accepts
	device        string // where the packets come in
	untouched     bool   // the rules are for another device
	expects       []*spec.Expect
	reserved      []netip.Addr
	firstOnly     bool

	ctx     context.Context
	bed     *packets.Bed
	backend kernel.Backend
	model   *model
	lanes   []*lane
	report  *Report
}

// otherDevice is the name of a device that no spec's rules are bound to.
const otherDevice = "pasvctl-other"

const loopback = "lo"

// prepare lists the trials: each host in every setting that its rules may
// be loaded in, and each gateway with each host behind it.
func prepare(p *plan.Plan, files []generators.File, o Options) (all []*trial, err error) {
	var reserved []netip.Addr
	for _, h := range p.Hosts {
		reserved = append(reserved, h.Addresses...)
	}
	for _, g := range p.Gateways {
		reserved = append(reserved, g.Address)
	}
	for _, h := range p.Hosts {
		if o.Host != "" && o.Host != h.Name {
			continue
		}
		t := trial{name: h.Name, host: h, device: h.Interface, reserved: reserved, firstOnly: o.FirstOnly, setting: "on a host that accepts"}
		if t.rules, err = kernel.RulesOf(files, h.Name, o.Backend); err != nil {
			return nil, err
		}
		t.expects = ownOf(o.Expects, h)
		accepting := t
		all = append(all, &accepting)
		dropping := t
		dropping.dropping, dropping.setting = true, "on a host that drops"
		// A base chain of our own on nftables cannot answer for other people's.
		if o.Backend == kernel.IPTables || h.Firewall != nil {
			all = append(all, &dropping)
		}
		if h.Interface != "" && h.Interface != loopback {
			other := t
			other.device, other.untouched, other.setting = otherDevice, true, "on another device"
			all = append(all, &other)
		}
		for _, g := range p.Gateways {
			if !slices.ContainsFunc(g.Sites, func(s *plan.Site) bool { return s.Host == h.Host }) {
				continue
			}
			behind := t
			behind.gateway, behind.dropping, behind.setting = g, h.Firewall != nil, "behind gateway "+g.Name
			if behind.gatewayRules, err = kernel.RulesOf(files, g.Name, o.Backend); err != nil {
				return nil, err
			}
			all = append(all, &behind)
		}
	}
	return all, nil
}

func (t *trial) run(ctx context.Context) (*Report, error) {
	t.ctx, t.report = ctx, &Report{}
	elsewhere := packets.Admitted
	if t.dropping {
		elsewhere = packets.Dropped
	}
	sites := t.host.Sites
	if t.gateway != nil {
		sites = slices.DeleteFunc(slices.Clone(sites), func(s *plan.Site) bool { return !slices.Contains(t.gateway.Sites, s) })
	}
	t.model = newModel(t.host.Sites, elsewhere)
	t.cast(sites)
	err := t.build()
	if err == nil {
		err = t.steps()
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if t.bed != nil {
		err = errors.Join(err, t.bed.Close())
	}
	return t.report, err
}

// errEnough ends a trial at its first difference.
var errEnough = errors.New("a difference was found")

// cast finds the clients, and leaves out what a network cannot carry.
func (t *trial) cast(sites []*plan.Site) {
	t.lanes = (&casting{reserved: slices.Concat(t.reserved, nobody), next: map[place]int{}}).lanes(sites)
	t.lanes = slices.DeleteFunc(t.lanes, func(l *lane) bool {
		if t.gateway != nil && t.gateway.Address.Is4() != l.addresses[0].Is4() {
			return true
		}
		l.addresses = slices.DeleteFunc(slices.Clone(l.addresses), func(a netip.Addr) bool { return a.IsLoopback() || t.device == loopback })
		if len(l.addresses) == 0 {
			t.untried(l.site, "every rule", "it is on the loopback device, which no packet from outside reaches")
		}
		return len(l.addresses) == 0
	})
	for _, l := range t.lanes {
		if !l.client.IsValid() && len(clientsOf(l.site, l.addresses[0].Is6())) > 0 {
			t.untried(l.site, "connections from inside clients", "none of its clients has an address that a packet can come from")
		}
	}
}

func (t *trial) untried(s *plan.Site, what, why string) {
	t.report.Untried = append(t.report.Untried, Untried{t.host.Name, s.Name, what, why})
}

// nobody are addresses of the host that are no site's.
var nobody = []netip.Addr{netip.MustParseAddr("198.51.100.254"), netip.MustParseAddr("2001:db8:dead::fe")}

func (t *trial) build() (err error) {
	layout := packets.Layout{Interface: t.device, Clients: everybody(t.lanes)}
	if t.device == loopback { // every network has one already
		layout.Interface = ""
	}
	for _, a := range slices.Concat(t.host.Addresses, nobody) {
		if !a.IsLoopback() {
			layout.Server = append(layout.Server, a)
		}
	}
	if t.gateway != nil {
		layout.Gateways = []netip.Addr{t.gateway.Address}
	}
	for _, e := range t.expects {
		for _, from := range e.From {
			if !slices.Contains(layout.Clients, from) && !slices.Contains(t.reserved, from) {
				layout.Clients = append(layout.Clients, from)
			}
		}
	}
	if t.bed, err = packets.New(layout); err != nil {
		return err
	}
	t.backend, err = kernel.New(t.rules.Backend, t.bed.Server.Exec)
	return err
}

func (t *trial) load() error {
	if err := t.surroundings(); err != nil {
		return err
	}
	if err := t.backend.Fill(t.ctx, t.rules); err != nil {
		return fmt.Errorf("loading the rules: %w", err)
	}
	if t.gateway == nil {
		return nil
	}
	b, err := kernel.New(t.gatewayRules.Backend, t.bed.Gateway.Exec)
	if err != nil {
		return err
	}
	if err := b.Fill(t.ctx, t.gatewayRules); err != nil {
		return fmt.Errorf("loading the rules of gateway %s: %w", t.gateway.Name, err)
	}
	return nil
}

// surroundings makes the rules of the host's owner: a chain that accepts or
// drops whatever is left to it, established packets too, so that ours must
// let these through.
func (t *trial) surroundings() error {
	if t.rules.Backend == kernel.NFT {
		into := t.host.Firewall
		if into == nil {
			return nil
		}
		policy := "accept"
		if t.dropping {
			policy = "drop"
		}
		chain := fmt.Sprintf("table %s %s { chain %s { type filter hook input priority filter; policy %s; }; }\n", into.Family, into.Table, into.Chain, policy)
		_, err := t.bed.Server.Run(chain, "nft", "-f", "-")
		return err
	}
	if !t.dropping {
		return nil
	}
	for _, command := range []string{"iptables", "ip6tables"} {
		if _, err := t.bed.Server.Run("", command, "-w", "-P", "INPUT", "DROP"); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) steps() error {
	switch {
	case t.untouched:
		return t.onAnotherDevice()
	case t.gateway != nil:
		return t.behindGateway()
	}
	return t.onHost()
}

func (t *trial) add(site *plan.Site, what, from, to, want, got string) error {
	e := Expectation{Host: t.name, Setting: t.setting, What: what, From: from, To: to, Want: want, Got: got}
	if site != nil {
		e.Site = site.Name
	}
	t.report.Expectations = append(t.report.Expectations, e)
	if t.firstOnly && !e.Met() {
		return errEnough
	}
	return nil
}

// check is a new connection.
type check struct {
	site *plan.Site // that it is about
	what string
	from netip.Addr
	to   netip.AddrPort
	want packets.Verdict // "": what the model says
}

// try makes the connections of all checks that somebody is there to make: first
// those that teach no gate anything, then those to control ports, of each client
// one after the other.
func (t *trial) try(checks []check) error {
	var turns [][]check
	control := map[session]int{}
	for _, c := range checks {
		if !c.from.IsValid() {
			continue
		}
		turn := 0
		if at := t.model.at(c.to); at.control && isClient(at.site, c.from) {
			s := sessionOf(at.site, c.from)
			control[s]++
			turn = control[s]
		}
		for len(turns) <= turn {
			turns = append(turns, nil)
		}
		turns[turn] = append(turns[turn], c)
	}
	for _, turn := range turns {
		if err := t.tryAtOnce(turn); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) tryAtOnce(checks []check) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	probes := make([]packets.Probe, len(checks))
	for i, c := range checks {
		probes[i] = packets.Probe{From: c.from, To: c.to, Want: cmp.Or(c.want, t.model.verdict(c.from, c.to))}
	}
	for i, r := range t.bed.Send(probes...) {
		if r.Err != nil {
			return r.Err
		}
		c := checks[i]
		if at := t.model.at(c.to); at.control && r.Want == packets.Admitted {
			t.model.seen[sessionOf(at.site, c.from)] = true
		}
		if err := t.add(c.site, c.what, c.from.String(), c.to.String(), string(r.Want), string(r.Got)); err != nil {
			return err
		}
	}
	return nil
}
