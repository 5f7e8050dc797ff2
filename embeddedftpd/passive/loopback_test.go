package passive

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// open opens a pool of n free ports on loopback.
func open(t testing.TB, n int, adjust func(*Config)) *Pool {
	t.Helper()
	for range 50 {
		probe, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first := probe.Addr().(*net.TCPAddr).Port
		probe.Close()
		if first+n-1 > 65535 {
			continue
		}
		c := Config{Addresses: []netip.Addr{loopback}, First: uint16(first), Last: uint16(first + n - 1)}
		if adjust != nil {
			adjust(&c)
		}
		p, err := Open(t.Context(), c)
		var taken *TakenError
		if errors.As(err, &taken) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	t.Fatalf("found no %d free ports in a row", n)
	return nil
}

// dial connects from a source address to a port of the pool.
func dial(t testing.TB, from netip.Addr, port uint16) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", netip.AddrPortFrom(loopback, port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestConnectionBeforeAndAfterAccept(t *testing.T) {
	p := open(t, 1, nil)
	for _, early := range []bool{true, false} {
		r, err := p.Reserve(soon(t), loopback, loopback, nil)
		if err != nil {
			t.Fatal(err)
		}
		client := make(chan net.Conn, 1)
		connect := func() { client <- dial(t, loopback, r.Port()) }
		if early {
			connect()
		} else {
			time.AfterFunc(10*time.Millisecond, connect)
		}
		c, err := r.Accept(soon(t), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, plain := c.(*Socket); !plain {
			t.Errorf("Accept gave a %T", c)
		}
		io.WriteString(c, "payload")
		c.Close()
		if got, _ := io.ReadAll(<-client); string(got) != "payload" {
			t.Errorf("client read %q", got)
		}
	}
}
