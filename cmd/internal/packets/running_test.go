package packets_test

import (
	"fmt"
	"net"
	"regexp"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// reloads is how often a test loads the same files again.
const reloads = 10

func TestCapPerClient(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		first := s.connect(s.client, downloads)
		s.connect(s.client, downloads)
		s.expect(want{s.client, downloads, packets.Dropped, "a control connection over the cap"})
		if s.twin.IsValid() {
			s.expect(want{s.twin, downloads, packets.Dropped, "a control connection over the cap from the same /64"})
		}
		s.expect(
			want{s.cousin, downloads, packets.Admitted, "another client's control connection"},
			want{s.client, edi, packets.Admitted, "a control connection to another site"},
			want{s.client, downloadsData.First, packets.Admitted, "a data connection of a client at its cap"},
		)
		first.Close()
		s.connect(s.client, downloads)
		s.expect(want{s.client, downloads, packets.Dropped, "over the cap again"})
	})
}

// xt_connlimit forgets its connections with its rule, so there only new ones
// count after a re-load.
func TestCapAfterReload(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		before := []net.Conn{s.connect(s.client, downloads), s.connect(s.client, downloads)}
		s.load()
		for _, c := range before {
			s.exchange(c)
		}
		if b.name != "nft" {
			s.connect(s.client, downloads)
			s.connect(s.client, downloads)
		}
		s.expect(want{s.client, downloads, packets.Dropped, "a control connection over the cap after a re-load"})
	})
}

func TestBareSYNTeachesNothing(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		// The client's side of the handshake ends with its SYN: the server's
		// reply arrives, and what the client answers does not leave.
		run(t, s.bed.World, fmt.Sprintf(`table inet mute {
			chain out {
				type filter hook output priority filter;
				%s saddr %s tcp flags & syn == 0 drop
			}
		}`, map[bool]string{true: "ip", false: "ip6"}[s.mute.Is4()], s.mute), "nft", "-f", "-")
		c, err := s.bed.World.Dial(s.mute, addrPort(s.server, downloads), packets.Patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s.expect(want{s.mute, downloadsData.First, packets.Dropped, "data port after a bare SYN to the control port"})
		run(t, s.bed.World, "", "nft", "flush", "ruleset")
		s.exchange(c)
		s.expect(want{s.mute, downloadsData.First, packets.Admitted, "data port once the handshake is done"})
	})
}

func TestTransferOutlivesTheGate(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		s.load()
		s.transferOutlives(s.connect(s.client, downloads))
	})
}

func TestTransferOutlivesTheGateOnADroppingHost(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, b.into)
		b.dropping(t, s.bed.Server)
		s.load()
		s.transferOutlives(s.connect(s.client, downloads))
	})
}

// transferOutlives checks that a running transfer goes on when its client is
// forgotten and when the rules are loaded again, and that the next packet on
// the control connection opens the gate again.
func (s *scenario) transferOutlives(control net.Conn) {
	transfer := s.connect(s.client, downloadsData.First)
	s.backend.forget(s.t, s.bed.Server)
	s.expect(want{s.client, downloadsData.First, packets.Dropped, "a new data connection of a client that is forgotten"})
	s.exchange(transfer)
	for range reloads {
		s.load()
		s.exchange(transfer)
	}
	s.expect(want{s.client, downloadsData.Last, packets.Dropped, "a new data connection when only the transfer went on"})
	s.exchange(control)
	s.expect(want{s.client, downloadsData.Last, packets.Admitted, "a data connection after a word on the control connection"})
	s.exchange(transfer)
}

// On a host whose conntrack was not watching, the first load finds connections
// that it takes for new ones.
func TestFirstLoadUnderARunningTransfer(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		control, transfer := s.connect(s.client, downloads), s.connect(s.client, downloadsData.First)
		stranger := s.connect(s.outside, downloadsData.Last)
		s.load()
		s.exchange(transfer)
		s.exchange(stranger)
		s.expect(want{s.client, downloadsData.First, packets.Dropped, "a new data connection after the first load"})
		s.exchange(control)
		s.exchange(control)
		s.expect(want{s.client, downloadsData.First, packets.Admitted, "a new data connection after words on the old control connection"})
	})
}

// Running connections go on where conntrack forgets them, on a host that drops
// what nobody accepts: conntrack picks them up (loose = 1, the default).
func TestColdConntrackOnADroppingHost(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		needs.Tool(t, "conntrack")
		s := newScenario(t, b, family, b.into)
		b.dropping(t, s.bed.Server)
		s.load()
		control, transfer := s.connect(s.client, downloads), s.connect(s.client, downloadsData.First)
		run(t, s.bed.Server, "", "conntrack", "-F")
		s.exchange(transfer)
		s.exchange(control)
		s.expect(want{s.client, downloadsData.Last, packets.Admitted, "a new data connection beside them"})
	})
}

// A full set must never close the control port, nor open a data port.
func TestFullSets(t *testing.T) {
	forEach(t, func(t *testing.T, b backend, family string) {
		s := newScenario(t, b, family, nil)
		for path, content := range s.files {
			s.files[path] = sizes.ReplaceAllString(content, "$1 1")
		}
		s.load()
		s.connect(s.client, downloads) // takes the only place
		s.connect(s.cousin, downloads)
		s.expect(
			want{s.mute, downloads, packets.Admitted, "control port, with full sets"},
			want{s.cousin, downloadsData.First, packets.Dropped, "data port of a client that found no room in the set"},
			want{s.client, downloadsData.First, packets.Admitted, "data port of the member"},
		)
		if full := b.full(t, s.bed.Server); full == 0 {
			t.Error("no counter shows that the set is full")
		}
	})
}

var sizes = regexp.MustCompile(`(size|maxelem) (262144|65536)\b`)
