package passive

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"
)

// foreigners admits every address but that of outsider.
func foreigners(c *Config) {
	c.MaxWait = -1
	c.Foreign = func(from netip.Addr) bool { return from != outsider }
}

var outsider = netip.MustParseAddr("127.0.0.99")

// In clear text a port is one reservation's, whoever has it and wherever its
// connection comes from.
func TestForeignPortIsExclusive(t *testing.T) {
	p := open(t, 2, foreigners)
	first, second := mustReserve(t, p, hostAddr(1), nil), mustReserve(t, p, hostAddr(2), nil)
	if first.Port() == second.Port() {
		t.Fatal("two clients share a port")
	}
	_, err := p.Reserve(soon(t), hostAddr(3), loopback, nil)
	if err != BusyError("all 2 passive ports are in use") {
		t.Errorf("a third client: %v", err)
	}
	if err := knock(outsider, first.Port()); err != nil {
		t.Errorf("an address that is not admitted: %v", err)
	}
	if from := first.Foreign(); from != outsider {
		t.Errorf("it is remembered as %v", from)
	}
	for _, r := range []*Reservation{second, first} {
		client := dial(t, hostAddr(9), r.Port())
		c, err := r.Accept(soon(t), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if c.RemoteAddr().String() != client.LocalAddr().String() {
			t.Errorf("port %d was given %v", r.Port(), c.RemoteAddr())
		}
		c.Close()
	}
	if st := p.Stats(); st.Clients != 0 || st.Connected != 2 || st.Strangers != 1 {
		t.Errorf("stats %+v", st)
	}
}

// As many sessions as there are ports are never refused, and each gets its own
// connection, although all come from the same few addresses.
func TestForeignSessionsNeedAPortEach(t *testing.T) {
	const sessions = 40
	p := open(t, sessions, foreigners)
	together(t, sessions, func(i int) error {
		session := p.Session(hostAddr(i), loopback)
		for turn := range 10 {
			r, err := session.Reserve(soon(t), nil)
			if err != nil {
				return err
			}
			client, err := tryDial(hostAddr(1000+i%3), r.Port())
			if err != nil {
				return err
			}
			defer client.Close()
			c, err := r.Accept(soon(t), time.Minute)
			if err != nil {
				return err
			}
			token := string(binary.BigEndian.AppendUint64(nil, uint64(i*100+turn)))
			io.WriteString(c, token)
			c.Close()
			if got, err := io.ReadAll(client); err != nil || string(got) != token {
				return errors.New("another session's data")
			}
		}
		return nil
	})
	if st := p.Stats(); st.Connected != 10*sessions || st.Refused != 0 || st.Strangers != 0 {
		t.Errorf("stats %+v", st)
	}
}

// A mark says whose a connection is wherever it comes from, and a thief's, with
// another session's ticket or with none, costs nobody a reservation.
func TestForeignMarks(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			p := open(t, 1, func(c *Config) { withTLS(version)(c); foreigners(c) })
			victim, neighbour, thief := mustControl(t, p), mustControl(t, p), mustControl(t, p)
			r, other := mustReserve(t, p, hostAddr(1), victim.mark), mustReserve(t, p, hostAddr(2), neighbour.mark)
			if err := thief.worthless(hostAddr(9), r.Port()); err != nil {
				t.Error(err)
			}
			none := thief.twin()
			none.client.ClientSessionCache = nil
			c, err := none.dial(hostAddr(9), r.Port())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Error("a client without a session was given data")
			}
			// Its handshake ends after resumeGrace, which ends none of theirs.
			for end := time.Now().Add(10 * time.Second); p.Stats().Handshaking > 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the handshake goes on")
				}
			}
			if from := r.Foreign(); from != hostAddr(9) {
				t.Errorf("the thief is remembered as %v", from)
			}
			for s, r := range map[*controlled]*Reservation{victim: r, neighbour: other} {
				client, err := s.dial(hostAddr(8), r.Port())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				if err := s.serve(soon(t), r, client, []byte("its own")); err != nil {
					t.Error(err)
				}
			}
			if st := p.Stats(); st.Connected != 2 || st.Clients != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// Silent connections from one address end those of no other.
func TestForeignHandshakesAreCappedBySource(t *testing.T) {
	p := open(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); foreigners(c) })
	s := mustControl(t, p)
	r := mustReserve(t, p, hostAddr(1), s.mark)
	early := dial(t, hostAddr(2), r.Port())
	for p.Stats().Handshaking == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 100 {
		dial(t, hostAddr(9), r.Port())
	}
	client := tls.Client(early, s.client)
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if n := p.Stats().Handshaking; n > 1+spareHandshakes+2 {
		t.Errorf("%d handshakes at once", n)
	}
	if err := s.serve(soon(t), r, client, []byte("served")); err != nil {
		t.Error(err)
	}
}

// Where TLS proves nothing (ReusePreferred), a marked reservation is matched as
// in clear text.
func TestForeignReusePreferred(t *testing.T) {
	p := open(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); foreigners(c); c.Reuse = ReusePreferred })
	s := mustControl(t, p)
	r := mustReserve(t, p, hostAddr(1), s.mark)
	if _, err := p.Reserve(soon(t), hostAddr(2), loopback, mustControl(t, p).mark); err != BusyError("the 1 passive port is in use") {
		t.Errorf("a second client: %v", err)
	}
	s.client.ClientSessionCache = nil
	client, err := s.dial(hostAddr(9), r.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := s.serve(soon(t), r, client, []byte("served")); err != nil {
		t.Error(err)
	}
}
