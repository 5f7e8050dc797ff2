package passive

import (
	"net"
	"net/netip"
	"testing"
)

// BenchmarkReserveRelease is a PASV that is never used: no system call.
func BenchmarkReserveRelease(b *testing.B) {
	p := open(b, 50, func(c *Config) { c.Rest = -1 })
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

// BenchmarkReserveAmong10000 is the same beside 10,000 pending sessions.
func BenchmarkReserveAmong10000(b *testing.B) {
	p := open(b, 1, func(c *Config) { c.Rest = -1 })
	ctx := b.Context()
	for i := range 10000 {
		if _, err := p.Reserve(ctx, hostAddr(i), loopback, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Reserve(ctx, alice, loopback, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Release()
	}
}

// BenchmarkLastPortOf1000 reserves the only port that a busy address has left.
func BenchmarkLastPortOf1000(b *testing.B) {
	c, err := Config{Addresses: []netip.Addr{loopback}, First: 20000, Last: 20999, Rest: -1}.complete()
	if err != nil {
		b.Fatal(err)
	}
	p := newPool(c)
	defer p.Close()
	ctx := b.Context()
	for range 999 {
		if _, err := p.Reserve(ctx, alice, loopback, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Reserve(ctx, alice, loopback, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Release()
	}
}

func BenchmarkReserveDialAccept(b *testing.B) {
	p := open(b, 1, nil)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Reserve(ctx, loopback, loopback, nil)
		if err != nil {
			b.Fatal(err)
		}
		client, err := net.Dial("tcp4", netip.AddrPortFrom(loopback, r.Port()).String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := r.Accept(ctx)
		if err != nil {
			b.Fatal(err)
		}
		// The client goes first, so that TIME_WAIT uses up its ports and not ours.
		refuse(client)
		c.Close()
	}
}
