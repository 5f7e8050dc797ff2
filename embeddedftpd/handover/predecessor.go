package handover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"time"
)

// ErrOtherPorts: a server is to listen elsewhere than its predecessor does.
var ErrOtherPorts = errors.New("the predecessor listens on other addresses or ports")

// Predecessor is a server that hands over its ports.
type Predecessor struct {
	conn      *net.UnixConn
	listeners []*net.TCPListener
}

// Listeners are the ports that the predecessor has given. They are the caller's.
func (p *Predecessor) Listeners() []*net.TCPListener { return p.listeners }

// TakeOver receives the ports of a predecessor at the other end of conn, which it owns.
func TakeOver(conn *net.UnixConn) (*Predecessor, error) {
	p := &Predecessor{conn: conn}
	for {
		m, err := expectMessage(conn, 30*time.Second, wireListeners, wireComplete)
		if err == nil && m.kind == wireComplete {
			return p, nil
		}
		var some []*net.TCPListener
		if err == nil {
			some, err = m.listeners()
		}
		if err != nil {
			closeAll(p.listeners)
			p.Close()
			return nil, fmt.Errorf("cannot take over the ports: %w", err)
		}
		p.listeners = append(p.listeners, some...)
	}
}

// Refuse is TakeOver and Predecessor.Refuse.
func Refuse(conn *net.UnixConn, why error) {
	// What it has sent must be read first: else it gets a reset instead.
	if p, err := TakeOver(conn); err == nil {
		p.Refuse(why)
		closeAll(p.listeners)
	}
}

// Refuse tells the predecessor why, and ends the hand-over. p may be nil.
func (p *Predecessor) Refuse(why error) {
	if p == nil {
		return
	}
	text := why.Error()
	p.conn.SetWriteDeadline(time.Now().Add(wirePatience))
	p.conn.Write(append([]byte{wireFailed}, text[:min(len(text), wireText)]...))
	p.conn.Close()
}

// Close ends the hand-over without a word.
func (p *Predecessor) Close() error { return p.conn.Close() }

// Covers returns ErrOtherPorts unless the predecessor listens on all of want and
// nowhere else: alone on another port, it would not know which clients are still the
// other's.
func (p *Predecessor) Covers(want map[netip.AddrPort]bool) error {
	has := map[netip.AddrPort]bool{}
	for _, l := range p.listeners {
		at := l.Addr().(*net.TCPAddr).AddrPort()
		has[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())] = true
	}
	if !maps.Equal(has, want) {
		return ErrOtherPorts
	}
	return nil
}

func closeAll(listeners []*net.TCPListener) {
	for _, l := range listeners {
		l.Close()
	}
}

// Serve gives each connection that the predecessor accepts for this process to
// control or data, until the predecessor is done, or gone, or ctx ends.
func (p *Predecessor) Serve(ctx context.Context, log *slog.Logger, control, data func(*net.TCPConn)) {
	defer p.conn.Close()
	giveUp := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer giveUp()
	sendMessage(p.conn, wireReady)
	for {
		m, err := receiveMessage(p.conn)
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("the predecessor exited early", "error", err)
			return
		case err != nil:
			return
		case m.kind == wireDone:
			log.Info("the predecessor is done")
			return
		}
		c, err := m.connection()
		switch {
		case err != nil:
			log.Error("cannot take over a connection", "error", err)
		case m.kind == wireControl:
			control(c)
		case m.kind == wireData:
			data(c)
		default: // of another version
			c.Close()
		}
	}
}
