package passive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hostAddr is the i-th of 65,536 source addresses on loopback.
func hostAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}) }

// tryDial is dial for goroutines that are not the test's own.
func tryDial(from netip.Addr, port uint16) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", netip.AddrPortFrom(loopback, port).String())
	if err == nil {
		c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return c, err
}

// knock connects and is nil if the pool refuses: with a reset, which may reach
// connect itself.
func knock(from netip.Addr, port uint16) error {
	c, err := tryDial(from, port)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("a connection that nobody waits for read %d bytes, %w", n, err)
	}
	return nil
}

// transfer is one session's RETR: the client must read the bytes that the
// server wrote for this session.
func transfer(ctx context.Context, p *Pool, from netip.Addr, token []byte) error {
	r, err := p.Reserve(ctx, from, loopback, nil)
	if err != nil {
		return err
	}
	defer r.Release()
	client, err := tryDial(from, r.Port())
	if err != nil {
		return err
	}
	defer client.Close()
	c, err := r.Accept(ctx, time.Minute)
	if err != nil {
		return err
	}
	c.Write(token)
	c.Close()
	got, err := io.ReadAll(client)
	if err == nil && !bytes.Equal(got, token) {
		err = errors.New("another session's data")
	}
	return err
}

func TestTwoHundredAddressesShareOnePort(t *testing.T) {
	p := open(t, 1, func(c *Config) { c.MaxWait = -1 })
	together(t, 200, func(i int) error {
		return transfer(soon(t), p, hostAddr(i), binary.BigEndian.AppendUint64(nil, uint64(i)))
	})
	if st := p.Stats(); st.Connected != 200 || st.Refused != 0 || st.Strangers != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestTwoHundredSessionsOfOneAddressWaitForOnePort(t *testing.T) {
	p := open(t, 1, func(c *Config) { c.MaxWait = 15 * time.Second })
	together(t, 200, func(i int) error {
		return transfer(soon(t), p, hostAddr(7), binary.BigEndian.AppendUint64(nil, uint64(i)))
	})
	if st := p.Stats(); st.Connected != 200 || st.Refused != 0 || st.Strangers != 0 || st.Waited < 100 {
		t.Errorf("stats %+v", st)
	}
}

func together(t *testing.T, n int, session func(int) error) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := session(i); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

func TestPortTheftFromAnotherAddress(t *testing.T) {
	p := open(t, 1, nil)
	r, err := p.Reserve(soon(t), hostAddr(1), loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := knock(hostAddr(2), r.Port()); err != nil {
			t.Fatal(err)
		}
	}
	client := dial(t, hostAddr(1), r.Port())
	c, err := r.Accept(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if c.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("the session was given %v", c.RemoteAddr())
	}
	if st := p.Stats(); st.Strangers != 50 {
		t.Errorf("stats %+v", st)
	}
}

func TestLateConnectionMeetsNoOtherSession(t *testing.T) {
	p := open(t, 1, func(c *Config) { c.Rest, c.MaxWait = 500*time.Millisecond, 10*time.Second })
	aborted, err := p.Reserve(soon(t), hostAddr(1), loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	aborted.Release()
	late := make(chan error, 1)
	go func() { late <- knock(hostAddr(1), aborted.Port()) }()
	if err := transfer(soon(t), p, hostAddr(1), []byte("the next session's")); err != nil {
		t.Error(err)
	}
	if err := <-late; err != nil {
		t.Error(err)
	}
	if st := p.Stats(); st.Late != 1 || st.Connected != 1 {
		t.Errorf("stats %+v", st)
	}
}

// TestIdentityUnderStress lets sessions of a few addresses transfer, abort,
// connect late, expire, give up waiting and meet strangers, all at once. Every
// byte must reach the session that it belongs to, and nothing may be left.
func TestIdentityUnderStress(t *testing.T) {
	const addresses, sessionsEach, turns = 12, 6, 12
	p := open(t, 3, func(c *Config) {
		c.Expiry, c.Rest, c.MaxWait = 2*time.Second, time.Second, 20*time.Second
	})
	var transfers, tokens atomic.Uint64
	turn := func(random *rand.Rand, from netip.Addr) error {
		if random.IntN(8) > 1 {
			transfers.Add(1)
			return transfer(soon(t), p, from, binary.BigEndian.AppendUint64(nil, tokens.Add(1)))
		}
		patience, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(1500))*time.Millisecond)
		defer cancel()
		r, err := p.Reserve(patience, from, loopback, nil)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		defer r.Release()
		if random.IntN(8) == 0 {
			if _, err := r.Accept(soon(t), time.Minute); err != ErrExpired {
				return err
			}
		}
		r.Release()
		if random.IntN(2) == 0 {
			return nil
		}
		return knock(from, r.Port())
	}
	quit := make(chan struct{})
	var strangers sync.WaitGroup
	strangers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			case <-time.After(2 * time.Millisecond):
			}
			if err := knock(hostAddr(1000+i%50), p.config.First+uint16(i%3)); err != nil {
				t.Error(err)
			}
		}
	})
	together(t, addresses*sessionsEach, func(i int) error {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for range turns {
			if err := turn(random, hostAddr(i%addresses)); err != nil {
				return err
			}
		}
		return nil
	})
	close(quit)
	strangers.Wait()
	time.Sleep(p.config.Rest + 100*time.Millisecond)
	st := p.Stats()
	if st.Pending+st.Held+st.Waiting+st.Resting+st.Clients != 0 {
		t.Errorf("left over: %+v", st)
	}
	if st.Connected != transfers.Load() || st.Refused != 0 {
		t.Errorf("%d transfers, stats %+v", transfers.Load(), st)
	}
	if st.Late == 0 || st.Waited == 0 || st.Expired == 0 || st.Strangers == 0 {
		t.Errorf("the stress reached too little: %+v", st)
	}
}
