package shadow

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Blocked are new connections that our policy allows and that some rule drops,
// or, in Report.Open, ones that it refuses and that some rule lets through.
type Blocked struct {
	Site *plan.Site
	From netip.Addr
	To   netip.AddrPort
	// Ports are those that no live rule tells apart from To's.
	Ports []spec.PortRange
	// Clients are those that no live rule tells apart from From, as text.
	Clients string
	// Aimed: the site is for everyone, and a live rule names From's network.
	Aimed bool
	Rule  string // "inet filter input: policy drop"; "" if no trace shows it
	// Base is the base chain that led to the rule, "inet filter input", and
	// Hook its hook: input, output, ingress, prerouting, …
	Base, Hook string
	// Rewrote: the rule sends the packet to another destination.
	Rewrote bool
	// Untaught: the client's control connection gets through, but the gate
	// does not see its packets.
	Untaught bool
}

// Report is what a trial has found.
type Report struct {
	Blocked []Blocked
	// Open are connections that the live rules let through although ours,
	// which are in force, refuse them: data connections of clients without a
	// control connection, and control connections of others than clients.
	Open []Blocked
	// Untried says in words what there was no time for.
	Untried []string
}

// Trial is what is tried, and how.
type Trial struct {
	Live Rules
	Load func(*packets.Namespace) error // puts our rules beside the live ones
	Host *plan.Host
	// Device is the device that has an address here.
	Device func(netip.Addr) string
	// Devices are the names of this machine's devices.
	Devices []string
	// Applied: if not empty, ours are among the live rules and Open is tried.
	// It is the base chain that they are jumped to from: "inet filter input".
	Applied string
	// Time bounds the connections that are tried for the host; 0 is 10 s.
	Time time.Duration
}

const (
	// hostTime is for the connections that are tried for a host.
	hostTime = 10 * time.Second
	// maxClients bounds the classes of clients that are tried for a site and
	// family, and maxAimed those of them that a rule treats as its owner wants.
	maxClients = 256
	maxAimed   = 8
	// maxPairs bounds the clients of sites that have a control connection.
	maxPairs = 2000
	// atOnce bounds the connections that are tried at a time, and so the
	// ports that are listened on.
	atOnce = 256
	// tracedAtOnce bounds those whose packets are followed.
	tracedAtOnce = 64
	// maxTraced bounds those that a cause is looked for.
	maxTraced = 512
)

// Check makes a copy of the host, puts the live rules there and then ours, and
// lets clients connect: from each class of clients to each class of ports that
// the live rules can tell apart.
func (t Trial) Check() (r Report, err error) {
	all, untried := t.attempts()
	r.Untried = untried
	left := cmp.Or(t.Time, hostTime)
	byDevice := map[string][]attempt{}
	for _, a := range all {
		// By lo come only this machine's own connections, and no client's.
		if d := t.Device(a.To.Addr()); d != "lo" {
			byDevice[d] = append(byDevice[d], a)
		}
	}
	for _, device := range slices.Sorted(maps.Keys(byDevice)) {
		if err := t.on(device, byDevice[device], &left, &r); err != nil {
			return Report{}, err
		}
	}
	return r, nil
}

type attempt struct {
	Blocked
	control  bool
	outsider bool // not one of the site's clients: for Report.Open alone
}

// session is a client's control connection with one address of a site.
type session struct {
	from, to netip.Addr
	site     *plan.Site
}

