package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// loginState is who the client is.
type loginState struct {
	name     string // of the last USER
	done     bool
	user     User
	root     *sharedRoot
	attempts int
}

func isAnonymous(name string) bool {
	return name == "anonymous" || name == "ftp"
}

func (s *session) user(name string) {
	if !s.protected(false) {
		s.log.Warn("login in clear text refused", "user", name)
		return
	}
	s.releaseData()
	s.logout()
	s.login.name = name
	anonymous := s.srv.cfg.AnonymousRoot != "" && isAnonymous(name)
	s.reply(331, pick(anonymous, "Anonymous login: any password will do.", "Password required."))
}

// pass checks the password.
func (s *session) pass(password string) {
	name := s.login.name
	switch {
	case s.login.done:
		s.reply(503, "Already logged in.")
		return
	case name == "":
		s.reply(503, "Send USER first.")
		return
	}
	s.login.name = ""
	key := passive.ClientKey(s.client, s.srv.cfg.IPv6ClientPrefix)
	wait, failures := s.srv.guard.delay(key, name, time.Now())
	if !pause(s.ctx, wait) {
		return
	}
	user, err := s.authenticate(name, password, failures)
	if err == nil {
		err = s.enter(user)
	}
	switch {
	case err == nil:
		s.srv.guard.right(key, name)
		s.srv.admission.loggedIn(s.place)
		s.srv.count(func(is *Stats) { is.Logins++ })
		s.log.Info("login", "read_only", user.ReadOnly, "tls", s.tls.conn != nil)
		s.reply(230, "Logged in.")
		return
	case s.ctx.Err() != nil: // the session has been ended meanwhile
		return
	case !errors.Is(err, ErrLogin):
		// No word on whether the password was right.
		s.log.Error("login failed", "user", name, "error", err)
		s.reply(530, "Login is not possible now.")
		return
	}
	s.srv.count(func(is *Stats) { is.FailedLogins++ })
	s.srv.guard.wrong(key, name, time.Now())
	s.login.attempts++
	s.log.Warn("wrong name or password", "user", name, "attempt", s.login.attempts)
	if s.login.attempts >= s.srv.cfg.MaxLoginAttempts {
		s.reply(421, "Too many wrong passwords.")
		s.quitting = true
		return
	}
	s.reply(530, "Login incorrect.")
}

func (s *session) authenticate(name, password string, failures int) (User, error) {
	if s.srv.cfg.AnonymousRoot != "" && isAnonymous(name) {
		return User{Name: "anonymous", Root: s.srv.cfg.AnonymousRoot, ReadOnly: true, Anonymous: true}, nil
	}
	if s.srv.cfg.Users == nil {
		return User{}, ErrLogin
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.srv.cfg.LoginTimeout)
	defer cancel()
	return s.srv.cfg.Users.Authenticate(ctx, name, password, failures)
}

// enter opens the user's root.
func (s *session) enter(user User) error {
	root, err := s.srv.roots.get(user.Root)
	if err != nil {
		return fmt.Errorf("the user's root cannot be opened: %w", err)
	}
	s.login.root, s.login.user, s.login.done = root, user, true
	s.log = s.base.With("user", user.Name)
	s.files = fileState{cwd: "/"}
	return nil
}

// logout forgets who the client is.
func (s *session) logout() {
	if s.login.done {
		s.login.root.release()
		s.loggedOut = time.Now()
	}
	s.log = s.base
	s.login = loginState{attempts: s.login.attempts}
}

// pause waits, and reports false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool { return d <= 0 || !within(d, ctx.Done()) }
