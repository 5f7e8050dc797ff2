package passive

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

// testCertificate is good for "ftp.test".
var testCertificate = func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"ftp.test"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}()

func withTLS(version uint16) func(*Config) {
	return func(c *Config) {
		c.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		c.TLS.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &testCertificate, nil }
	}
}

// controlled is one FTP session under TLS as the pool sees it: a mark on the
// server's side, a ticket cache on the client's.
type controlled struct {
	mark    *Mark
	client  *tls.Config
	resumed bool // the control connection itself
}

// control opens a control connection and lets the client read from it, so that
// it has its ticket.
func control(p *Pool) (*controlled, error) {
	pool := x509.NewCertPool()
	pool.AddCert(testCertificate.Leaf)
	s := &controlled{
		mark:   NewMark(),
		client: &tls.Config{RootCAs: pool, ServerName: "ftp.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)},
	}
	return s, s.greet(p)
}

func (s *controlled) greet(p *Pool) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	client, err := tryDial(loopback, uint16(l.Addr().(*net.TCPAddr).Port))
	if err != nil {
		return err
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		return err
	}
	defer server.Close()
	go tls.Server(server, p.ControlConfig(s.mark)).Write([]byte("220 "))
	c := tls.Client(client, s.client)
	_, err = io.ReadFull(c, make([]byte, 4))
	s.resumed = c.ConnectionState().DidResume
	return err
}

// dial opens a data connection that offers the session's ticket.
func (s *controlled) dial(from netip.Addr, port uint16) (*tls.Conn, error) {
	raw, err := tryDial(from, port)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, s.client)
	if err := c.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// download is one RETR under PROT P.
func (s *controlled) download(ctx context.Context, p *Pool, from netip.Addr, token []byte) error {
	r, err := p.Reserve(ctx, from, loopback, s.mark)
	if err != nil {
		return err
	}
	defer r.Release()
	client, err := s.dial(from, r.Port())
	if err != nil {
		return err
	}
	defer client.Close()
	return s.serve(ctx, r, client, token)
}

func (s *controlled) serve(ctx context.Context, r *Reservation, client net.Conn, token []byte) error {
	c, err := r.Accept(ctx, time.Minute)
	if err != nil {
		return err
	}
	if _, ok := c.(*tls.Conn); !ok {
		return fmt.Errorf("Accept gave a %T", c)
	}
	c.Write(token)
	c.Close()
	got, err := io.ReadAll(client)
	if err == nil && !bytes.Equal(got, token) {
		err = fmt.Errorf("read %q, want %q", got, token)
	}
	return err
}

// twin has the session's ticket in a cache of its own: a Go client forgets a
// ticket with which a handshake failed.
func (s *controlled) twin() *controlled {
	ticket, _ := s.client.ClientSessionCache.Get("ftp.test")
	client := s.client.Clone()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	client.ClientSessionCache.Put("ftp.test", ticket)
	return &controlled{mark: s.mark, client: client}
}

// worthless is nil if a data connection with the session's ticket is refused,
// in its handshake or when the client reads, and it leaves no other ticket.
func (s *controlled) worthless(from netip.Addr, port uint16) error {
	s = s.twin()
	offered, _ := s.client.ClientSessionCache.Get("ftp.test")
	if c, err := s.dial(from, port); err == nil {
		defer c.Close()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			return errors.New("a session that does not wait on this port was given data")
		}
	}
	if got, _ := s.client.ClientSessionCache.Get("ftp.test"); got != nil && got != offered {
		return errors.New("a client that was refused was given a ticket")
	}
	return nil
}

// versions runs a test under TLS 1.2 and 1.3.
func versions(t *testing.T, test func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) { test(t, v) })
	}
}

