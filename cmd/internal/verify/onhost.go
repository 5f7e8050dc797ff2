package verify

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// maxStrangers bounds the neighbours of a site's clients that have a control
// connection from before the rules.
const maxStrangers = 3

// onHost proves the policy of a host's sites, step by step and all sites at
// once.
func (t *trial) onHost() error {
	echo, err := t.listen()
	if err != nil {
		return err
	}
	defer echo.Close() // a second time it is an error, and no harm
	// There are no rules yet.
	transfers, err := t.connect("", func(l *lane) (netip.Addr, netip.AddrPort) { return l.client, l.transferPort() })
	defer closeAll(transfers)
	if err != nil {
		return err
	}
	var strangers []running
	defer func() { closeAll(strangers) }()
	for i := range maxStrangers {
		some, err := t.connect("", func(l *lane) (from netip.Addr, to netip.AddrPort) {
			if i < len(l.outside) {
				from = l.outside[i]
			}
			return from, l.controlPort()
		})
		strangers = append(strangers, some...)
		if err != nil {
			return err
		}
	}
	theirs, err := t.connect("", func(l *lane) (netip.Addr, netip.AddrPort) { return firstOf(l.outside), l.transferPort() })
	defer closeAll(theirs)
	if err != nil {
		return err
	}
	ran := func() error { return t.runOn(append(transfers, theirs...), strangers) }
	if err := inOrder(t.load, ran, t.withoutControl, t.blind, t.edges, t.forget); err != nil {
		return err
	}
	control, err := t.openControl()
	defer closeAll(control)
	if err != nil {
		return err
	}
	outlives := func() error { return t.outliveGate(control) }
	if err := inOrder(t.withControl, t.caps, outlives); err != nil {
		return err
	}
	closeAll(control)
	return inOrder(t.own, echo.Close, t.serverDown)
}

// inOrder takes steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// running is a connection of a lane that goes on.
type running struct {
	*lane
	packets.Connection
}

func closeAll(all []running) {
	for _, r := range all {
		if r.File != nil {
			r.File.Close() // a second time it is an error, and no harm
		}
	}
}

// listen answers on the control ports, and on the data ports that transfers
// use.
func (t *trial) listen() (*packets.Echo, error) {
	var at []netip.AddrPort
	for _, l := range t.lanes {
		for _, a := range l.addresses {
			at = append(at, netip.AddrPortFrom(a, l.site.Policy.Control))
		}
		at = append(at, l.transferPort())
	}
	return packets.NewEcho(t.bed.Server, at...)
}

func (l *lane) transferPort() netip.AddrPort {
	return netip.AddrPortFrom(l.addresses[0], l.site.Policy.Data.First)
}

func (l *lane) controlPort() netip.AddrPort {
	return netip.AddrPortFrom(l.addresses[0], l.site.Policy.Control)
}

// connect opens a connection for each lane whose client is there and keeps it.
// With what it is told it is an expectation that they are admitted.
func (t *trial) connect(what string, ends func(*lane) (netip.Addr, netip.AddrPort)) ([]running, error) {
	var probes []packets.Probe
	var all []running
	for _, l := range t.lanes {
		if from, to := ends(l); from.IsValid() {
			probes = append(probes, packets.Probe{From: from, To: to, Want: packets.Admitted})
			all = append(all, running{lane: l})
		}
	}
	for i, c := range t.bed.Connect(probes...) {
		all[i].Connection = c
	}
	for _, r := range all {
		if r.Err != nil {
			return all, r.Err
		}
		if what == "" {
			if r.File == nil {
				return all, fmt.Errorf("from %s to %s: no answer before any rules were loaded", r.From, r.To)
			}
			continue
		}
		if err := t.add(r.site, what, r.From.String(), r.To.String(), string(packets.Admitted), string(r.Got)); err != nil {
			return all, err
		}
	}
	return all, nil
}

const passes, stops = "packets pass", "packets are dropped"

