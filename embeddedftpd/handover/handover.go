// Package handover passes the ports and clients of a running server to its
// successor, another process, over a socket pair. It knows nothing of FTP: the
// server says through Server who its clients are. It is not for passing on open
// sessions: those end where they began.
package handover

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Successor is a server that is to go on where this one ends: another process,
// which listens at the other end of Conn with TakeOver.
type Successor struct {
	Conn *net.UnixConn
	// Kill ends the successor for certain. A successor that does not do its part
	// is ended before the server goes on alone: never do both accept.
	Kill func()
	// Ready, if it is not nil, is called when the successor serves.
	Ready func()
	// Start is how long the successor may take until it is ready (1 min).
	Start time.Duration
	// Patience is how long the sessions of this server may go on beside the
	// successor (5 min). Then they are asked to end as in Serve.
	Patience time.Duration
}

// Server is a server that hands over: its clients, and its end.
type Server interface {
	// Divert begins to give h the connections of clients that have nothing here;
	// nil ends it.
	Divert(h *Handover)
	// Sessions counts the open sessions.
	Sessions() int
	// Idle reports that the server has no client any more. While it diverts, it
	// gets none again.
	Idle() bool
	// Hold lets no more sessions begin: Redirect gets them all.
	Hold()
	// Admit serves a control connection.
	Admit(*net.TCPConn)

	// Steps end the sessions, one after the other.
	Steps() []ShutdownStep
	// Finish stops the server once its sessions are over or given up.
	Finish()
	// Stopping is closed when the server is asked to stop, and Ended when it has.
	Stopping() <-chan struct{}
	Ended() <-chan struct{}
}

// ShutdownStep is applied to all remaining sessions, which then have Patience
// to end.
type ShutdownStep struct {
	Do       func()
	Patience time.Duration
}

// Handover is the passing of connections to a successor.
//
// A client belongs to this server as long as it has a session or a passive port
// here, and then to the successor for good. So all of a client's sessions,
// reservations and data connections are in one process, and a data connection
// that belongs to one session never meets another's reservation.
type Handover struct {
	successor Successor
	server    Server
	log       *slog.Logger
	maxHeld   int
	gone      chan struct{} // closed when the successor turns out to be
	once      sync.Once

	mu   sync.Mutex
	back bool           // everybody is this server's again
	held []*net.TCPConn // control connections that wait for the end of it
}

// New makes the hand-over from a server to its successor. At most maxHeld
// control connections wait for its end.
func New(from Server, to Successor, log *slog.Logger, maxHeld int) *Handover {
	if to.Start == 0 {
		to.Start = time.Minute
	}
	if to.Patience == 0 {
		to.Patience = 5 * time.Minute
	}
	return &Handover{successor: to, server: from, log: log, maxHeld: maxHeld, gone: make(chan struct{})}
}

// Run hands over the ports, which are all listeners and stay the server's, and
// the clients. It returns nil once the server has stopped. An error means that
// the successor did not start, or is gone: the server has everybody back.
func (h *Handover) Run(ports []syscall.Conn) error {
	err := h.givePorts(ports)
	if err == nil {
		err = h.giveClients()
	}
	if err != nil {
		h.takeBack()
	}
	return err
}

// givePorts sends the listeners and waits until the successor is ready.
func (h *Handover) givePorts(ports []syscall.Conn) error {
	to := h.successor
	for some := range slices.Chunk(ports, wireBatch) {
		if err := sendMessage(to.Conn, wireListeners, some...); err != nil {
			return fmt.Errorf("cannot give the ports to the successor: %w", err)
		}
	}
	if err := sendMessage(to.Conn, wireComplete); err != nil {
		return fmt.Errorf("cannot give the ports to the successor: %w", err)
	}
	m, err := expectMessage(to.Conn, to.Start, wireReady, wireFailed)
	if err == nil && m.kind == wireFailed {
		err = errors.New(m.text)
	}
	if err != nil {
		return fmt.Errorf("the successor did not start: %w", err)
	}
	return nil
}

