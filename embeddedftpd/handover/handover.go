// Package handover passes the ports and clients of a running server to its
// successor, another process, over a socket pair. It knows nothing of FTP: the
// server says whose a connection is. It is not for passing on open sessions: those
// end where they began.
package handover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Successor is another process, which listens at the other end of Conn with TakeOver.
type Successor struct {
	Conn     *net.UnixConn
	Kill     func()        // ends the successor for certain: never do both accept
	Ready    func()        // if not nil, is called when the successor serves
	Start    time.Duration // how long it may take until then (1 min)
	Patience time.Duration // how long sessions may go on beside it (5 min)
}

// Handover is the passing of connections to a successor. A client belongs to this
// server as long as it has a session or a passive port here, and then to the successor
// for good: all that is a client's is in one process, and no data connection meets
// another's reservation.
type Handover struct {
	successor Successor
	admit     func(*net.TCPConn)
	log       *slog.Logger
	maxHeld   int
	gone      context.Context // ends when the successor turns out to be
	lose      context.CancelFunc

	mu   sync.Mutex
	back bool           // everybody is this server's again
	held []*net.TCPConn // control connections that wait for the end of it
	sent backlog        // Lost's
}

// New makes the hand-over. At most maxHeld control connections wait for its end; admit
// serves one that comes back.
func New(to Successor, log *slog.Logger, maxHeld int, admit func(*net.TCPConn)) *Handover {
	if to.Start == 0 {
		to.Start = time.Minute
	}
	gone, lose := context.WithCancel(context.Background())
	return &Handover{successor: to, admit: admit, log: log, maxHeld: maxHeld, gone: gone, lose: lose}
}

// GivePorts sends the listeners and waits until the successor is ready.
func (h *Handover) GivePorts(ports []Socket) error {
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
	h.sent = backlog{conn: to.Conn, since: time.Now()}
	go func() {
		receiveMessage(to.Conn) // it has nothing to say, so this is its end, or ours
		h.lose()
	}()
	return nil
}

// Lost returns an error if the successor has exited, or hangs.
func (h *Handover) Lost() error {
	if h.gone.Err() != nil {
		return errors.New("the successor has exited")
	}
	if h.sent.stuck(time.Now()) {
		return fmt.Errorf("the successor hangs: it has read nothing for %v", maxUnread)
	}
	return nil
}

// Redirect passes on a control connection: now, or at the end of the hand-over. It
// reports false if too many wait for that.
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
		h.admit(c)
	}
	return back || room
}

// PassData gives a data connection to the successor, if it takes it.
func (h *Handover) PassData(c net.Conn) bool { return h.pass(wireData, c) }

func (h *Handover) pass(kind byte, c net.Conn) bool {
	if h.gone.Err() != nil {
		return false
	}
	if err := sendMessage(h.successor.Conn, kind, c.(Socket)); err != nil {
		h.lose()
		return false
	}
	c.Close()
	return true
}

// TakeBack admits all that have been held.
func (h *Handover) TakeBack() {
	h.mu.Lock()
	h.back = true
	held := h.held
	h.mu.Unlock()
	for _, c := range held {
		h.admit(c)
	}
}

// End lets the successor accept alone. The server calls it last.
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
