package packets_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// blind are the packets of somebody who sees no answer: he sends the first,
// and after the server's reply the others. ack marks those whose number is a
// guess.
var blind = []struct {
	name string
	then []byte // flags of the packets after the SYN
	bare bool   // without the SYN
	live bool   // in the name of a host that answers for itself
}{
	{name: "SYN", then: nil},
	{name: "two SYNs", then: []byte{packets.SYN}},
	{name: "SYN and RST", then: []byte{packets.RST}},
	{name: "SYN and NULL", then: []byte{0}},
	{name: "SYN and FIN", then: []byte{packets.FIN}},
	{name: "SYN and SYN+FIN", then: []byte{packets.SYN | packets.FIN}},
	{name: "SYN and ACK", then: []byte{packets.ACK}},
	{name: "SYN and two ACKs", then: []byte{packets.ACK, packets.PSH | packets.ACK}},
	{name: "ACKs alone", then: []byte{packets.ACK, packets.ACK, packets.ACK}, bare: true},
	{name: "SYN in a live host's name", live: true},
}

// tries is how often each row of blind is tried, from an address each.
const tries = 10

// ghost is an address among the clients that no host of the world has.
func (s *scenario) ghost(n int) netip.Addr {
	if s.server.Is4() {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(20 + n)})
	}
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::7", 0x20+n))
}

// sendBlind tries every row, and returns how many of its tries have opened the
// gate.
func (s *scenario) sendBlind() map[string]int {
	s.t.Helper()
	inject := func(all []packets.Segment) []packets.Verdict {
		got, err := s.bed.Inject(all...)
		if err != nil {
			s.t.Fatal(err)
		}
		return got
	}
	var first, then, ask []packets.Segment
	var rows []string
	for i, row := range blind {
		for n := range tries {
			from := s.ghost(i*tries + n)
			if row.live && n > 0 {
				break
			}
			if row.live {
				from = s.mute
			}
			at := packets.Segment{From: addrPort(from, uint16(5000+n)), To: addrPort(s.server, downloads), Seq: 7_000_000}
			if !row.bare {
				at.Flags, at.Want = packets.SYN, packets.Admitted
				first = append(first, at)
			}
			for j, flags := range row.then {
				at.Flags, at.Want = flags, ""
				at.Seq, at.Ack = 7_000_001, uint32(1+n)*400_000_007+uint32(j)
				then = append(then, at)
			}
			rows = append(rows, row.name)
			ask = append(ask, packets.Segment{From: addrPort(from, 6000), To: addrPort(s.server, downloadsData.First), Flags: packets.SYN, Want: packets.Dropped})
		}
	}
	for i, v := range inject(first) {
		if v != packets.Admitted {
			s.t.Errorf("the server has not answered the SYN of %s", first[i].From)
		}
	}
	inject(then)
	taught := map[string]int{}
	for i, v := range inject(ask) {
		if v == packets.Admitted {
			taught[rows[i]]++
		}
	}
	return taught
}

// Packets of somebody who sees no answer open no gate, whether or not conntrack
// picks connections up in the middle. If it is liberal, they do: doctor and
// apply warn of that.
func TestBlindPacketsTeachNothing(t *testing.T) {
	for _, setting := range []struct{ loose, liberal string }{{"0", "0"}, {"1", "0"}, {"0", "1"}, {"1", "1"}} {
		t.Run("loose "+setting.loose+" liberal "+setting.liberal, func(t *testing.T) {
			forEach(t, func(t *testing.T, b backend, family string) {
				needs.Tool(t, "conntrack")
				s := newScenario(t, b, family, nil)
				s.load()
				for name, value := range map[string]string{"loose": setting.loose, "be_liberal": setting.liberal} {
					if err := s.bed.Server.Set("net/netfilter/nf_conntrack_tcp_"+name, value); err != nil {
						t.Fatal(err)
					}
				}
				taught := s.sendBlind()
				if setting.liberal == "1" {
					if taught["SYN and ACK"] != tries {
						t.Errorf("taught by %v: with be_liberal every ACK was taken for true", taught)
					}
					return
				}
				if len(taught) != 0 {
					t.Errorf("taught by %v of %d", taught, tries)
				}
				control := s.connect(s.client, downloads)
				s.expect(want{s.client, downloadsData.First, packets.Admitted, "data port of a real client"})
				run(t, s.bed.Server, "", "conntrack", "-F")
				s.exchange(control)
				s.exchange(control)
				s.backend.forget(t, s.bed.Server)
				s.exchange(control)
				after := packets.Admitted
				if setting.loose == "0" {
					after = packets.Dropped // until its next control connection
				}
				s.expect(want{s.client, downloadsData.First, after, "data port of a real client after conntrack -F"})
				s.connect(s.client, downloads)
				s.expect(want{s.client, downloadsData.First, packets.Admitted, "data port after the next control connection"})
			})
		})
	}
}

// A flood of blind packets from more addresses than a set has room for takes
// no client's place. Complete handshakes do: see TestFullSets.
func TestFillAttack(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		for path, content := range s.files {
			s.files[path] = sizes.ReplaceAllString(content, "$1 8")
		}
		s.load()
		s.sendBlind()
		if full := s.backend.full(t, s.bed.Server); full != 0 {
			t.Errorf("blind packets: %d packets found a full set", full)
		}
		s.connect(s.client, downloads)
		s.expect(want{s.client, downloadsData.First, packets.Admitted, "data port after a flood of blind packets"})
	})
}

// Only packets with ACK or RST set pass beside the gate: any other would tell
// which data port somebody listens on. What conntrack calls invalid is left to
// the owner's chain, which with loose = 0 is every connection from before.
func TestStealthScansLearnNothing(t *testing.T) {
	const fin, syn, psh, ack, urg = packets.FIN, packets.SYN, packets.PSH, packets.ACK, packets.URG
	const admitted, dropped = packets.Admitted, packets.Dropped
	forEach(t, func(t *testing.T, b backend, family string) {
		for _, drops := range []bool{false, true} {
			into, owners := b.into, dropped
			if !drops {
				into, owners = nil, admitted
			}
			s := newScenario(t, b, family, into)
			if drops {
				b.dropping(t, s.bed.Server)
			}
			s.load()
			s.connect(s.client, downloads)
			port := uint16(7000)
			scan := func(what string, from netip.Addr, want packets.Verdict, flags ...byte) {
				t.Helper()
				var all []packets.Segment
				for _, f := range flags {
					port++ // an answer is told from others by it
					all = append(all, packets.Segment{From: addrPort(from, port), To: addrPort(s.server, downloadsData.First+3), Flags: f, Seq: 7, Ack: 7, Want: want})
				}
				got, err := s.bed.Inject(all...)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range got {
					if v != want {
						t.Errorf("%s, on a host that drops %v: flags %#b: %s, want %s", what, drops, flags[i], v, want)
					}
				}
			}
			ghost := s.ghost(0)
			scan("a client that is not learnt", ghost, dropped, 0, fin, fin|psh|urg, syn|fin, syn|fin|psh|urg, urg, psh, syn)
			scan("a client that is not learnt", ghost, admitted, ack, ack|psh)
			scan("invalid with ACK", ghost, owners, ack|syn|fin, ack|fin)
			scan("an invalid packet of a learnt client", s.client, owners, 0, fin|psh|urg)
			if err := s.bed.Server.Set("net/netfilter/nf_conntrack_tcp_loose", "0"); err != nil {
				t.Fatal(err)
			}
			scan("an older connection, with loose = 0", ghost, owners, ack)
		}
	})
}
