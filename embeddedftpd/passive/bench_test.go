package passive

import (
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkReserveRelease is a PASV that is never used.
func BenchmarkReserveRelease(b *testing.B) {
	reserveRelease(b, open(b, 50, func(c *Config) { c.Rest = -1 }))
}

// BenchmarkReserveAmong10000 is the same beside 10,000 pending sessions.
func BenchmarkReserveAmong10000(b *testing.B) {
	p := open(b, 1, func(c *Config) { c.Rest = -1 })
	for i := range 10000 {
		if _, err := p.Reserve(b.Context(), hostAddr(i), loopback, nil); err != nil {
			b.Fatal(err)
		}
	}
	reserveRelease(b, p)
}

// BenchmarkLastPortOf1000 reserves the only port that a busy address has left.
func BenchmarkLastPortOf1000(b *testing.B) {
	c := Config{Addresses: []netip.Addr{loopback}, First: 20000, Last: 20999, Rest: -1}.complete()
	p := newPool(c)
	defer p.Close()
	for range 999 {
		if _, err := p.Reserve(b.Context(), alice, loopback, nil); err != nil {
			b.Fatal(err)
		}
	}
	reserveRelease(b, p)
}

func reserveRelease(b *testing.B, p *Pool) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Reserve(ctx, alice, loopback, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Release()
	}
}

// BenchmarkReserveDialAccept is a whole data connection in clear text, both
// sides of it.
func BenchmarkReserveDialAccept(b *testing.B) {
	p := open(b, 1, nil)
	dataConnection(b, p, nil, func(port uint16) (net.Conn, error) {
		return net.Dial("tcp4", netip.AddrPortFrom(loopback, port).String())
	})
}

// BenchmarkReserveDialAcceptTLS is the same under TLS 1.3, resumed.
func BenchmarkReserveDialAcceptTLS(b *testing.B) {
	p := open(b, 1, withTLS(tls.VersionTLS13))
	s, err := control(p)
	if err != nil {
		b.Fatal(err)
	}
	dataConnection(b, p, s.mark, func(port uint16) (net.Conn, error) {
		c, err := s.dial(loopback, port)
		if err != nil {
			return nil, err
		}
		return c.NetConn(), nil
	})
}

func dataConnection(b *testing.B, p *Pool, m *Mark, dial func(port uint16) (net.Conn, error)) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Reserve(ctx, loopback, loopback, m)
		if err != nil {
			b.Fatal(err)
		}
		client, err := dial(r.Port())
		if err != nil {
			b.Fatal(err)
		}
		c, err := r.Accept(ctx, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		// The client goes first, so that TIME_WAIT uses up its ports and not ours.
		Reset(client)
		c.Close()
	}
}
