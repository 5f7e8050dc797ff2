package inventory

import (
	"fmt"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// verdict is what a rule does with a connection that it matches.
type verdict int

const (
	goesOn  verdict = iota // nothing: it counts, logs or marks
	accepts                // and ends
	drops                  // and ends, also with an answer
	returns                // to the chain that jumped here
	jumps                  // to another chain
)

// match is a set of addresses of a rule; the zero value is all.
type match struct {
	nets    []netip.Prefix
	not     bool
	learnt  bool   // a set that the rules fill themselves
	ipset   string // of iptables, in place of nets
	nothing bool   // an empty set
}

func (m match) all() bool {
	return len(m.nets) == 0 && !m.learnt && m.ipset == "" && !m.nothing
}

// rule is a rule of a chain, of nftables or iptables.
type rule struct {
	at         At
	name       string // for Unread
	v4, v6     bool   // the families that it matches
	ports      []spec.PortRange
	source     match
	target     match  // the address of ours
	from       string // interface; "": any
	notFrom    bool   // any but from
	irrelevant bool   // it matches no new TCP connection from outside
	perAddress int    // it matches connections beyond so many of an address
	odd        string // why it cannot be read; "" if it can
	does       verdict
	to         string // of jumps
}

// whole reports whether the rule matches every connection that f decides on.
func (r rule) whole(f *Firewall) bool {
	return (r.v4 || !f.IPv4) && (r.v6 || !f.IPv6) && len(r.ports) == 0 && r.source.all() && r.target.all() && r.from == "" && r.perAddress == 0 && r.odd == ""
}

// chain is a chain with its rules, of which the input hook's has a policy.
type chain struct {
	name  string
	rules []rule
}

// ruleset reads the chains of one table.
type ruleset struct {
	in     *input
	chains map[string]*chain
	ours   func(name string) bool // a chain that pasvctl has made
}

// open reads a chain of the input hook into a firewall. Later rules matter until
// one matches everything.
func (rs *ruleset) open(f *Firewall, c *chain) {
	before := len(rs.in.Unread)
	if rs.walk(f, c, "") {
		f.Accepts = false
	}
	f.Partial = len(rs.in.Unread) > before
}

// walk reads the rules of a chain; only is the interface that it is for. It
// reports whether a rule drops all that the ones before let pass.
func (rs *ruleset) walk(f *Firewall, c *chain, only string) (closed bool) {
	var dropped []rule
	for _, r := range c.rules {
		switch {
		case r.irrelevant || r.does == goesOn:
		case r.does == returns && r.notFrom && rs.ours(c.name) && r.odd == "":
			only = r.from
		case r.does == jumps && r.odd == "" && !r.notFrom && rs.ours(r.to):
			rs.follow(f, r, only)
		case r.does == jumps:
			rs.in.unread(r.at, r.name, "it jumps to chain %s", r.to)
		case r.odd != "":
			rs.in.unread(r.at, r.name, "%s", r.odd)
		case r.notFrom:
			rs.in.unread(r.at, r.name, "it is for all interfaces except %s", r.from)
		case r.does == returns && !r.whole(f):
			rs.in.unread(r.at, r.name, "it returns from the chain")
		case r.does == drops && !r.whole(f):
			dropped = append(dropped, r)
		case r.does == drops:
			return true
		case r.does == accepts:
			dropped = rs.hidden(r, dropped)
			rs.accept(f, r, Opening{Interface: only})
		}
		if r.whole(f) && (r.does == accepts && !r.irrelevant || r.does == returns) {
			f.Accepts = f.Accepts || r.does == accepts
			break
		}
	}
	for _, d := range dropped {
		if f.Accepts {
			rs.in.unread(d.at, d.name, "it drops connections that the chain accepts otherwise")
		}
	}
	return false
}

// hidden names the rules that drop before r what it accepts, and returns the
// others.
func (rs *ruleset) hidden(r rule, dropped []rule) []rule {
	return slices.DeleteFunc(dropped, func(d rule) bool {
		hides := overlap(d.ports, r.ports) && (d.v4 && r.v4 || d.v6 && r.v6)
		if hides {
			rs.in.unread(d.at, d.name, "it drops connections that a later rule accepts")
		}
		return hides
	})
}

func overlap(a, b []spec.PortRange) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(r spec.PortRange) bool {
		return slices.ContainsFunc(b, r.Overlaps)
	})
}

