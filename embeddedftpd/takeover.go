package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// ErrOtherPorts means that a server cannot take over, because it is to listen
// elsewhere than its predecessor does.
var ErrOtherPorts = errors.New("the predecessor listens on other addresses or ports")

// Predecessor is a server that hands over its ports: see Server.HandOver.
type Predecessor struct {
	conn      *net.UnixConn
	listeners []*net.TCPListener
}

// TakeOver receives the ports of a predecessor at the other end of conn, for
// Config.Predecessor. It owns conn from the call on.
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
			p.close()
			return nil, fmt.Errorf("cannot take over the ports: %w", err)
		}
		p.listeners = append(p.listeners, some...)
	}
}

// RefuseHandOver tells the server at the other end of conn why this process
// does not take over from it. It owns conn. New tells it of its own errors.
func RefuseHandOver(conn *net.UnixConn, why error) {
	// What it has sent must be read first: else it gets a reset instead.
	if p, err := TakeOver(conn); err == nil {
		p.Refuse(why)
		p.close()
	}
}

// Refuse tells the predecessor why this process does not take over, and ends
// the hand-over. p may be nil.
func (p *Predecessor) Refuse(why error) {
	if p == nil {
		return
	}
	text := why.Error()
	p.conn.SetWriteDeadline(time.Now().Add(wirePatience))
	p.conn.Write(append([]byte{wireFailed}, text[:min(len(text), wireText)]...))
	p.conn.Close()
}

func (p *Predecessor) close() {
	closeAll(p.listeners)
	p.conn.Close()
}

// covers tells whether the predecessor listens where c wants to, and nowhere
// else: one that accepted by itself on another port would not know which
// clients are still the predecessor's.
func (p *Predecessor) covers(c Config) bool {
	has := map[netip.AddrPort]bool{}
	for _, l := range p.listeners {
		at := l.Addr().(*net.TCPAddr).AddrPort()
		has[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())] = true
	}
	for _, at := range c.Listen {
		if !has[at] {
			return false
		}
	}
	for _, a := range c.addresses() {
		for port := int(c.PassiveFirst); port <= int(c.PassiveLast); port++ {
			if !has[netip.AddrPortFrom(a, uint16(port))] {
				return false
			}
		}
	}
	ports := int(c.PassiveLast) - int(c.PassiveFirst) + 1
	return len(has) == len(c.Listen)+len(c.addresses())*ports
}

// succeed serves what the predecessor accepts for this server until the
// predecessor is done, or gone, or ctx ends.
func (s *Server) succeed(ctx context.Context) {
	conn := s.cfg.Predecessor.conn
	defer conn.Close()
	giveUp := context.AfterFunc(ctx, func() { conn.Close() })
	defer giveUp()
	if err := sendMessage(conn, wireReady); err != nil {
		s.log.Error("the predecessor is gone before its time", "error", err)
		return
	}
	for {
		m, err := receiveMessage(conn)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("the predecessor is gone before its time", "error", err)
			}
			return
		}
		switch m.kind {
		case wireControl, wireData:
			c, err := m.connection()
			switch {
			case err != nil:
				s.log.Error("cannot take over a connection", "error", err)
			case m.kind == wireControl:
				s.admit(c)
			default:
				s.pool.Arrive(c)
			}
		case wireDone:
			s.log.Info("the predecessor is done")
			return
		default:
			m.close()
		}
	}
}