func mustControl(t *testing.T, p *Pool) *controlled {
	t.Helper()
	s, err := control(p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustReserve(t *testing.T, p *Pool, from netip.Addr, m *Mark) *Reservation {
	t.Helper()
	r, err := p.Reserve(soon(t), from, loopback, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSessionsOfOneAddressShareOnePort lets all reservations pend at once
// before the first connection comes, then every session transfers again, on the
// ticket that its first data connection gave it.
func TestSessionsOfOneAddressShareOnePort(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		const sessions = 100
		p := open(t, 1, func(c *Config) { withTLS(version)(c); c.MaxWait = -1 })
		var all [sessions]*controlled
		var pending [sessions]*Reservation
		for i := range sessions {
			all[i] = mustControl(t, p)
			pending[i] = mustReserve(t, p, loopback, all[i].mark)
		}
		together(t, sessions, func(i int) error {
			token := binary.BigEndian.AppendUint64(nil, uint64(i))
			client, err := all[i].dial(loopback, pending[i].Port())
			if err != nil {
				return err
			}
			defer client.Close()
			if err := all[i].serve(soon(t), pending[i], client, token); err != nil {
				return err
			}
			for range 3 {
				if err := all[i].download(soon(t), p, loopback, token); err != nil {
					return err
				}
			}
			return nil
		})
		if st := p.Stats(); st.Connected != 4*sessions || st.Unproven != 0 || st.Clients != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestTicketOfAnotherSession(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		p := open(t, 1, withTLS(version))
		victim, thief, ended := mustControl(t, p), mustControl(t, p), mustControl(t, p)
		if err := ended.download(soon(t), p, loopback, []byte("before")); err != nil {
			t.Fatal(err)
		}
		r := mustReserve(t, p, loopback, victim.mark)
		none := thief.twin()
		none.client.ClientSessionCache = nil
		if c, err := none.dial(loopback, r.Port()); err == nil {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Error("a client without a session was given data")
			}
			c.Close()
		}
		for name, s := range map[string]*controlled{"live": thief, "ended": ended} {
			if err := s.worthless(loopback, r.Port()); err != nil {
				t.Errorf("ticket of a session that has %s: %v", name, err)
			}
		}
		client, err := victim.dial(loopback, r.Port())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := victim.serve(soon(t), r, client, []byte("the victim's")); err != nil {
			t.Error(err)
		}
		if st := p.Stats(); st.Unproven < 2 || st.Unproven > 3 || st.Connected != 2 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestTicketOfADaemonSinceRestarted(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		before := open(t, 1, withTLS(version))
		s := mustControl(t, before)
		before.Close()
		p := open(t, 1, withTLS(version))
		// Even the same mark does not help: the ticket keys are others.
		r := mustReserve(t, p, loopback, s.mark)
		if err := s.worthless(loopback, r.Port()); err != nil {
			t.Error(err)
		}
		if err := s.greet(p); err != nil {
			t.Fatal(err)
		}
		client, err := s.dial(loopback, r.Port())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := s.serve(soon(t), r, client, []byte("after")); err != nil {
			t.Error(err)
		}
	})
}

// TestControlConnectionThatResumes: the new control connection's data
// connections are its own, not those of the one that it resumed.
func TestControlConnectionThatResumes(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		p := open(t, 1, withTLS(version))
		first := mustControl(t, p)
		second := &controlled{mark: NewMark(), client: first.client}
		if err := second.greet(p); err != nil || !second.resumed || first.resumed {
			t.Fatalf("%v; resumed: %v, the first %v", err, second.resumed, first.resumed)
		}
		r := mustReserve(t, p, loopback, first.mark)
		if err := second.worthless(loopback, r.Port()); err != nil {
			t.Error(err)
		}
		if err := second.download(soon(t), p, loopback, []byte("second")); err != nil {
			t.Error(err)
		}
	})
}

// TestPreferredResumesNoOtherSession: a client that shows a ticket of another of
// its control connections is served as one that shows none.
func TestPreferredResumesNoOtherSession(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		p := open(t, 1, func(c *Config) { withTLS(version)(c); c.Reuse = ReusePreferred })
		one, other := mustControl(t, p), mustControl(t, p)
		for _, shown := range []*controlled{one, other.twin()} {
			r := mustReserve(t, p, loopback, one.mark)
			client, err := shown.dial(loopback, r.Port())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if resumed := client.ConnectionState().DidResume; resumed != (shown == one) {
				t.Errorf("its own ticket %v, resumed %v", shown == one, resumed)
			}
			if err := shown.serve(soon(t), r, client, []byte("one's")); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReusePreferred(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		p := open(t, 1, func(c *Config) { withTLS(version)(c); c.Reuse, c.MaxWait = ReusePreferred, 10*time.Second })
		// All of one address: the port is as exclusive as in clear text.
		together(t, 40, func(i int) error {
			s, err := control(p)
			if err != nil {
				return err
			}
			if i%2 == 0 {
				s.client.ClientSessionCache = nil
			}
			return s.download(soon(t), p, loopback, binary.BigEndian.AppendUint64(nil, uint64(i)))
		})
		if st := p.Stats(); st.Connected != 40 || st.Unproven != 0 || st.Waited == 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestConnectionThatDoesNotResume: it ends the reservations that were there
// before it, and none that came later, unless their own connections come soon. A
// handshake that fails ends nothing.
func TestConnectionThatDoesNotResume(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		t.Parallel()
		p := open(t, 1, withTLS(version))
		clumsy, other := mustControl(t, p), mustControl(t, p)
		waits := mustReserve(t, p, loopback, clumsy.mark)
		served := mustReserve(t, p, loopback, other.mark)
		for range 2 {
			bare, err := net.Dial("tcp", netip.AddrPortFrom(loopback, waits.Port()).String())
			if err != nil {
				t.Fatal(err)
			}
			bare.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
			bare.Close()
		}
		clumsy.client.ClientSessionCache = nil
		began := time.Now()
		c, err := clumsy.dial(loopback, waits.Port())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection ends with %v", err)
		}
		later := mustReserve(t, p, loopback, mustControl(t, p).mark)
		client, err := other.dial(loopback, served.Port())
		if err == nil {
			defer client.Close()
			err = other.serve(soon(t), served, client, []byte("the other's"))
		}
		if err == nil {
			err = waits.Err()
		}
		if err != nil && time.Since(began) < resumeGrace { // later, it is as it should be
			t.Errorf("within the time of grace: %v", err)
		}
		if _, err := waits.Accept(soon(t), time.Minute); err != ErrNotResumed || waits.Err() != ErrNotResumed {
			t.Errorf("%v, %v, want %v", err, waits.Err(), ErrNotResumed)
		}
		if err := later.Err(); err != nil {
			t.Errorf("the reservation made later: %v", err)
		}
	})
}

// A connection from a client without a reservation is remembered for those who
// wait at its port, until they make a new one.
func TestForeignConnection(t *testing.T) {
	p := open(t, 1, nil)
	r := mustReserve(t, p, netip.MustParseAddr("127.0.0.2"), nil)
	if from := r.Foreign(); from.IsValid() {
		t.Errorf("before any: %v", from)
	}
	if c, err := net.Dial("tcp", netip.AddrPortFrom(loopback, r.Port()).String()); err == nil { // or reset already
		defer c.Close()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("the foreign connection was served")
		}
	}
	if from := r.Foreign(); from != loopback {
		t.Errorf("after one from %v: %v", loopback, from)
	}
	r.Release()
	if from := mustReserve(t, p, netip.MustParseAddr("127.0.0.3"), nil).Foreign(); from.IsValid() {
		t.Errorf("a later reservation: %v", from)
	}
}