// attempts lists a connection for each combination that the live rules can
// tell apart, of each site and family.
func (t Trial) attempts() (all []attempt, untried []string) {
	n := names(foreign(t.Live.Text()))
	pairs := 0
	for i, s := range t.Host.Sites {
		if pairs > maxPairs {
			untried = append(untried, fmt.Sprintf("%d sites from %q on", len(t.Host.Sites)-i, s.Name))
			break
		}
		data := portOrder.classes([]span[uint16]{{first: s.DataPorts.First, last: s.DataPorts.Last}}, n.ports)
		for _, family := range []struct {
			addresses []netip.Addr
			clients   []netip.Prefix
		}{{s.Policy.Addresses4, s.Policy.Clients4}, {s.Policy.Addresses6, s.Policy.Clients6}} {
			clients, more := t.clients(family.clients, n)
			if more > 0 {
				untried = append(untried, fmt.Sprintf("site %q: %d more networks that the live rules name", s.Name, more))
			}
			for _, to := range t.apart(family.addresses, n) {
				pairs += len(clients)
				for _, from := range strangers {
					if t.Applied != "" && from.Is4() == to.Is4() && !slices.Contains(t.Host.Addresses, from) && !slices.ContainsFunc(family.clients, func(p netip.Prefix) bool { return p.Contains(from) }) {
						all = append(all, attempt{Blocked{Site: s, From: from, To: netip.AddrPortFrom(to, s.Port), Ports: []spec.PortRange{{First: s.Port, Last: s.Port}}}, true, true})
						break
					}
				}
				for _, c := range clients {
					c.Site, c.To, c.Ports = s, netip.AddrPortFrom(to, s.Port), []spec.PortRange{{First: s.Port, Last: s.Port}}
					all = append(all, attempt{Blocked: c, control: true})
					for _, d := range data {
						c.To, c.Ports = netip.AddrPortFrom(to, d.spans[0].first), nil
						for _, p := range d.spans {
							c.Ports = append(c.Ports, spec.PortRange{First: p.first, Last: p.last})
						}
						all = append(all, attempt{Blocked: c})
					}
				}
			}
		}
	}
	return all, untried
}

// apart picks one of the addresses for each class that the live rules and the
// devices tell apart.
func (t Trial) apart(addresses []netip.Addr, n named) (picked []netip.Addr) {
	var prefixes []netip.Prefix
	for _, a := range slices.SortedFunc(slices.Values(addresses), netip.Addr.Compare) {
		prefixes = append(prefixes, netip.PrefixFrom(a, a.BitLen()))
	}
	for _, c := range addressClasses(prefixes, n) {
		devices := map[string]bool{}
		for _, s := range c.spans {
			for a := s.first; a.IsValid() && !s.last.Less(a); a = a.Next() {
				if d := t.Device(a); !devices[d] {
					devices[d] = true
					picked = append(picked, a)
				}
			}
		}
	}
	return picked
}

// clients picks one client for each class that the live rules tell apart.
// Where everyone is a client, who is special to a rule is so on purpose; of
// those, special-purpose networks (RFC 6890) are nobody's address.
func (t Trial) clients(prefixes []netip.Prefix, n named) (picked []Blocked, more int) {
	everyone := slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Bits() == 0 })
	all := addressClasses(prefixes, n)
	plain := slices.ContainsFunc(all, func(c class[netip.Addr]) bool { return !c.named && t.member(c, false).IsValid() })
	special := 0
	for _, c := range all {
		aimed := everyone && plain && c.named
		if aimed && special == maxAimed {
			continue // enough for a note
		}
		if len(picked) == maxClients {
			more++
			continue
		}
		if from := t.member(c, aimed); from.IsValid() {
			name := text(c.spans)
			if aimed {
				special++
			}
			if everyone && !aimed && from.Is4() {
				name = "0.0.0.0/0"
			} else if everyone && !aimed {
				name = "::/0"
			}
			picked = append(picked, Blocked{From: from, Clients: name, Aimed: aimed})
		}
	}
	return picked, more
}

// member is an address of the class that a client can have; the zero Addr if
// there is none.
func (t Trial) member(c class[netip.Addr], public bool) netip.Addr {
	usable := func(a netip.Addr) bool {
		return packets.Outside(a) && !slices.Contains(t.Host.Addresses, a) &&
			!(public && slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) }))
	}
	for _, a := range strangers {
		if slices.ContainsFunc(c.spans, func(s span[netip.Addr]) bool { return netipx.IPRangeFrom(s.first, s.last).Contains(a) }) && usable(a) {
			return a
		}
	}
	for _, s := range c.spans[:min(len(c.spans), 1000)] {
		// The second address, where there are more: the first names a network.
		for a, tries := s.first.Next(), 0; a.IsValid() && !s.last.Less(a) && tries < 1000; a, tries = a.Next(), tries+1 {
			if usable(a) {
				return a
			}
		}
		if usable(s.first) {
			return s.first
		}
		if usable(s.last) {
			return s.last
		}
	}
	return netip.Addr{}
}

