package ftpload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Progress is what a run has come to so far.
type Progress struct {
	Phase    string // "logging in", "measuring", "checking"
	Done     int    // sessions, outside measuring
	Sessions int
	Elapsed  time.Duration // of Duration, while measuring
	Duration time.Duration
	Asked    int // data connections
	Refused  int
}

// Run logs all sessions in, measures for cfg.Duration and returns the tally.
// report, if not nil, is called about four times a second from one goroutine.
// Run ends early, with what it has, when ctx is cancelled.
func Run(ctx context.Context, cfg Config, report func(Progress)) (*Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	l := &load{cfg: &cfg, show: report, tally: newTally(&cfg)}
	if err := l.login(ctx); err != nil {
		l.closeAll()
		return nil, err
	}
	defer l.closeAll()
	l.measure(ctx)
	if cfg.Op == Store && cfg.ownFiles() && ctx.Err() == nil {
		l.checkUploads(ctx)
	}
	return l.tally.report(), nil
}

type load struct {
	cfg      *Config
	show     func(Progress)
	sessions []*session
	tally    *tally
}

func (l *load) closeAll() {
	for _, s := range l.sessions {
		s.close()
	}
}

// login opens all sessions, a few at a time, and fetches each session's file
// once so that later fetches have something to be compared with.
func (l *load) login(ctx context.Context) error {
	for i := range l.cfg.Sessions {
		l.sessions = append(l.sessions, newSession(l.cfg, i))
	}
	work, some := errgroup.WithContext(ctx)
	work.SetLimit(8)
	for i, s := range l.sessions {
		if some.Err() != nil {
			break
		}
		work.Go(func() error {
			if err := s.open(some); err != nil {
				return fmt.Errorf("session %d: %w", s.number, err)
			}
			return nil
		})
		l.progress(Progress{Phase: "logging in", Done: i + 1})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, s := range l.sessions {
		if ctx.Err() != nil {
			break
		}
		if err := l.reference(ctx, s); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// reference fetches a session's file while no other session asks: nothing
// competes for the port, so what arrives is ours. It gives the port back at
// once, also on a server that keeps it for the session.
func (l *load) reference(ctx context.Context, s *session) error {
	if l.cfg.Op != Retrieve {
		return nil
	}
	alone := l.cfg.alone()
	s.cfg = &alone
	defer func() { s.cfg = l.cfg }()
	ev := s.request(ctx)
	s.quit()
	if ev.kind != Done {
		return fmt.Errorf("session %d cannot fetch %s: %s %s", s.number, l.cfg.path(s.number), ev.kind, ev.detail)
	}
	s.left = false
	return s.open(ctx)
}

func (l *load) progress(p Progress) {
	if l.show == nil {
		return
	}
	p.Sessions = len(l.sessions)
	p.Duration = l.cfg.Duration
	l.show(p)
}

func (l *load) measure(ctx context.Context) {
	start := time.Now()
	l.tally.start = start
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Duration)
	defer cancel()
	watch := make(chan struct{})
	go l.watch(ctx, start, watch)
	switch {
	case l.cfg.Together > 0:
		l.bursts(ctx)
	case l.cfg.Rate > 0:
		l.open(ctx)
	default:
		l.closed(ctx)
	}
	// What was still under way when the time was up asked for nothing more.
	stop := time.Now()
	if last := start.Add(l.cfg.Duration); stop.After(last) {
		stop = last
	}
	l.tally.stop = stop
	cancel()
	<-watch
}

func (l *load) watch(ctx context.Context, start time.Time, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			asked, refused := l.tally.sofar()
			l.progress(Progress{Phase: "measuring", Elapsed: time.Since(start), Asked: asked, Refused: refused})
		}
	}
}

// closed lets every session ask again as soon as it is done.
func (l *load) closed(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range l.sessions {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.once(ctx, s)
			}
		})
	}
	wg.Wait()
}

