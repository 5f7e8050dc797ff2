package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// Server is an FTP server whose control and passive ports are bound.
type Server struct {
	cfg       Config
	log       *slog.Logger
	listeners []*net.TCPListener
	pool      *passive.Pool
	admission admission
	guard     loginGuard
	roots     rootCache
	// certificate is nil without TLS.
	certificate *certificateSource

	// stopping is closed when the server is asked to stop, under the lock, and
	// ended when it has.
	stopping, ended chan struct{}
	stop            sync.Mutex
	// handed is closed when the last client is the successor's.
	handed    chan struct{}
	handover  atomic.Pointer[handover.Handover] // nil: none is running
	accepting atomic.Bool
	running   sync.WaitGroup

	mu       sync.Mutex
	sessions map[*session]struct{}

	announced *announcer // what a 227 reply names

	transferLog sync.Mutex // held while Config.TransferLog is written
	total       *bucket    // nil: no bound
	nextSession atomic.Uint64
	totals      totals
	checks      checks
	looping     atomic.Bool // a loop accepts on each of listeners
}

// New checks the config and binds every control and passive port. An error
// names the port that was taken. The server accepts nobody before Serve.
func New(ctx context.Context, cfg Config) (_ *Server, err error) {
	pre := cfg.Predecessor
	defer func() {
		if err != nil {
			pre.Refuse(err)
		}
	}()
	cfg, err = cfg.withDefaults()
	if pre != nil {
		cfg.Listeners = append(cfg.Listeners, pre.Listeners()...)
		if err == nil {
			err = takesOver(pre, cfg)
		}
	}
	if err != nil {
		closeAll(cfg.Listeners)
		return nil, err
	}
	if need, limit := cfg.descriptors(), descriptorLimit(); limit < need {
		cfg.Log.Warn("the limit of open files is too low for all sessions: raise it with LimitNOFILE= or ulimit -n",
			"limit", limit, "needed", need, "sessions", cfg.MaxSessions)
	}
	s := &Server{
		cfg:       cfg,
		log:       cfg.Log,
		admission: admission{max: cfg.MaxSessions, maxPerAddress: cfg.MaxSessionsPerAddress, prefix6: cfg.IPv6ClientPrefix, exclusive: cfg.ForeignData && !cfg.TLS.marked()},
		stopping:  make(chan struct{}),
		ended:     make(chan struct{}),
		handed:    make(chan struct{}),
		sessions:  map[*session]struct{}{},
	}
	if s.announced, err = newAnnouncer(ctx, cfg); err != nil {
		closeAll(cfg.Listeners)
		return nil, err
	}
	s.checks.turned = make(chan *net.TCPListener, len(cfg.Listen))
	if cfg.TotalRate > 0 {
		s.total = &bucket{rate: cfg.TotalRate}
	}
	if err = s.openControl(ctx); err != nil {
		closeAll(s.cfg.Listeners)
		s.release()
		return nil, err
	}
	if err = s.openPool(ctx); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// openControl binds the control ports, or takes those of Config.Listeners that
// are bound there, and leaves the others of them for the pool.
func (s *Server) openControl(ctx context.Context) error {
	for _, at := range s.cfg.Listen {
		handed := slices.IndexFunc(s.cfg.Listeners, func(l *net.TCPListener) bool {
			bound := l.Addr().(*net.TCPAddr).AddrPort()
			return netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()) == at
		})
		if handed >= 0 {
			l := s.cfg.Listeners[handed]
			s.listeners = append(s.listeners, l)
			s.cfg.Listeners = slices.Delete(s.cfg.Listeners, handed, handed+1)
			if err := setControlOptions(l); err != nil {
				// An MPTCP listener knows no urgent data, for one.
				s.log.Warn("the listener lacks some options", "listener", at.String(), "error", err)
			}
			continue
		}
		l, err := passive.Listen(ctx, at, s.cfg.dualStack())
		if err == nil {
			s.listeners = append(s.listeners, l)
			err = setControlOptions(l)
		}
		if err != nil {
			return fmt.Errorf("control port: %w", err)
		}
	}
	return nil
}

// setControlOptions prepares a listening socket of control connections; what
// is accepted from it inherits the options. Urgent data stays in line: the
// Telnet Synch before an ABOR (RFC 959 section 4.1.3) would otherwise lose its
// data mark's byte. Keep-alive probes once a minute (60 s, then three in 60 s)
// keep a NAT from forgetting a control connection during a long transfer.
func setControlOptions(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
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

// openPool binds the passive ports. The pool owns what is left of
// Config.Listeners.
func (s *Server) openPool(ctx context.Context) (err error) {
	cfg := s.cfg
	c := passive.Config{
		Addresses: cfg.addresses(), First: cfg.PassiveFirst, Last: cfg.PassiveLast,
		MaxWait: cfg.MaxWait, Expiry: cfg.ConnectTimeout, IPv6Prefix: cfg.IPv6ClientPrefix, Log: cfg.Log,
		Listeners: cfg.Listeners, Paused: cfg.Predecessor != nil,
	}
	if cfg.TLS != nil {
		s.certificate, err = newCertificateSource(cfg.TLS, append(cfg.addresses(), cfg.Announce), cfg.Log)
		if err != nil {
			closeAll(cfg.Listeners)
			return err
		}
		c.TLS, c.Reuse = baseTLS(cfg.TLS, s.certificate), cfg.TLS.reuse()
		if cfg.TLS.marked() {
			c.Rest = -1 // a late connection is told by its mark
		}
	}
	if cfg.ForeignData {
		c.Foreign = s.allowed
	}
	s.pool, err = passive.Open(ctx, c)
	return err
}

// Addrs returns the addresses of the control ports, in the order of
// Config.Listen.
func (s *Server) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr().(*net.TCPAddr).AddrPort()
	}
	return addrs
}