// stillRunning expects packets of established connections to pass both ways.
func (t *trial) stillRunning(all []running, what string) error {
	got := make([]string, len(all))
	each(all, func(i int, r running) {
		got[i] = stops
		if r.File != nil && packets.Exchange(r.File) == nil {
			got[i] = passes
		}
	})
	for i, r := range all {
		if err := t.add(r.site, what, r.From.String(), r.To.String(), passes, got[i]); err != nil {
			return err
		}
	}
	return nil
}

// runOn proves that connections from before the rules were loaded go on, and
// that a control connection from outside clients opens nothing.
func (t *trial) runOn(transfers, strangers []running) error {
	if err := t.stillRunning(transfers, "a transfer that ran before the rules were loaded"); err != nil {
		return err
	}
	var all []check
	for range 2 { // conntrack takes the first packets that it sees for new ones
		if err := t.stillRunning(strangers, "a control connection from outside clients that was there before the rules"); err != nil {
			return err
		}
	}
	for _, r := range strangers {
		all = append(all, r.check("data port from outside clients with such a control connection", r.From, r.transferPort()))
	}
	return t.try(all)
}

// withoutControl proves what holds while no client has a control connection.
func (t *trial) withoutControl() error {
	var all []check
	for _, l := range t.lanes {
		stranger := l.stranger
		if !stranger.IsValid() {
			stranger = l.client
		}
		for _, a := range l.addresses {
			all = append(all, l.data(a, stranger, "data port without a control connection")...)
			all = append(all, l.beside(t.model, a, stranger, "")...)
			all = append(all, l.beside(t.model, a, firstOf(l.outside), ", from outside clients")...)
			for _, from := range l.outside {
				for _, port := range []uint16{l.site.Policy.Control, l.site.Policy.Data.First, l.site.Policy.Data.Last} {
					all = append(all, l.check("a port from outside clients", from, netip.AddrPortFrom(a, port)))
				}
			}
		}
		all = append(all, l.elsewhere(t.host.Addresses, stranger)...)
	}
	return t.try(all)
}

// edges proves where the clients' prefixes end.
func (t *trial) edges() error {
	var control, data []check
	for _, l := range t.lanes {
		for _, a := range l.addresses {
			for _, from := range l.inside {
				control = append(control, l.check("control port from the edge of clients", from, netip.AddrPortFrom(a, l.site.Policy.Control)))
				data = append(data, l.check("first data port from the edge of clients, after a control connection", from, netip.AddrPortFrom(a, l.site.Policy.Data.First)))
			}
			for _, from := range l.outside {
				data = append(data, l.check("data port from beyond the edge of clients, after a control connection from it", from, netip.AddrPortFrom(a, l.site.Policy.Data.First)))
			}
		}
	}
	if err := t.try(control); err != nil {
		return err
	}
	return t.try(data)
}

func (l *lane) check(what string, from netip.Addr, to netip.AddrPort) check {
	return check{site: l.site, what: what, from: from, to: to}
}

// data are connections to the ports of a site's range.
func (l *lane) data(to, from netip.Addr, what string) (all []check) {
	for _, port := range l.ports {
		all = append(all, l.check(what, from, netip.AddrPortFrom(to, port)))
	}
	return all
}

// beside are connections to the ports beside a site's, where they are
// nobody's.
func (l *lane) beside(m *model, to, from netip.Addr, when string) (all []check) {
	ports := []int{int(l.site.Policy.Control) - 1, int(l.site.Policy.Control) + 1}
	for _, data := range ranges(l.site) {
		ports = append(ports, int(data.First)-1, int(data.Last)+1)
	}
	for _, port := range ports {
		at := netip.AddrPortFrom(to, uint16(port))
		if port < 1 || port > 65535 || m.at(at).site != nil {
			continue
		}
		all = append(all, l.check("a port beside the site's"+when, from, at))
	}
	return all
}

// elsewhere are connections to the site's ports on addresses of the host that
// are not the site's.
func (l *lane) elsewhere(host []netip.Addr, from netip.Addr) (all []check) {
	for _, a := range slices.Concat(host[:min(len(host), maxAddresses)], nobody) {
		if a.Is4() != from.Is4() || a.IsLoopback() || slices.Contains(l.site.Addresses, a) {
			continue
		}
		for _, port := range []uint16{l.site.Policy.Control, l.site.Policy.Data.First} {
			all = append(all, l.check("the site's ports on another address of the host", from, netip.AddrPortFrom(a, port)))
		}
	}
	return all
}