// giveClients passes on clients until the server has none.
func (h *Handover) giveClients() error {
	to := h.successor
	var watching sync.WaitGroup
	watching.Go(func() {
		receiveMessage(to.Conn) // it has nothing to say, so this is its end, or ours
		h.lose()
	})
	defer watching.Wait()
	defer to.Conn.SetReadDeadline(time.Unix(1, 0))

	h.server.Divert(h)
	h.log.Info("the successor is ready: it gets every client that has no session here", "sessions", h.server.Sessions())
	if to.Ready != nil {
		to.Ready()
	}
	patience := time.NewTimer(to.Patience)
	defer patience.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	steps := h.server.Steps()
	sent := backlog{conn: to.Conn, since: time.Now()}
	for over := false; !over && !h.server.Idle(); {
		select {
		case <-h.gone:
			return errors.New("the successor has exited")
		case <-h.server.Stopping():
			<-h.server.Ended()
			return nil
		case <-patience.C:
			if over = len(steps) == 0; over {
				break
			}
			h.log.Info("ending the last sessions", "sessions", h.server.Sessions())
			h.server.Hold()
			steps[0].Do()
			patience.Reset(steps[0].Patience)
			steps = steps[1:]
		case now := <-look.C:
			if sent.stuck(now) {
				return fmt.Errorf("the successor hangs: it has read nothing for %v", maxUnread)
			}
		}
	}
	h.server.Finish()
	<-h.server.Ended()
	return nil
}

// Redirect takes a control connection that is to have no session here: now, if
// its client is the successor's, else at the end of the hand-over. It reports
// false if too many wait for that already.
func (h *Handover) Redirect(c *net.TCPConn, now bool) bool {
	if now && h.pass(wireControl, c) {
		return true
	}
	h.mu.Lock()
	back, room := h.back, len(h.held) < h.maxHeld
	if !back && room {
		h.held = append(h.held, c)
	}
	h.mu.Unlock()
	if back {
		h.server.Admit(c)
	}
	return back || room
}

// PassData gives a data connection to the successor, and reports whether it
// took it.
func (h *Handover) PassData(c socket) bool { return h.pass(wireData, c) }

type socket interface {
	syscall.Conn
	io.Closer
}

func (h *Handover) pass(kind byte, c socket) bool {
	select {
	case <-h.gone:
		return false
	default:
	}
	if err := sendMessage(h.successor.Conn, kind, c); err != nil {
		h.lose()
		return false
	}
	c.Close()
	return true
}

func (h *Handover) lose() { h.once.Do(func() { close(h.gone) }) }

// takeBack makes everybody the server's again, also who has been held.
func (h *Handover) takeBack() {
	h.successor.Kill()
	h.server.Divert(nil)
	h.mu.Lock()
	h.back = true
	held := h.held
	h.mu.Unlock()
	for _, c := range held {
		h.server.Admit(c)
	}
}

// End lets the successor accept alone: all that was accepted here has been
// passed on. The server calls it last.
func (h *Handover) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.held {
		if !h.pass(wireControl, c) {
			c.Close()
		}
	}
	h.held = nil
	if err := sendMessage(h.successor.Conn, wireDone); err != nil {
		h.log.Warn("telling the successor about the end failed", "error", err)
	}
}

// maxUnread is how long a successor may leave what it was sent unread.
const maxUnread = 10 * time.Second

// backlog watches what a successor has not read yet.
type backlog struct {
	conn   *net.UnixConn
	unread int // bytes, as the kernel counts them (TIOCOUTQ)
	since  time.Time
}

// stuck reports whether the successor reads nothing of what it was sent.
func (b *backlog) stuck(now time.Time) bool {
	unread := 0
	if raw, err := b.conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	}
	if unread == 0 || unread < b.unread {
		b.since = now
	}
	b.unread = unread
	return now.Sub(b.since) > maxUnread
}