// Close frees the ports of a server that was never served.
func (s *Server) Close() {
	s.release()
	if s.cfg.Predecessor != nil {
		s.cfg.Predecessor.Close()
	}
}

func (s *Server) release() {
	closeAll(s.listeners)
	if s.pool != nil {
		s.pool.Close()
	}
}

// Serve accepts sessions until ctx ends. Then it closes its ports, says 421
// to idle sessions, lets running transfers go on for Config.StopTimeout, and
// returns nil when the last session is over, or when a successor has all
// clients; for a session that hangs it waits two seconds more and no longer.
// It is called once. With a Predecessor it serves at first what that
// one accepts for it.
func (s *Server) Serve(ctx context.Context) error {
	defer close(s.ended)
	s.accepting.Store(true)
	if s.cfg.Predecessor != nil {
		s.cfg.Predecessor.Serve(ctx, s.log, s.admit, s.pool.Arrive)
		s.pool.Start()
	}
	var accepting sync.WaitGroup
	serving, end := context.WithCancel(context.Background())
	defer end()
	accepting.Go(func() { s.announced.follow(serving) })
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		accepting.Go(func() {
			if err := s.accept(l); err != nil {
				failed <- err
			}
		})
	}
	s.looping.Store(true)
	var err error
	handed := false // and with it, that all sessions are over
	select {
	case <-ctx.Done():
	case <-s.handed:
		handed = true
	case err = <-failed:
	}
	s.accepting.Store(false)
	s.stop.Lock()
	close(s.stopping)
	s.stop.Unlock()
	closeAll(s.listeners)
	end()
	accepting.Wait()
	if !handed {
		s.drain()
	}
	s.leave()
	return err
}

func closeAll(listeners []*net.TCPListener) {
	for _, l := range listeners {
		l.Close()
	}
}

// accept admits connections until the listener closes. Running out of file
// descriptors or memory passes, so it waits for that instead of giving up or
// spinning.
func (s *Server) accept(l *net.TCPListener) error {
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
			s.answer(l)
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
	place, why := s.place(client)
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
	s.totals.count(func(is *Stats) { is.TotalSessions++ })
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
	s.totals.count(func(is *Stats) { is.RefusedSessions++ })
	s.log.Info("control connection refused", "client", conn.RemoteAddr().String(), "reason", why)
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write([]byte("421 " + why + "\r\n"))
	conn.Close()
}

// place admits the client, or says why not.
func (s *Server) place(client netip.Addr) (*place, string) {
	if !s.allowed(client) {
		if s.admission.diverted() {
			return nil, toSuccessor // which may serve others
		}
		return nil, "This server does not serve your address."
	}
	return s.admission.enter(client, time.Now())
}

func (s *Server) allowed(client netip.Addr) bool {
	return len(s.cfg.Clients) == 0 || slices.ContainsFunc(s.cfg.Clients, func(p netip.Prefix) bool { return p.Contains(client) })
}

// lastWords is how long a session may take to say 426 and 421 once its time is
// up, and then to notice that its connection has been closed.
const lastWords = time.Second

// shutdownSteps end all sessions: idle ones at once, those with a running
// transfer after StopTimeout.
func (s *Server) shutdownSteps() []shutdownStep {
	return []shutdownStep{
		{func() { s.each((*session).stop) }, s.cfg.StopTimeout},
		{func() { s.each((*session).interrupt) }, lastWords},
		{func() { s.each((*session).kill) }, lastWords},
	}
}

// shutdownStep is applied to all remaining sessions, which then have patience
// to end.
type shutdownStep struct {
	do       func()
	patience time.Duration
}

// drain ends all sessions. It waits for none that hangs, in a file system
// whose server has gone, say.
func (s *Server) drain() {
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	for _, step := range s.shutdownSteps() {
		step.do()
		if within(step.patience, done) {
			return
		}
	}
	s.leaveBehind()
}

func (s *Server) leaveBehind() {
	if n := s.admission.count(); n > 0 {
		s.log.Error("sessions do not end and are left behind", "sessions", n)
	}
}

// within waits for done, and reports whether it came in time.
func within(patience time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// interrupt ends what a session that is to stop still does, from any
// goroutine. Its client is told.
func (s *session) interrupt() {
	if t := s.running(); t != nil {
		t.abort()
		return
	}
	s.cancel()
}

func (s *Server) each(do func(*session)) {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	for _, se := range all {
		do(se)
	}
}

func addrOf(a net.Addr) (netip.Addr, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	// Prefixes contain no address with a zone, which a link-local client has.
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	return addr, addr.IsValid()
}
