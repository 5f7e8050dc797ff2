package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// checks lets one Check at a time wake the loops that accept.
type checks struct {
	mu     sync.Mutex
	turned chan *net.TCPListener // a loop that was woken has turned
}

// Check reports whether the server lives: every accept loop of a control port
// responds when woken, and every lock can be acquired, that of the passive pool
// too. It opens no connection, which a firewall might drop and
// which would count among the sessions. It is for a watchdog; the error says
// what did not answer before ctx ended.
func (s *Server) Check(ctx context.Context) error {
	if !s.Ready() {
		return errors.New("the server does not accept sessions")
	}
	counted := make(chan struct{})
	go func() {
		s.Stats()
		s.each(func(*session) {})
		close(counted)
	}()
	s.checks.mu.Lock()
	defer s.checks.mu.Unlock()
	for len(s.checks.turned) > 0 { // a loop that was late for an earlier check
		<-s.checks.turned
	}
	waiting := map[*net.TCPListener]bool{}
	if s.looping.Load() {
		for _, l := range s.listeners {
			waiting[l] = true
			l.SetDeadline(time.Unix(1, 0))
		}
	}
	for len(waiting) > 0 {
		select {
		case l := <-s.checks.turned:
			delete(waiting, l)
		case <-s.stopping:
			return errors.New("the server stops")
		case <-ctx.Done():
			for l := range waiting {
				return fmt.Errorf("no goroutine accepts on %v: %w", l.Addr(), ctx.Err())
			}
		}
	}
	select {
	case <-counted:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a lock cannot be acquired: %w", ctx.Err())
	}
}

// answer tells a Check that waits for it that l's loop responds.
func (s *Server) answer(l *net.TCPListener) {
	l.SetDeadline(time.Time{})
	select {
	case s.checks.turned <- l:
	default:
	}
}