// strangers are the addresses that play a client from anywhere, where nothing
// speaks against it (RFC 5737, RFC 3849).
var strangers = []netip.Addr{
	netip.MustParseAddr("198.51.100.200"), netip.MustParseAddr("2001:db8:ffff::200"),
	netip.MustParseAddr("9.9.9.200"), netip.MustParseAddr("2620:fe::200"),
}

// special are special-purpose networks (RFC 6890) that bogon filters name.
var special = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/16", "64:ff9b::/96", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8")

func prefixes(all ...string) (parsed []netip.Prefix) {
	for _, p := range all {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return parsed
}

// text names the clients of a class: "192.0.2.0/25", "192.0.2.7 and others".
func text(spans []span[netip.Addr]) string {
	r := netipx.IPRangeFrom(spans[0].first, spans[0].last)
	name := r.String()
	if p, ok := r.Prefix(); ok {
		name = p.String()
		if p.IsSingleIP() {
			name = p.Addr().String()
		}
	}
	if len(spans) > 1 {
		name += " and others"
	}
	return name
}

// on makes the attempts that come in on one device.
func (t Trial) on(device string, all []attempt, left *time.Duration, r *Report) (err error) {
	others := slices.DeleteFunc(t.Live.devices(t.Devices), func(d string) bool { return d == device || d == "lo" })
	layout := packets.Layout{Server: t.Host.Addresses, Interface: device, Devices: others}
	var sessions []session
	known := map[netip.Addr]bool{}
	for _, a := range all {
		if !known[a.From] {
			known[a.From] = true
			layout.Clients = append(layout.Clients, a.From)
		}
		if a.control && !a.outsider {
			sessions = append(sessions, session{a.From, a.To.Addr(), a.Site})
		}
	}
	b := &bed{device: device, hooks: t.Live.Hooks(), report: r, left: left}
	if b.Bed, err = packets.New(layout); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.control(sessions); err != nil {
		return err
	}
	if err := t.Live.Load(b.Server); err != nil {
		return err
	}
	if t.Applied != "" {
		refused := slices.DeleteFunc(slices.Clone(all), func(a attempt) bool { return !a.outsider && (a.control || !a.Site.Policy.Gate) })
		open, err := b.found(refused, true, t.Applied)
		if err != nil {
			return err
		}
		r.Open = append(r.Open, open...)
	}
	if err := t.Load(b.Server); err != nil {
		return fmt.Errorf("loading pasvctl's rules with the live ones: %w", err)
	}
	b.teach()
	return b.tryAll(slices.DeleteFunc(all, func(a attempt) bool { return a.outsider }))
}

// tryAll tries the control ports, then the data ports.
func (b *bed) tryAll(all []attempt) error {
	var data []attempt
	// One client's control connections are tried one after the other: the site
	// may allow it no more than one.
	var turns [][]attempt
	count := map[session]int{}
	for _, a := range all {
		if !a.control {
			data = append(data, a)
			continue
		}
		client := session{from: a.From, site: a.Site}
		if len(turns) == count[client] {
			turns = append(turns, nil)
		}
		turns[count[client]] = append(turns[count[client]], a)
		count[client]++
	}
	shut := map[session]bool{} // sessions whose control connection is dropped
	for _, turn := range turns {
		blocked, err := b.found(turn, false, "")
		if err != nil {
			return err
		}
		for _, f := range blocked {
			shut[session{f.From, f.To.Addr(), f.Site}] = true
		}
		b.report.Blocked = append(b.report.Blocked, blocked...)
	}
	blocked, err := b.found(data, false, "")
	for _, f := range blocked {
		f.Untaught = Ours(f.Rule) != ""
		// The gate knows only clients whose control connection works.
		if !f.Untaught || !shut[session{f.From, f.To.Addr(), f.Site}] {
			b.report.Blocked = append(b.report.Blocked, f)
		}
	}
	return err
}

// Ours returns the backend in whose chain of ours a rule of a trace is, or "".
func Ours(rule string) (backend string) {
	switch f := strings.Fields(strings.SplitN(rule, ":", 2)[0]); {
	case len(f) != 3:
		return ""
	case f[0] == "inet" && f[1] == "pasvctl", f[2] == "pasvctl", strings.HasPrefix(f[2], "pasvctl_"):
		return kernel.NFT
	case strings.HasPrefix(f[2], "PASVCTL"):
		return kernel.IPTables
	}
	return ""
}
