package verify

import (
	"net/netip"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// raw is a segment that no socket sends, and the expected verdict.
type raw struct {
	*lane
	what string
	packets.Segment
}

// inject sends the segments, and expects what they want.
func (t *trial) inject(all []raw) error {
	segments := make([]packets.Segment, len(all))
	for i, r := range all {
		segments[i] = r.Segment
	}
	got, err := t.bed.Inject(segments...)
	if err != nil {
		return err
	}
	for i, r := range all {
		if r.Want == "" {
			continue
		}
		if err := t.add(r.site, r.what, r.From.Addr().String(), r.To.String(), string(r.Want), string(got[i])); err != nil {
			return err
		}
	}
	return nil
}

// Source ports of injected segments: those of a connection, of one that never
// began, and of scans, which are told apart by them.
const (
	blindPort = 2001 + iota
	nowherePort
	askPort
	scanPort
)

// blind proves that packets of somebody who sees no answer teach the gate
// nothing, in the name of a client that no host has: neither a bare SYN nor what
// may follow it.
func (t *trial) blind() error {
	liberal := kernel.Liberal()
	var first, afterSYN, then, afterAll []raw
	for _, l := range t.lanes {
		if !l.ghost.IsValid() || !l.site.Policy.Gate {
			continue
		}
		from := func(port uint16, flags byte, number uint32) packets.Segment {
			return packets.Segment{From: netip.AddrPortFrom(l.ghost, port), To: l.controlPort(), Flags: flags, Seq: 1_000_001, Ack: number}
		}
		syn := from(blindPort, packets.SYN, 0)
		syn.Seq, syn.Want = 1_000_000, packets.Admitted
		first = append(first, raw{l, "the SYN of a client that sees no answer", syn})
		for _, a := range l.addresses {
			for _, port := range l.ports {
				ask := packets.Segment{From: netip.AddrPortFrom(l.ghost, askPort), To: netip.AddrPortFrom(a, port), Flags: packets.SYN, Want: packets.Dropped}
				afterSYN = append(afterSYN, raw{l, "data port after a bare SYN to the control port", ask})
				afterAll = append(afterAll, raw{l, "data port after blind packets to the control port", ask})
			}
		}
		if liberal {
			t.untried(l.site, "blind packets to the control port", "not proven: "+kernel.LiberalMeans)
		}
		for i, flags := range []byte{packets.SYN, 0, packets.FIN, packets.ACK, packets.ACK, packets.PSH | packets.ACK, packets.RST} {
			then = append(then, raw{Segment: from(blindPort, flags, uint32(i)*600_000_011)})
		}
		for i := range uint32(3) {
			then = append(then, raw{Segment: from(nowherePort, packets.ACK, i)})
		}
	}
	steps := [][]raw{first, afterSYN, then, afterAll}
	if liberal {
		steps = steps[:2]
	}
	for _, step := range steps {
		if err := t.inject(step); err != nil {
			return err
		}
	}
	return t.flagScans()
}

// leftToOwner is the verdict on packets that our rules let pass and that
// conntrack calls invalid.
func (t *trial) leftToOwner() packets.Verdict {
	if t.rules.Backend == kernel.IPTables || t.host.Firewall != nil {
		return t.model.elsewhere
	}
	return packets.Admitted // at the end of our own base chain
}

// flagScans proves that packets without ACK and RST, which tell by the answer
// whether somebody listens, pass no gate.
func (t *trial) flagScans() error {
	var all []raw
	for _, l := range t.lanes {
		all = append(all, t.scan(l, l.ghost, l.lastPort(), "data port, before any control connection")...)
		all = append(all, t.scan(l, firstOf(l.outside), l.lastPort(), "data port from outside clients")...)
	}
	return t.inject(all)
}

// serverDown proves the same of the control ports, where a server that listens
// would not answer.
func (t *trial) serverDown() error {
	var all []raw
	for _, l := range t.lanes {
		all = append(all, t.scan(l, firstOf(l.outside), l.controlPort(), "control port from outside clients, with the server down")...)
	}
	return t.inject(all)
}

func (l *lane) lastPort() netip.AddrPort {
	return netip.AddrPortFrom(l.addresses[0], l.site.Policy.Data.Last)
}

// scan are two segments that conntrack calls invalid, one without flags and
// one with ACK. What passes to a port where nobody listens is answered by a
// reset.
func (t *trial) scan(l *lane, from netip.Addr, at netip.AddrPort, what string) []raw {
	if !from.IsValid() || at == l.transferPort() {
		return nil
	}
	bare := t.leftToOwner()
	if t.model.verdict(from, at) == packets.Dropped {
		bare = packets.Dropped
	}
	return []raw{
		{l, what + ": a packet without flags", packets.Segment{From: netip.AddrPortFrom(from, scanPort), To: at, Want: bare}},
		{l, what + ": an invalid packet with ACK", packets.Segment{
			From: netip.AddrPortFrom(from, scanPort+1), To: at, Flags: packets.SYN | packets.FIN | packets.ACK, Want: t.leftToOwner(),
		}},
	}
}
