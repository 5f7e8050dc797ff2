package embeddedftpd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
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

// handover is the passing of connections to a successor.
//
// A client belongs to this server as long as it has a session or anything in
// the pool here, and then to the successor for good. So all of a client's
// sessions, reservations and data connections are in one process, and a data
// connection that belongs to one session never meets another's reservation.
type handover struct {
	Successor
	gone chan struct{} // closed when the successor turns out to be
	once sync.Once

	mu   sync.Mutex
	back bool           // everybody is this server's again
	held []*net.TCPConn // control connections that wait for the end of it
}

// Answers of admission while a server hands over.
const (
	toSuccessor = "the client is the successor's"
	toWait      = "the client will be the successor's"
)

// HandOver gives the server's ports to a successor, and passes on to it every
// connection but those of the clients with a session here; their sessions go on
// until they end. When none is left the successor accepts by itself, and Serve
// and HandOver return nil. Nobody is refused because of it: a client that comes
// while its last sessions are being ended waits for a few seconds.
//
// An error means that the successor did not start, or is gone, or that this
// server has Config.ForeignData, by which a client is not known: this server
// serves everybody, as before. Config.MaxSessions bounds the sessions of each
// of the two; the bound on those of one client is exact.
func (s *Server) HandOver(to Successor) error {
	defer to.Conn.Close()
	if to.Start == 0 {
		to.Start = time.Minute
	}
	if to.Patience == 0 {
		to.Patience = 5 * time.Minute
	}
	if s.cfg.ForeignData {
		to.Kill()
		return errors.New("with foreign_data the address of a data connection does not say which of two servers it is for: restart the server instead")
	}
	h := &handover{Successor: to, gone: make(chan struct{})}
	if !s.looping.Load() || !s.handover.CompareAndSwap(nil, h) {
		to.Kill()
		return errors.New("the server hands over, or takes over, already")
	}
	err := s.handPorts(to)
	if err == nil {
		err = s.handClients(h)
	}
	if err != nil {
		s.takeBack(h)
	}
	return err
}

// handPorts sends the listeners and waits until the successor is ready.
func (s *Server) handPorts(to Successor) error {
	all := s.pool.Listeners()
	for _, l := range s.listeners {
		all = append(all, l)
	}
	for some := range slices.Chunk(all, wireBatch) {
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

// handClients passes on clients until this server has none.
func (s *Server) handClients(h *handover) error {
	var watching sync.WaitGroup
	watching.Go(func() {
		receiveMessage(h.Conn) // it has nothing to say, so this is its end, or ours
		h.lose()
	})
	defer watching.Wait()
	defer h.Conn.SetReadDeadline(time.Unix(1, 0))

	s.admission.divert(func(client netip.Addr) bool { return !s.pool.Knows(client) })
	s.pool.Divert(func(c *net.TCPConn) bool { return s.divert(h, c) })
	s.log.Info("the successor is ready: it gets every client that has no session here", "sessions", s.admission.count())
	if h.Ready != nil {
		h.Ready()
	}
	patience := time.NewTimer(h.Patience)
	defer patience.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	endings := s.endings()
	sent := backlog{conn: h.Conn, since: time.Now()}
	for !s.idle() {
		select {
		case <-h.gone:
			return errors.New("the successor is gone")
		case <-s.stopping:
			<-s.ended
			return nil
		case <-patience.C:
			if len(endings) == 0 {
				s.leaveBehind()
				close(s.handed)
				<-s.ended
				return nil
			}
			s.log.Info("the last sessions are to end", "sessions", s.admission.count())
			s.admission.hold()
			s.each(endings[0].do)
			patience.Reset(endings[0].patience)
			endings = endings[1:]
		case now := <-look.C:
			if sent.stuck(now) {
				return fmt.Errorf("the successor hangs: it has read nothing for %v", maxUnread)
			}
		}
	}
	close(s.handed)
	<-s.ended
	return nil
}

// idle tells whether no client is this server's any more. While it hands over,
// none will be again.
func (s *Server) idle() bool {
	return s.admission.count() == 0 && s.pool.Stats().Clients == 0
}

// divert passes on a data connection of a client that is the successor's.
func (s *Server) divert(h *handover, c *net.TCPConn) bool {
	client, ok := addrOf(c.RemoteAddr())
	return ok && !s.admission.has(client) && !s.pool.Knows(client) && h.pass(wireData, c)
}

// redirect sees to a control connection that is not to have a session here.
func (s *Server) redirect(c *net.TCPConn, why string) {
	h := s.handover.Load()
	if h == nil { // it has been taken back in this instant
		s.admit(c)
		return
	}
	if why == toSuccessor && h.pass(wireControl, c) {
		return
	}
	h.mu.Lock()
	back, room := h.back, len(h.held) < s.cfg.MaxSessions
	if !back && room {
		h.held = append(h.held, c)
	}
	h.mu.Unlock()
	switch {
	case back:
		s.admit(c)
	case !room:
		s.refuse(c, "Too many sessions; try again later.")
	}
}

// pass gives a connection to the successor.
func (h *handover) pass(kind byte, c *net.TCPConn) bool {
	select {
	case <-h.gone:
		return false
	default:
	}
	if err := sendMessage(h.Conn, kind, c); err != nil {
		h.lose()
		return false
	}
	c.Close()
	return true
}

func (h *handover) lose() { h.once.Do(func() { close(h.gone) }) }

// takeBack makes everybody this server's again, also who has been held.
func (s *Server) takeBack(h *handover) {
	h.Kill()
	s.pool.Divert(nil)
	s.admission.divert(nil)
	h.mu.Lock()
	h.back = true
	held := h.held
	h.mu.Unlock()
	s.handover.Store(nil)
	s.stop.Lock() // no session begins once the server stops
	defer s.stop.Unlock()
	for _, c := range held {
		select {
		case <-s.stopping:
			c.Close()
		default:
			s.admit(c)
		}
	}
}

// rest waits, where there is a successor, until the pool has forgotten every
// client: only then may a client be the successor's. That takes as long as a
// port rests, or a handshake may go on.
func (s *Server) rest() {
	if s.handover.Load() == nil {
		return
	}
	for end := time.Now().Add(maxRest); s.pool.Stats().Clients > 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
}

const maxRest = passive.DefaultHandshakeTimeout + passive.DefaultRest + time.Second

// leave lets the successor accept by itself: all that was accepted here has
// been passed on.
func (s *Server) leave() {
	h := s.handover.Load()
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.held {
		if !h.pass(wireControl, c) {
			c.Close()
		}
	}
	h.held = nil
	if err := sendMessage(h.Conn, wireDone); err != nil {
		s.log.Warn("the successor did not hear the end", "error", err)
	}
}
