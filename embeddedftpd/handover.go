package embeddedftpd

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// Answers of admission while a server hands over.
const (
	toSuccessor = "the client is the successor's"
	toWait      = "the client will be the successor's"
)

// HandOver gives the ports to a successor, and passes on to it every connection except
// those of clients with a session here. When none is left the successor accepts alone,
// and Serve and HandOver return nil. A client that comes while its last sessions are
// being ended waits for a few seconds. After an error this server serves everybody, as
// before. Config.MaxSessions bounds the sessions of each of the two.
func (s *Server) HandOver(to handover.Successor) error {
	defer to.Conn.Close()
	if s.cfg.ForeignData {
		to.Kill()
		return errors.New("with foreign_data the address of a data connection does not say which of two servers it is for: restart the server instead")
	}
	h := handover.New(to, s.log, s.cfg.MaxSessions, s.readmit)
	if !s.looping.Load() || !s.handover.CompareAndSwap(nil, h) {
		to.Kill()
		return errors.New("the server is already handing over or taking over")
	}
	ports := s.pool.Listeners()
	for _, l := range s.listeners {
		ports = append(ports, l)
	}
	err := h.GivePorts(ports)
	if err == nil {
		err = s.giveClients(h, to)
	}
	if err != nil {
		to.Kill()
		s.pool.Divert(nil)
		s.admission.divert(nil)
		s.handover.Store(nil)
		h.TakeBack()
	}
	return err
}

// giveClients passes on clients until this server has none.
func (s *Server) giveClients(h *handover.Handover, to handover.Successor) error {
	s.admission.divert(func(client netip.Addr) bool { return !s.pool.Knows(client) })
	s.pool.Divert(func(c *passive.Socket) bool {
		client, ok := addrOf(c.RemoteAddr())
		return ok && !s.admission.has(client) && !s.pool.Knows(client) && h.PassData(c)
	})
	s.log.Info("the successor is ready: it gets every client that has no session here", "sessions", s.admission.count())
	if to.Ready != nil {
		to.Ready()
	}
	end := time.Now().Add(cmp.Or(to.Patience, 5*time.Minute))
	steps := s.shutdownSteps()
	for s.admission.count() > 0 || s.pool.Stats().Clients > 0 {
		if within(50*time.Millisecond, s.stopping) {
			<-s.ended
			return nil
		}
		if err := h.Lost(); err != nil {
			return err
		}
		if time.Now().Before(end) {
			continue
		}
		if len(steps) == 0 {
			break
		}
		s.log.Info("ending the last sessions", "sessions", s.admission.count())
		s.admission.hold()
		steps[0].do()
		end = time.Now().Add(steps[0].patience)
		steps = steps[1:]
	}
	s.leaveBehind()
	close(s.handed)
	<-s.ended
	return nil
}

// readmit takes a held client back, unless the server stops.
func (s *Server) readmit(c *net.TCPConn) {
	s.stop.Lock()
	defer s.stop.Unlock()
	select {
	case <-s.stopping:
		c.Close()
	default:
		s.admit(c)
	}
}

// redirect sees to a control connection that is not to have a session here.
func (s *Server) redirect(c *net.TCPConn, why string) {
	switch h := s.handover.Load(); {
	case h == nil:
		s.admit(c) // everybody has been taken back in this instant
	case !h.Redirect(c, why == toSuccessor):
		s.refuse(c, "Too many sessions; try again later.")
	}
}

// maxRest is how long a passive port may rest, or a handshake go on.
const maxRest = passive.HandshakeTimeout + passive.DefaultRest + time.Second

// leave waits, if there is a successor, until the pool has forgotten every client.
func (s *Server) leave() {
	h := s.handover.Load()
	if h != nil {
		for end := time.Now().Add(maxRest); s.pool.Stats().Clients > 0 && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
	}
	s.pool.Close()
	if h != nil {
		h.End()
	}
}

// takesOver holds the predecessor's ports to the config.
func takesOver(p *handover.Predecessor, c Config) error {
	want := map[netip.AddrPort]bool{}
	for _, at := range c.Listen {
		want[at] = true
	}
	for _, a := range c.addresses() {
		for port := int(c.PassiveFirst); port <= int(c.PassiveLast); port++ {
			want[netip.AddrPortFrom(a, uint16(port))] = true
		}
	}
	return p.Covers(want)
}
