package passive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Open binds every port of the range on every address and begins to accept. On failure
// it lets go of all: a port that another socket holds is a *TakenError.
func Open(ctx context.Context, c Config) (*Pool, error) {
	handed := slices.Clone(c.Listeners)
	c = c.complete()
	listeners, err := bind(ctx, c, handed)
	if err != nil {
		return nil, err
	}
	p := newPool(c)
	if err := p.hold(listeners); err != nil {
		return nil, err
	}
	if !c.Paused {
		p.Start()
	}
	return p, nil
}

// hold makes bound ports the pool's own. On failure it closes all.
func (p *Pool) hold(bound []*net.TCPListener) error {
	defer CloseAll(bound)
	var err error
	for _, l := range bound {
		var own *listener
		if err == nil {
			own, err = newListener(l)
		}
		if err == nil {
			p.listeners = append(p.listeners, own)
		}
	}
	if err != nil {
		p.Close()
	}
	return err
}

// bind gives the listeners of c's range and closes what is left of handed.
func bind(ctx context.Context, c Config, handed []*net.TCPListener) (bound []*net.TCPListener, err error) {
	defer func() { CloseAll(handed) }()
	for port := int(c.First); port <= int(c.Last); port++ {
		for _, a := range c.Addresses {
			at := netip.AddrPortFrom(a, uint16(port))
			l, err := Listen(ctx, at, c.dualStack(), &handed)
			if err != nil {
				CloseAll(bound)
				return nil, bindError(at, err)
			}
			bound = append(bound, l)
		}
	}
	return bound, nil
}

// dualStack reports whether :: takes IPv4 connections too.
func (c Config) dualStack() bool {
	return !slices.ContainsFunc(c.Addresses, netip.Addr.Is4)
}

// Listen takes from handed the listener at an address and port, or binds one;
// dualStack: on all of IPv4, too, if it is ::. The net package sets SO_REUSEADDR and
// not SO_REUSEPORT: a restart binds over TIME_WAIT, and nobody shares a port.
// Keep-alive would cost every connection several system calls.
func Listen(ctx context.Context, at netip.AddrPort, dualStack bool, handed *[]*net.TCPListener) (*net.TCPListener, error) {
	all := *handed
	if i := slices.IndexFunc(all, func(l *net.TCPListener) bool { return addrPort(l.Addr()) == at }); i >= 0 {
		l := all[i]
		copy(all[1:], all[:i]) // in order, as they are asked for
		*handed = all[1:]
		return l, nil
	}
	network := "tcp6"
	if at.Addr().Is4() {
		network = "tcp4"
	} else if dualStack && at.Addr().IsUnspecified() {
		network = "tcp"
	}
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, network, at.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// bindError says why a port could not be bound.
func bindError(at netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &TakenError{Addr: at, Err: err}
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("cannot bind passive port %v: %w; every port takes one file descriptor an address: raise the limit (LimitNOFILE)", at, err)
	}
	return fmt.Errorf("cannot bind passive port %v: %w", at, err)
}

// CloseAll closes all of them.
func CloseAll(listeners []*net.TCPListener) {
	for _, l := range listeners {
		l.Close()
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	at := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
