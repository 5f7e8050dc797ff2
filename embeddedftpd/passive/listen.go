package passive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Accept errors (no descriptor left, no memory) pause the loop between these
// bounds, doubling.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Open binds every port of the range on every address and begins to accept.
// Whatever it cannot bind, it lets go of all: a port that another socket holds
// is a *TakenError. ctx bounds the opening only.
func Open(ctx context.Context, c Config) (*Pool, error) {
	handed := slices.Clone(c.Listeners)
	c, err := c.complete()
	if err != nil {
		closeAll(handed)
		return nil, err
	}
	listeners, err := bind(ctx, c, handed)
	if err != nil {
		return nil, err
	}
	p := newPool(c)
	p.listeners = listeners
	if !c.Paused {
		p.Start()
	}
	return p, nil
}

// bind gives the listeners of c's range, taking those of handed that fit and
// closing those that do not. On failure it closes all.
func bind(ctx context.Context, c Config, handed []*net.TCPListener) (_ []*net.TCPListener, err error) {
	have := make(map[netip.AddrPort]*net.TCPListener, len(handed))
	for _, l := range handed {
		at := l.Addr().(*net.TCPAddr).AddrPort()
		at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		if have[at] != nil {
			l.Close()
			continue
		}
		have[at] = l
	}
	var bound []*net.TCPListener
	defer func() {
		for _, l := range have {
			l.Close()
		}
		if err != nil {
			closeAll(bound)
		}
	}()
	for port := int(c.First); port <= int(c.Last); port++ {
		for _, a := range c.Addresses {
			at := netip.AddrPortFrom(a, uint16(port))
			l := have[at]
			delete(have, at)
			if l == nil {
				if l, err = listen(ctx, at, c.dualStack()); err != nil {
					return nil, err
				}
			}
			bound = append(bound, l)
		}
	}
	return bound, nil
}

// dualStack is whether :: takes IPv4 connections too.
func (c Config) dualStack() bool {
	return !slices.ContainsFunc(c.Addresses, netip.Addr.Is4)
}

// covers is whether a connection to local reaches the pool.
func (c Config) covers(local netip.Addr) bool {
	return slices.ContainsFunc(c.Addresses, func(a netip.Addr) bool {
		return a.WithZone("") == local || a.IsUnspecified() && (a.Is4() == local.Is4() || a.Is6() && c.dualStack())
	})
}

func listen(ctx context.Context, at netip.AddrPort, dualStack bool) (*net.TCPListener, error) {
	network := "tcp6"
	if at.Addr().Is4() {
		network = "tcp4"
	} else if dualStack && at.Addr().IsUnspecified() {
		network = "tcp"
	}
	// The net package sets SO_REUSEADDR and not SO_REUSEPORT: a restart binds over
	// TIME_WAIT, and nobody shares a port with us. Keep-alive is left off: it costs
	// every transfer several system calls, and a data connection has deadlines.
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, network, at.String())
	switch {
	case err == nil:
		return l.(*net.TCPListener), nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &TakenError{Addr: at, Err: err}
	case errors.Is(err, syscall.EMFILE):
		return nil, fmt.Errorf("cannot bind passive port %v: %w; every port takes one file descriptor an address: raise the limit (LimitNOFILE)", at, err)
	default:
		return nil, fmt.Errorf("cannot bind passive port %v: %w", at, err)
	}
}

func closeAll(listeners []*net.TCPListener) {
	for _, l := range listeners {
		l.Close()
	}
}

// serve accepts on l until it is closed.
func (p *Pool) serve(l *net.TCPListener) {
	var pause time.Duration
	for {
		c, err := l.AcceptTCP()
		if err == nil {
			pause = 0
			if !p.diverted(c) {
				p.Arrive(c)
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if pause == 0 {
			p.config.Log.Warn("cannot accept data connections", "address", l.Addr(), "error", err)
		}
		pause = min(max(2*pause, minPause), maxPause)
		p.stall(pause)
		select {
		case <-time.After(pause):
		case <-p.done:
			return
		}
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return t.AddrPort()
}

// stall notes that a listener does not accept for a while. A late connection
// may wait in its backlog meanwhile, so no rest ends before the backlog has
// been read.
func (p *Pool) stall(pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.AcceptErrors++
	if end := time.Now().Add(pause); end.After(p.stalled) {
		p.stalled = end
	}
}

// refuse closes c with a reset, without waiting for anything: nothing stays in
// TIME_WAIT.
func refuse(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn().(*ticketHold).Conn
	}
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}
