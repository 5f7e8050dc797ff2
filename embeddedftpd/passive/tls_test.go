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
		c.TLS = &tls.Config{Certificates: []tls.Certificate{testCertificate}, MinVersion: version, MaxVersion: version}
	}
}

// controlled is one FTP session under TLS as the pool sees it: a mark on the
// server's side, a ticket cache on the client's.
type controlled struct {
	mark   *Mark
	client *tls.Config
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
	_, err = io.ReadFull(tls.Client(client, s.client), make([]byte, 4))
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
	c, err := r.Accept(ctx)
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
		if st := p.Stats(); st.Unproven != 2 {
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
		if err := second.greet(p); err != nil {
			t.Fatal(err)
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

func TestClearTextAndMarkedNeverMeet(t *testing.T) {
	p := open(t, 1, func(c *Config) {
		withTLS(tls.VersionTLS13)(c)
		c.HandshakeTimeout, c.MaxWait = 200*time.Millisecond, 10*time.Second
	})
	s := mustControl(t, p)
	marked := mustReserve(t, p, loopback, s.mark)
	clear := make(chan *Reservation, 1)
	go func() {
		if r, err := p.Reserve(soon(t), loopback, loopback, nil); err == nil {
			clear <- r
		}
	}()
	silent := dial(t, loopback, marked.Port())
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a connection in clear text read %d bytes, %v", n, err)
	}
	if len(clear) != 0 {
		t.Fatal("a reservation in clear text shares a port with a marked one")
	}
	client, err := s.dial(loopback, marked.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := s.serve(soon(t), marked, client, []byte("marked")); err != nil {
		t.Error(err)
	}
	r := <-clear
	// A marked one now waits behind the one in clear text.
	behind := make(chan error, 1)
	go func() { behind <- s.download(soon(t), p, loopback, []byte("behind")) }()
	for p.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	plain := dial(t, loopback, r.Port())
	c, err := r.Accept(soon(t))
	if err != nil || c.RemoteAddr().String() != plain.LocalAddr().String() {
		t.Errorf("the session in clear text was given %v, %v", c, err)
	}
	if err := <-behind; err != nil {
		t.Error(err)
	}
}

// TestSilentConnectionsShutNobodyOut floods a port with connections from the
// victim's own address that never say a word.
func TestSilentConnectionsShutNobodyOut(t *testing.T) {
	p := open(t, 1, withTLS(tls.VersionTLS13))
	s := mustControl(t, p)
	r := mustReserve(t, p, loopback, s.mark)
	for range 300 {
		dial(t, loopback, r.Port())
	}
	client, err := s.dial(loopback, r.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if n := p.Stats().Handshaking; n > spareHandshakes+2 {
		t.Errorf("%d handshakes at once", n)
	}
	if err := s.serve(soon(t), r, client, []byte("served")); err != nil {
		t.Error(err)
	}
	p.Close()
	if st := p.Stats(); st.Handshaking != 0 || st.Unproven < 300 {
		t.Errorf("stats %+v", st)
	}
}

func TestHandshakesOfThePoolAreCapped(t *testing.T) {
	p := open(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.MaxHandshakes = 10 })
	for i := range 50 {
		s := mustControl(t, p)
		r := mustReserve(t, p, hostAddr(i), s.mark)
		dial(t, hostAddr(i), r.Port())
	}
	s := mustControl(t, p)
	if err := s.download(soon(t), p, loopback, []byte("served")); err != nil {
		t.Error(err)
	}
	if n := p.Stats().Handshaking; n > 10 {
		t.Errorf("%d handshakes at once", n)
	}
}

// TestSlowHandshakeIsNotForALaterReservation: the connection came for a
// reservation that has ended by the time the handshake does. The next
// reservation of that address (preferred), or of that very session (required),
// is not its own.
func TestSlowHandshakeIsNotForALaterReservation(t *testing.T) {
	for name, reuse := range map[string]Reuse{"preferred": ReusePreferred, "required": ReuseRequired} {
		t.Run(name, func(t *testing.T) {
			p := open(t, 1, func(c *Config) {
				withTLS(tls.VersionTLS13)(c)
				c.Reuse, c.Rest, c.MaxWait = reuse, 20*time.Millisecond, 10*time.Second
			})
			s := mustControl(t, p)
			aborted := mustReserve(t, p, loopback, s.mark)
			slow := dial(t, loopback, aborted.Port())
			for p.Stats().Handshaking == 0 {
				time.Sleep(time.Millisecond)
			}
			aborted.Release()
			next := s
			if reuse == ReusePreferred {
				next = mustControl(t, p)
				s.client.ClientSessionCache.Put("ftp.test", nil)
			}
			r := mustReserve(t, p, loopback, next.mark)
			slow.SetDeadline(time.Now().Add(10 * time.Second))
			if n, err := tls.Client(slow, s.twin().client).Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("the slow connection read %d bytes, %v", n, err)
			}
			client, err := next.dial(loopback, r.Port())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := next.serve(soon(t), r, client, []byte("next")); err != nil {
				t.Error(err)
			}
		})
	}
}

// frugal reads byte by byte, so that crypto/tls takes nothing beyond the record
// that it needs: what follows stays in the kernel, as with other TLS libraries.
type frugal struct{ net.Conn }

func (f frugal) Read(b []byte) (int, error) { return f.Conn.Read(b[:min(1, len(b))]) }

// TestUploadsOfClientsThatNeverRead: each writes, closes and leaves unread
// whatever the server has sent after its part of the handshake.
func TestUploadsOfClientsThatNeverRead(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		const size = 128 << 10 // more than the server's window, so that some is still unsent at the close
		uploads := 1000
		if version == tls.VersionTLS12 {
			uploads = 50 // it sends its ticket within the handshake
		}
		p := open(t, 1, withTLS(version))
		s := mustControl(t, p)
		payload := bytes.Repeat([]byte("upload"), size/6+1)[:size]
		for i := range uploads {
			r := mustReserve(t, p, loopback, s.mark)
			sent := make(chan error, 1)
			go func() {
				raw, err := tryDial(loopback, r.Port())
				if err == nil {
					c := tls.Client(frugal{raw}, s.client)
					_, err = c.Write(payload)
					c.Close()
				}
				sent <- err
			}()
			c, err := r.Accept(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, payload) {
				t.Fatalf("upload %d: %d of %d bytes, %v", i, len(got), size, err)
			}
			c.Close()
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTicketIsOnlyHeldBack: the client has it once the server has written, and
// resumes with it when the control connection's ticket is gone.
func TestTicketIsOnlyHeldBack(t *testing.T) {
	p := open(t, 1, withTLS(tls.VersionTLS13))
	s := mustControl(t, p)
	for _, token := range []string{"", "data"} {
		r := mustReserve(t, p, loopback, s.mark)
		client, err := s.dial(loopback, r.Port())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		old, _ := s.client.ClientSessionCache.Get("ftp.test")
		if err := s.serve(soon(t), r, client, []byte(token)); err != nil {
			t.Fatal(err)
		}
		ticket, _ := s.client.ClientSessionCache.Get("ftp.test")
		if ticket == nil || ticket == old {
			t.Fatalf("after %q the client has no new ticket", token)
		}
	}
	if err := s.download(soon(t), p, loopback, []byte("resumed")); err != nil {
		t.Error(err)
	}
}

func TestTLSConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"config for client": func(c *Config) {
			c.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
		},
		"wrap":       func(c *Config) { c.TLS.WrapSession = c.TLS.EncryptTicket },
		"unwrap":     func(c *Config) { c.TLS.UnwrapSession = c.TLS.DecryptTicket },
		"no tickets": func(c *Config) { c.TLS.SessionTicketsDisabled = true },
		"reuse":      func(c *Config) { c.Reuse = 2 },
		"handshakes": func(c *Config) { c.MaxHandshakes = -1 },
	} {
		c := Config{Addresses: []netip.Addr{loopback}, First: 50000, Last: 50000}
		withTLS(tls.VersionTLS13)(&c)
		spoil(&c)
		if p, err := Open(t.Context(), c); err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		}
	}
	p := open(t, 1, nil)
	if _, err := p.Reserve(t.Context(), loopback, loopback, NewMark()); err != ErrNoTLS {
		t.Errorf("a mark without TLS: %v", err)
	}
}
