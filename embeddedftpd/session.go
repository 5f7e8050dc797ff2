package embeddedftpd

import (
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

// maxQueued is the number of commands that a client may send ahead while a
// transfer runs. Behind them the session stops reading, and TCP pushes back.
const maxQueued = 32

// ending is why a session ends as soon as no transfer runs: the text of its 421.
type ending string

const (
	serverStops ending = "The server is stopping."
	crowdedOut  ending = "Too many connections that have not logged in."
)

func (e ending) Error() string { return string(e) }

// session is one control connection. Its goroutine reads and carries out the
// commands; a running transfer has a goroutine of its own, so that ABOR and
// STAT are answered meanwhile. Nothing of it is seen by another session.
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
	verb     string // of the command that is carried out

	mu       sync.Mutex
	transfer *transfer // nil: none runs
	queued   []command // sent ahead while it runs
	ending   ending    // empty: go on
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

// serve greets the client and carries out its commands until one side ends
// the session.
func (s *session) serve() {
	defer s.end()
	defer s.survive("session")
	if !s.awaitTurn() || !s.greet() {
		return
	}
	for !s.quitting {
		cmd, err := s.next()
		var why ending
		switch {
		case err == nil:
			s.dispatch(cmd)
		case errors.As(err, &why):
			s.reply(421, string(why))
			s.quitting = true
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.reply(421, "Timeout: closing the control connection.")
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

// survive turns a panic into a log record: it costs its own session and no
// other.
func (s *session) survive(where string) {
	if p := recover(); p != nil {
		s.log.Error("panic", "in", where, "panic", p, "stack", string(debug.Stack()))
		s.kill()
	}
}

// end leaves nothing behind: no transfer, reservation, file or socket.
func (s *session) end() {
	if s.quitting {
		s.out.close()
	}
	s.kill()
	if t := s.running(); t != nil {
		<-t.done
	}
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
func (s *session) endFor(why ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = why
	s.rearm()
}

// next returns the next command to carry out now. Commands are answered in the
// order in which they came: while a transfer runs they queue, except for those
// that may run beside it and have none before them.
func (s *session) next() (command, error) {
	for {
		cmd, queued, full, err := s.dequeue()
		switch {
		case err != nil:
			return command{}, err
		case queued:
			return cmd, nil
		case full != nil:
			select {
			case <-full:
			case <-s.ctx.Done():
				return command{}, s.ctx.Err()
			}
			continue
		}
		line, err := s.lines.next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && s.woken():
			continue
		case errors.Is(err, errLineTooLong):
			cmd = command{tooLong: true}
		case err != nil:
			return command{}, err
		default:
			cmd = parseCommand(line)
		}
		if !s.enqueue(cmd) {
			return cmd, nil
		}
	}
}

// dequeue returns the oldest queued command that may be carried out now, or the
// channel that says so when the queue is full. Where there is nothing to return
// it arms the deadline of the read that follows.
func (s *session) dequeue() (cmd command, queued bool, full <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.transfer == nil && s.ending != "":
		return command{}, false, nil, s.ending
	case len(s.queued) > 0 && (s.transfer == nil || besideTransfer(s.queued[0])):
		cmd = s.queued[0]
		s.queued = s.queued[1:]
		return cmd, true, nil, nil
	case s.transfer != nil && len(s.queued) == maxQueued:
		return command{}, false, s.transfer.done, nil
	case s.transfer == nil:
		s.queued = nil
		if !s.lines.buffered() {
			s.rearm()
		}
	}
	return command{}, false, nil, nil
}

// enqueue keeps the command for later if it cannot be carried out now, and
// reports whether it did. ABOR ends the running transfer at once even if its
// own reply has to wait for those of other commands.
func (s *session) enqueue(cmd command) bool {
	s.mu.Lock()
	t := s.transfer
	now := len(s.queued) == 0 && (t == nil || besideTransfer(cmd))
	if !now {
		s.queued = append(s.queued, cmd)
	}
	s.mu.Unlock()
	if !now && t != nil && cmd.verb == "ABOR" {
		t.abort()
	}
	return !now
}

// woken reports whether a read's deadline passed to wake the session, not
// because the client was idle.
func (s *session) woken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transfer != nil || len(s.queued) > 0 || s.ending != ""
}

// rearm sets the deadline of the read for a command; s.mu is held. There is
// none while a transfer runs, and it has passed where something is to be done
// first.
func (s *session) rearm() {
	var at time.Time
	switch now := time.Now(); {
	case s.transfer != nil:
	case s.ending != "" || len(s.queued) > 0:
		at = now
	case !s.login.done:
		at = s.loggedOut.Add(s.srv.cfg.LoginTimeout)
	default:
		at = now.Add(s.srv.cfg.IdleTimeout)
	}
	s.tcp.SetReadDeadline(at)
}

// begin makes t the running transfer; it is called by the session's goroutine
// while none runs.
func (s *session) begin(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transfer = t
	s.rearm()
}

// finish ends the running transfer and lets the queued commands go on.
func (s *session) finish(t *transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transfer = nil
	s.rearm()
	close(t.done)
}

// waiting reports whether commands sent ahead are still to be carried out.
func (s *session) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queued) > 0
}

func (s *session) running() *transfer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transfer
}

// reply sends a reply of one or more lines. A client that no longer takes
// replies has its session ended.
func (s *session) reply(code int, lines ...string) {
	if s.out.write(code, lines...) != nil {
		s.kill()
	}
}
