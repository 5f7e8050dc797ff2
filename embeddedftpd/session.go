package embeddedftpd

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// maxQueued commands may be sent ahead while a transfer runs, then TCP pushes back.
const maxQueued = 32

// Why a session ends as soon as no transfer runs: the text of its 421.
const (
	serverStops = "The server is stopping."
	crowdedOut  = "Too many connections that have not logged in."
)

// session is one control connection. Its goroutine reads and carries out commands;
// while that runs a transfer another one reads, so that ABOR and STAT are heard.
type session struct {
	srv    *Server
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	tcp    *net.TCPConn
	lines  *lineReader
	out    replyWriter
	base   *slog.Logger // names session and client
	log    *slog.Logger // names the user too, once there is one

	client, local netip.Addr
	started       time.Time
	loggedOut     time.Time // since when nobody is logged in
	place         *place    // among those of its address
	passivePort   *passive.Session

	login    loginState
	files    fileState
	data     dataState
	tls      tlsState
	features featureState
	quitting bool
	verb     string    // of the command that is carried out
	queued   []command // sent ahead while a transfer ran

	mu       sync.Mutex
	transfer *transfer // nil: none runs
	ending   string    // empty: go on
}

func newSession(srv *Server, conn *net.TCPConn, client netip.Addr, place *place) *session {
	local, _ := addrOf(conn.LocalAddr())
	ctx, cancel := context.WithCancel(context.Background())
	log := srv.log.With("session", srv.nextSession.Add(1), "client", client.String())
	s := &session{
		srv: srv, ctx: ctx, cancel: cancel, tcp: conn, place: place, passivePort: srv.pool.Session(client, local),
		lines: newLineReader(conn), out: replyWriter{conn: conn},
		base: log, log: log,
		client: client, local: local, started: place.since, loggedOut: place.since,
		data: dataState{ascii: true},
	}
	s.passivePort.OnWait = s.onHangUp
	return s
}

// serve carries out commands until one side ends the session.
func (s *session) serve() {
	defer s.end()
	defer s.survive()
	if !s.awaitTurn() || !s.greet() {
		return
	}
	for !s.quitting {
		cmd, err := s.next()
		switch {
		case err == nil:
			s.dispatch(cmd)
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.mu.Lock()
			why := cmp.Or(s.ending, "Timeout: closing the control connection.")
			s.mu.Unlock()
			s.reply(421, why)
			s.quitting = true
		default:
			return
		}
	}
}

// awaitTurn waits until the session may begin.
func (s *session) awaitTurn() bool {
	select {
	case <-s.place.turn:
		return true
	default:
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer s.onHangUp(cancel)()
	select {
	case <-s.place.turn:
		return true
	case <-ctx.Done():
		return false
	}
}

// greet says 220, under implicit TLS after the handshake.
func (s *session) greet() bool {
	if tls := s.srv.cfg.TLS; tls != nil && tls.Implicit {
		if err := s.secure(); err != nil {
			s.log.Info("TLS handshake failed", "error", err)
			return false
		}
		s.tls.pbsz, s.tls.protData = true, true
	}
	s.reply(220, "pasvctl FTP server ready.")
	return true
}

// survive turns a panic into a log record and the end of this session alone.
func (s *session) survive() {
	if p := recover(); p != nil {
		s.log.Error("panic", "panic", p, "stack", string(debug.Stack()))
		s.kill()
	}
}

// end leaves nothing behind: no transfer, reservation, file or socket.
func (s *session) end() {
	if s.quitting {
		s.out.close()
	}
	s.kill()
	s.releaseData()
	s.log.Info("session ended", seconds(time.Since(s.started)))
	s.logout()
}

// seconds is a duration as log analysers take it, to the millisecond.
func seconds(d time.Duration) slog.Attr {
	return slog.Float64("duration_seconds", float64(d.Round(time.Millisecond).Milliseconds())/1000)
}

// kill ends the session from any goroutine.
func (s *session) kill() {
	s.cancel()
	s.tcp.Close()
	if t := s.running(); t != nil {
		t.abort()
	}
}

// endFor ends the session as soon as no transfer runs, from any goroutine.
func (s *session) endFor(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = why
	s.rearm()
}

// next returns the next command, in the order in which they came.
func (s *session) next() (command, error) {
	s.mu.Lock()
	ending := s.ending != ""
	s.rearm()
	s.mu.Unlock()
	switch {
	case ending:
		return command{}, os.ErrDeadlineExceeded
	case s.ctx.Err() != nil: // the client hung up during a transfer
		return command{}, s.ctx.Err()
	case len(s.queued) > 0:
		cmd := s.queued[0]
		s.queued = s.queued[1:]
		return cmd, nil
	}
	s.queued = nil
	return s.read()
}

func (s *session) read() (command, error) {
	line, err := s.lines.next()
	if errors.Is(err, errLineTooLong) {
		return command{tooLong: true}, nil
	}
	return parseCommand(line), err
}

// hear reads commands while the session's goroutine runs t, until done. They queue,
// except for STAT if it is first. ABOR ends the transfer at once, also behind others.
func (s *session) hear(t *transfer) (done func()) {
	s.mu.Lock()
	s.transfer = t
	s.rearm()
	s.mu.Unlock()
	if len(s.queued) > 0 && s.queued[0].verb == "ABOR" {
		t.abort()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer s.survive()
		for len(s.queued) < maxQueued {
			cmd, err := s.read()
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				return
			case err != nil:
				s.kill()
				return
			case cmd.verb == "STAT" && cmd.arg == "" && len(s.queued) == 0: // with a path it reads the disk, and waits
				s.dispatch(cmd)
				continue
			case cmd.verb == "ABOR":
				t.abort()
			}
			s.queued = append(s.queued, cmd)
		}
	}()
	return func() {
		s.mu.Lock()
		s.transfer = nil
		s.tcp.SetReadDeadline(time.Unix(1, 0))
		s.mu.Unlock()
		<-ended
	}
}

// rearm sets the deadline of the read for a command, unless a transfer runs; s.mu is
// held.
func (s *session) rearm() {
	var at time.Time
	switch now := time.Now(); {
	case s.transfer != nil:
	case s.ending != "":
		at = now
	case !s.login.done:
		at = s.loggedOut.Add(s.srv.cfg.LoginTimeout)
	default:
		at = now.Add(s.srv.cfg.IdleTimeout)
	}
	s.tcp.SetReadDeadline(at)
}

func (s *session) running() *transfer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transfer
}

// reply sends a reply, or ends the session of a client that takes none.
func (s *session) reply(code int, lines ...string) {
	if s.out.write(code, lines...) != nil {
		s.kill()
	}
}
