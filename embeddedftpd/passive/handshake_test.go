package passive

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"
)

func TestClearTextAndMarkedNeverMeet(t *testing.T) {
	p := open(t, 1, func(c *Config) {
		withTLS(tls.VersionTLS13)(c)
		c.handshakeTimeout, c.MaxWait = 200*time.Millisecond, 10*time.Second
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
	c, err := r.Accept(soon(t), time.Minute)
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
	// What has been served leaves no room behind.
	served := mustControl(t, p)
	for range 10 {
		if err := served.download(soon(t), p, loopback, []byte("served")); err != nil {
			t.Fatal(err)
		}
	}
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
	p := open(t, 1, func(c *Config) { withTLS(tls.VersionTLS13)(c); c.maxHandshakes = 10 })
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
