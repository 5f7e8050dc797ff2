package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check reports whether every accept loop of a control port responds when woken and
// every lock can be acquired, for a watchdog. It opens no connection, which a firewall
// might drop. The error says what did not answer before ctx ended.
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
	s.checking.Lock()
	defer s.checking.Unlock()
	for i, l := range s.listeners {
		if !s.looping.Load() {
			break
		}
		select {
		case <-s.turned[i]: // late for an earlier Check
		default:
		}
		l.SetDeadline(time.Unix(1, 0))
		select {
		case <-s.turned[i]:
		case <-s.stopping:
			return errors.New("the server stops")
		case <-ctx.Done():
			return fmt.Errorf("no goroutine accepts on %v: %w", l.Addr(), ctx.Err())
		}
	}
	select {
	case <-counted:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a lock cannot be acquired: %w", ctx.Err())
	}
}

// answer tells a Check that listener i's loop responds.
func (s *Server) answer(i int) {
	s.listeners[i].SetDeadline(time.Time{})
	select {
	case s.turned[i] <- struct{}{}:
	default: // an earlier Check has given up
	}
}