// open hands a Poisson stream of requests to the sessions that are idle. The
// schedule is absolute, so a late wake-up does not thin the stream. A request
// that finds no session idle is counted and lost.
func (l *load) open(ctx context.Context) {
	idle := make(chan *session, len(l.sessions))
	for _, s := range l.sessions {
		idle <- s
	}
	random := rand.New(rand.NewPCG(l.cfg.Seed, 0))
	var wg sync.WaitGroup
	for due := time.Now(); ; {
		due = due.Add(time.Duration(random.ExpFloat64() / l.cfg.Rate * float64(time.Second)))
		if !sleep(ctx, time.Until(due)) {
			break
		}
		l.tally.dispatched(time.Since(due))
		select {
		case s := <-idle:
			wg.Go(func() {
				l.once(ctx, s)
				idle <- s
			})
		default:
			l.tally.note(func() { l.tally.r.NoSession++ })
		}
	}
	wg.Wait()
}

// pause is between bursts: what the server does late is over by then.
const pause = 200 * time.Millisecond

// bursts lets all sessions start together, again and again. One that would not
// end in time is not begun.
func (l *load) bursts(ctx context.Context) {
	random := rand.New(rand.NewPCG(l.cfg.Seed, 0))
	end, _ := ctx.Deadline()
	for time.Until(end) > l.cfg.Together+time.Second && sleep(ctx, pause) {
		var wg sync.WaitGroup
		begin := time.Now()
		for _, s := range l.sessions {
			due := begin.Add(time.Duration(random.Float64() * float64(l.cfg.Together)))
			if s.conn == nil { // its login failed, and has been counted
				continue
			}
			wg.Go(func() {
				if !sleep(ctx, time.Until(due)) {
					return
				}
				l.tally.dispatched(time.Since(due))
				for range l.cfg.Connections {
					l.tally.add(s.request(context.WithoutCancel(ctx)))
					if s.conn == nil {
						return
					}
				}
			})
		}
		wg.Wait()
		for _, s := range l.sessions {
			l.connected(ctx, s)
		}
	}
}

// once makes one request, on a fresh control connection if the last one has
// ended.
func (l *load) once(ctx context.Context, s *session) {
	if !l.connected(ctx, s) {
		return
	}
	// The run's end lets a transfer under way finish, within its timeout.
	ev := s.request(context.WithoutCancel(ctx))
	l.tally.add(ev)
	if ctx.Err() == nil {
		l.connected(ctx, s) // so that the next request need not wait for the login
	}
}

// connected logs a session in again if it has ended.
func (l *load) connected(ctx context.Context, s *session) bool {
	if s.conn != nil {
		return true
	}
	if err := s.open(ctx); err != nil {
		if ctx.Err() == nil {
			l.tally.note(func() { bump(l.tally.r.LoginErrors, err.Error()) })
			sleep(ctx, 100*time.Millisecond) // a server that turns us away is not to be hammered
		}
		return false
	}
	if s.left {
		s.left = false
	} else {
		l.tally.note(func() { l.tally.r.Reconnects++ })
	}
	return true
}

// checkUploads fetches each session's upload and compares it with what was
// sent. Only here can bytes that went into another session's file be seen.
func (l *load) checkUploads(ctx context.Context) {
	check := l.cfg.alone()
	for i, s := range l.sessions {
		if ctx.Err() != nil {
			return
		}
		if s.conn == nil && s.open(ctx) != nil {
			continue
		}
		if !s.uploaded {
			continue
		}
		s.cfg, s.want, s.known = &check, digest(s.number, l.cfg.Size), true
		if s.request(ctx).kind == WrongContent {
			l.tally.note(func() { // done, as the server saw it
				l.tally.r.Kinds[Done]--
				l.tally.r.Kinds[WrongContent]++
			})
		}
		l.progress(Progress{Phase: "checking", Done: i + 1})
	}
}