func (t *trial) openControl() ([]running, error) {
	all, err := t.connect("control port from inside clients", func(l *lane) (netip.Addr, netip.AddrPort) { return l.client, l.controlPort() })
	for _, r := range all {
		s := sessionOf(r.site, r.From)
		t.model.seen[s] = true
		t.model.open[s]++
	}
	return all, err
}

// withControl proves what holds while each site's client has a control
// connection.
func (t *trial) withControl() error {
	var all []check
	var scans []raw
	for i, l := range t.lanes {
		for _, a := range l.addresses {
			all = append(all, l.data(a, l.client, "data port with a control connection")...)
			all = append(all, l.data(a, l.stranger, "data port with another client's control connection")...)
			all = append(all, l.beside(t.model, a, l.client, ", with a control connection")...)
			all = append(all, l.check("data port from another address of the same client", l.twin, netip.AddrPortFrom(a, l.site.Policy.Data.First)))
			for _, from := range l.outside {
				all = append(all, l.check("data port from outside clients, with a client's control connection", from, netip.AddrPortFrom(a, l.site.Policy.Data.First)))
			}
		}
		if other := t.other(i); other != nil {
			for _, port := range []uint16{other.site.Policy.Data.First, other.site.Policy.Data.Last} {
				all = append(all, other.check("data port with a control connection to site "+l.site.Name+" only", l.client, netip.AddrPortFrom(other.addresses[0], port)))
			}
		}
		scans = append(scans, t.scan(l, l.client, l.lastPort(), "data port with a control connection")...)
	}
	if err := t.inject(scans); err != nil {
		return err
	}
	return t.try(all)
}

// other finds a lane of another site whose range the client of lane i must not
// get into: best one that has it among its clients, so that only the gate
// stands between.
func (t *trial) other(i int) *lane {
	l := t.lanes[i]
	var found *lane
	for n := 1; n < len(t.lanes); n++ {
		o := t.lanes[(i+n)%len(t.lanes)]
		if o.site == l.site || o.addresses[0].Is4() != l.addresses[0].Is4() {
			continue
		}
		if found == nil {
			found = o
		}
		if l.client.IsValid() && o.site.Policy.Gate && isClient(o.site, l.client) && !t.model.seen[sessionOf(o.site, l.client)] {
			return o
		}
	}
	return found
}

// settle lets the last packets of connections arrive: an acknowledgement may
// be held back for up to 200 ms (RFC 1122, section 4.2.3.2 allows 500).
func settle() { time.Sleep(250 * time.Millisecond) }

// forget is the end of all that the gates have learnt.
func (t *trial) forget() error {
	settle()
	clear(t.model.seen)
	return t.backend.Forget(t.ctx)
}

// outliveGate proves that a running transfer goes on when its client has been
// forgotten, and that the next packet on the control connection opens the gate
// again, for as long as the policy says.
func (t *trial) outliveGate(control []running) error {
	transfers, err := t.connect("data connection for a transfer", func(l *lane) (netip.Addr, netip.AddrPort) { return l.client, l.transferPort() })
	defer closeAll(transfers)
	if err != nil {
		return err
	}
	if err := t.forget(); err != nil {
		return err
	}
	if err := t.again("data port of a client whose time at the gate is over"); err != nil {
		return err
	}
	if err := t.stillRunning(transfers, "a transfer that outlives the gate"); err != nil {
		return err
	}
	if err := t.again("data port when only a transfer went on"); err != nil {
		return err
	}
	if err := t.remembered(control); err != nil {
		return err
	}
	return t.again("data port after a packet on the control connection")
}

// again tries a new data connection from the client of every lane.
func (t *trial) again(what string) error {
	var all []check
	for _, l := range t.lanes {
		all = append(all, l.check(what, l.client, l.transferPort()))
	}
	return t.try(all)
}