// unlike says why what a rule accepts is not an Opening; "" if it is.
func (r rule) unlike() string {
	switch {
	case r.perAddress > 0:
		return "it accepts connections by their number"
	case r.source.not, r.target.not:
		return "it matches all addresses except some"
	case r.source.learnt, r.target.learnt, r.target.ipset != "":
		return "it matches a set that changes"
	case r.source.nothing:
		return "it matches a set without members"
	}
	return ""
}

// accept adds what a rule opens, beside what is set in the Opening already.
func (rs *ruleset) accept(f *Firewall, r rule, o Opening) {
	if why := r.unlike(); why != "" {
		rs.in.unread(r.at, r.name, "%s", why)
		return
	}
	o.Rule = r.name
	o.At, o.IPv4, o.IPv6 = r.at, r.v4 && f.IPv4, r.v6 && f.IPv6
	if r.from != "" {
		o.Interface = r.from
	}
	o.Sources = append(o.Sources, r.source.nets...)
	if r.source.ipset != "" {
		o.ipsets = append(o.ipsets, r.source.ipset)
	}
	o.Destinations = r.target.nets
	ranges := r.ports
	if len(ranges) == 0 {
		ranges = []spec.PortRange{{First: 1, Last: 65535}}
	}
	for _, p := range ranges {
		one := o
		one.Ports = p
		f.Openings = append(f.Openings, one)
	}
}

// follow reads the chain of ours that a rule goes to: the entry, which has a
// rule for each port, or one of a site.
func (rs *ruleset) follow(f *Firewall, r rule, only string) {
	c := rs.chains[r.to]
	switch {
	case c == nil:
		rs.in.unread(r.at, r.name, "chain %s is not in the file", r.to)
	case len(r.ports) == 0:
		if !rs.entered(c) {
			rs.walk(f, c, only)
		}
	default:
		rs.site(f, r, c, only)
	}
}

// entered marks an entry chain as read, so that none is read twice or in a loop.
func (rs *ruleset) entered(c *chain) bool {
	before := rs.chains[" "+c.name]
	rs.chains[" "+c.name] = c
	return before != nil
}

// site reads a chain for the control port or the data ports of a site.
func (rs *ruleset) site(f *Firewall, r rule, c *chain, only string) {
	o := Opening{Interface: only, Only: true}
	closed := false // to the family of the rule
	for _, s := range c.rules {
		applies := r.v4 && s.v4 || r.v6 && s.v6
		switch {
		case s.irrelevant || !applies || s.does == goesOn:
		case s.odd != "":
			rs.in.unread(s.at, s.name, "%s", s.odd)
		case s.does == drops && s.perAddress > 0:
			o.PerAddress = s.perAddress
		case s.does == drops && s.source.not && s.source.ipset != "":
			o.ipsets = append(o.ipsets, s.source.ipset)
		case s.does == drops && s.source.not:
			o.Sources = append(o.Sources, s.source.nets...)
		case s.does == drops && s.source.all():
			if !o.Gate {
				closed = true
			}
		case s.source.learnt || s.source.ipset != "":
			o.Gate = true
		}
	}
	before := len(f.Openings)
	rs.accept(f, r, o)
	if closed {
		f.Shut = append(f.Shut, f.Openings[before:]...)
		f.Openings = f.Openings[:before]
	}
}

// prefixes are the networks from one address to another; nil if there are none.
func prefixes(first, last string) []netip.Prefix {
	a, err1 := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	if err1 != nil || err2 != nil {
		return nil
	}
	return netipx.IPRangeFrom(a, b).Prefixes()
}

// network reads "192.0.2.0/24" or an address.
func network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is not a network", text)
	}
	return p.Masked(), nil
}
