package embeddedftpd

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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

	// stopping is closed when the server is asked to stop, ended when it has.
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
	statsMu     sync.Mutex
	stats       Stats           // without Sessions and Passive
	checking    sync.Mutex      // one Check at a time
	turned      []chan struct{} // the loop of one of listeners has, woken by it
	looping     atomic.Bool     // a loop accepts on each of listeners
}

// New checks the config and binds every port. The server accepts nobody before Serve.
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
		passive.CloseAll(cfg.Listeners)
		return nil, err
	}
	if need, limit := cfg.descriptors(), descriptorLimit(); limit < need {
		cfg.Log.Warn("the limit of open files is too low for all sessions: raise it with LimitNOFILE= or ulimit -n",
			"limit", limit, "needed", need, "sessions", cfg.MaxSessions)
	}
	s := &Server{
		cfg: cfg,
		log: cfg.Log,
		admission: admission{
			max: cfg.MaxSessions, maxPerAddress: cfg.MaxSessionsPerAddress, prefix6: cfg.IPv6ClientPrefix,
			by: map[netip.Addr]*address{}, clients: cfg.Clients, exclusive: cfg.ForeignData && !cfg.TLS.marked(),
		},
		stopping: make(chan struct{}),
		ended:    make(chan struct{}),
		handed:   make(chan struct{}),
		sessions: map[*session]struct{}{},
		guard:    loginGuard{seed: maphash.MakeSeed(), recent: map[guarded]failures{}},
	}
	if cfg.TotalRate > 0 {
		s.total = &bucket{rate: cfg.TotalRate}
	}
	if s.announced, err = newAnnouncer(ctx, cfg); err == nil {
		err = s.openControl(ctx)
	}
	if err == nil {
		err = s.openPool(ctx)
	}
	if err != nil {
		passive.CloseAll(s.cfg.Listeners)
		s.release()
		return nil, err
	}
	return s, nil
}

// openPool binds the passive ports, and owns what is left of Config.Listeners.
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
			return err
		}
		c.TLS = baseTLS(cfg.TLS, s.certificate)
		if cfg.TLS.ReusePreferred {
			c.Reuse = passive.ReusePreferred
		}
		if cfg.TLS.marked() {
			c.Rest = -1 // a late connection is told by its mark
		}
	}
	if cfg.ForeignData {
		c.Foreign = s.admission.allowed
	}
	s.pool, err = passive.Open(ctx, c)
	return err
}

// Addrs are the addresses of the control ports, in the order of Config.Listen.
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
	passive.CloseAll(s.listeners)
	if s.pool != nil {
		s.pool.Close()
	}
}

// Serve accepts sessions until ctx ends. Then it closes its ports, says 421 to idle
// sessions, lets transfers go on for Config.StopTimeout, and returns when the last
// session is over, or when a successor has all clients. A session that hangs has two
// seconds more. It is called once.
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
	for i := range s.listeners {
		accepting.Go(func() {
			if err := s.accept(i); err != nil {
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
	passive.CloseAll(s.listeners)
	end()
	accepting.Wait()
	if !handed {
		s.drain()
	}
	s.leave()
	return err
}

// lastWords is how long a session may take to say 421, and then to see its connection
// closed.
const lastWords = time.Second

// shutdownSteps end idle sessions at once, transfers after StopTimeout.
func (s *Server) shutdownSteps() []shutdownStep {
	return []shutdownStep{
		{func() { s.each(func(se *session) { se.endFor(serverStops) }) }, s.cfg.StopTimeout},
		{func() { s.each((*session).interrupt) }, lastWords},
		{func() { s.each((*session).kill) }, lastWords},
	}
}

// shutdownStep is applied to all sessions, which then have patience to end.
type shutdownStep struct {
	do       func()
	patience time.Duration
}

// drain ends all sessions, and leaves behind those that hang, in a dead file system,
// say.
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

// interrupt ends what a session still does, from any goroutine.
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
