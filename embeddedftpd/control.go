package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// openControl binds the control ports, or takes those of Config.Listeners that fit.
func (s *Server) openControl(ctx context.Context) error {
	dualStack := !slices.ContainsFunc(s.cfg.addresses(), netip.Addr.Is4)
	for _, at := range s.cfg.Listen {
		l, err := passive.Listen(ctx, at, dualStack, &s.cfg.Listeners)
		if err != nil {
			return fmt.Errorf("control port: %w", err)
		}
		s.listeners, s.turned = append(s.listeners, l), append(s.turned, make(chan struct{}, 1))
		if err := setControlOptions(l); err != nil {
			// An MPTCP listener knows no urgent data, for one.
			s.log.Warn("the listener lacks some options", "listener", at.String(), "error", err)
		}
	}
	return nil
}

// setControlOptions is inherited by what a listener accepts. Urgent data stays in line:
// the Telnet Synch before an ABOR (RFC 959 section 4.1.3) would lose its data mark.
// Keep-alive probes (60 s, then three in 60 s) keep a NAT from forgetting the
// connection during a transfer.
func setControlOptions(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	failed := raw.Control(func(fd uintptr) {
		for _, o := range [][3]int{
			{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 20},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		} {
			err = errors.Join(err, unix.SetsockoptInt(int(fd), o[0], o[1], o[2]))
		}
	})
	return errors.Join(failed, err)
}

// accept admits connections until the listener closes. It waits out a lack of file
// descriptors.
func (s *Server) accept(i int) error {
	l := s.listeners[i]
	for {
		conn, err := l.AcceptTCP()
		if err == nil {
			s.admit(conn)
			continue
		}
		select {
		case <-s.stopping:
			return nil
		default:
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.answer(i)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		s.log.Warn("cannot accept a control connection", "listener", l.Addr().String(), "error", err)
		if within(100*time.Millisecond, s.stopping) {
			return nil
		}
	}
}

// admit starts a session on the connection, or refuses it with 421.
func (s *Server) admit(conn *net.TCPConn) {
	client, ok := addrOf(conn.RemoteAddr())
	if !ok {
		conn.Close()
		return
	}
	place, why := s.admission.enter(client, time.Now())
	switch why {
	case "":
	case toSuccessor, toWait:
		s.redirect(conn, why)
		return
	default:
		s.refuse(conn, why)
		return
	}
	se := newSession(s, conn, client, place)
	s.admission.onCrowded(place, func() { se.endFor(crowdedOut) })
	s.mu.Lock()
	s.sessions[se] = struct{}{}
	s.mu.Unlock()
	s.count(func(is *Stats) { is.TotalSessions++ })
	s.running.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.sessions, se)
			s.mu.Unlock()
			s.admission.leave(place)
			se.passivePort.End(func() { s.admission.rested(place) })
		}()
		se.serve()
	})
}

func (s *Server) refuse(conn *net.TCPConn, why string) {
	s.count(func(is *Stats) { is.RefusedSessions++ })
	s.log.Info("control connection refused", "client", conn.RemoteAddr().String(), "reason", why)
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write([]byte("421 " + why + "\r\n"))
	conn.Close()
}
