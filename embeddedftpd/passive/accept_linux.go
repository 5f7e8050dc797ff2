package passive

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A connection is accepted by the session that needs it, when it needs it: for
// a client connects before it sends its command, and to wake a goroutine for
// each connection costs as much as a small transfer. Connections that nobody
// asks for are found by one goroutine, which looks at all ports at once and
// then leaves them alone for quietTime, unless a session waits.
const quietTime = 10 * time.Millisecond

// maxAccepted bounds the connections that are accepted from one port in one go.
const maxAccepted = 64

// listener is a passive port on one address, unknown to the runtime's network
// poller.
type listener struct {
	addr netip.AddrPort
	mu   sync.Mutex
	fd   int // -1: closed
}

// newListener takes l over.
func newListener(l *net.TCPListener) (*listener, error) {
	defer l.Close()
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	own := &listener{addr: unmapped(addrPort(l.Addr()))}
	var failed error
	err = raw.Control(func(fd uintptr) {
		own.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	return own, errors.Join(err, os.NewSyscallError("fcntl", failed))
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}

// accept matches the next connection; unix.EAGAIN: there is none. It holds the
// lock until that is done: who finds no connection knows that all earlier ones
// have been matched.
func (p *Pool) accept(l *listener) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return net.ErrClosed
	}
	s, err := accept(l.fd, l.addr)
	if err == nil {
		p.incoming(s)
	}
	return err
}

// acceptIfAny is accept where often there is none: the kernel makes the socket
// and the file before it looks, which costs seven times as much as to ask.
func (p *Pool) acceptIfAny(l *listener) error {
	if !l.any() {
		return unix.EAGAIN
	}
	return p.accept(l)
}

// any reports whether a connection waits, or accept has another answer.
func (l *listener) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}} // a negative Fd is skipped
	n, err := unix.Poll(asked, 0)
	return n > 0 || err != nil
}

// SyscallConn is for passing the listener on to another process.
func (l *listener) SyscallConn() (syscall.RawConn, error) { return (*listenerConn)(l), nil }

type listenerConn listener

func (l *listenerConn) Control(do func(fd uintptr)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return net.ErrClosed
	}
	do(uintptr(l.fd))
	return nil
}

func (*listenerConn) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (*listenerConn) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

// watch finds connections that no session fetches. Its first epoll instance
// has all listeners; a second one has the first alone, and can be told to stay
// silent about it. The second is a file that the network poller waits for.
type watch struct {
	listeners []*listener
	quiet     time.Duration
	ports     int // epoll instance of the listeners
	bell      *os.File
	raw       syscall.RawConn

	mu     sync.Mutex
	armed  bool // the bell will ring
	wanted int  // sessions that wait for a connection
	paused bool // accepting fails: for a while nobody tries
	timer  *time.Timer
}

func newWatch(listeners []*listener) (_ *watch, err error) {
	w := &watch{listeners: listeners, quiet: quietTime}
	if w.ports, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	defer func() {
		if err != nil {
			w.close()
			w.end()
		}
	}()
	for i, l := range listeners {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err = unix.EpollCtl(w.ports, unix.EPOLL_CTL_ADD, l.fd, &event); err != nil {
			return nil, os.NewSyscallError("epoll_ctl", err)
		}
	}
	bell, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	err = errors.Join(unix.SetNonblock(bell, true),
		unix.EpollCtl(bell, unix.EPOLL_CTL_ADD, w.ports, &unix.EpollEvent{Events: unix.EPOLLONESHOT}))
	w.bell = os.NewFile(uintptr(bell), "passive ports")
	if err == nil {
		w.raw, err = w.bell.SyscallConn()
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// close ends run, and the listeners stay. end lets go of what run needs.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.bell != nil {
		w.bell.Close()
	}
}

func (w *watch) end() { unix.Close(w.ports) }

// arm lets the bell ring for the next connection, or for one that is there.
// w.mu is held.
func (w *watch) arm() {
	if w.armed {
		return
	}
	w.armed = w.raw.Control(func(fd uintptr) {
		unix.EpollCtl(int(fd), unix.EPOLL_CTL_MOD, w.ports, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
	}) == nil
}

// want says that a session waits for a connection, until unwant.
func (w *watch) want() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted++
	if !w.paused {
		w.arm()
	}
}

func (w *watch) unwant() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted--
}

// silent tells whether connections may be there that nobody has looked at.
func (w *watch) silent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.armed
}

// rest decides when the bell may ring again: at once, where a session waits or
// more connections do.
func (w *watch) rest(pause time.Duration, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = pause > 0
	switch {
	case w.paused:
	case w.wanted > 0 || more:
		w.arm()
		return
	default:
		pause = w.quiet
	}
	if w.timer != nil {
		w.timer.Reset(pause)
		return
	}
	w.timer = time.AfterFunc(pause, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.paused = false
		w.arm()
	})
}

// ring waits for the bell and gives the listeners with connections; none: the
// watch has been closed.
func (w *watch) ring(events []unix.EpollEvent) []unix.EpollEvent {
	n := 0
	err := w.raw.Read(func(fd uintptr) bool {
		var one [1]unix.EpollEvent
		n, _ = unix.EpollWait(int(fd), one[:], 0)
		return n > 0
	})
	if err != nil {
		return nil
	}
	w.mu.Lock()
	w.armed = false
	w.mu.Unlock()
	if n, _ = unix.EpollWait(w.ports, events, 0); n < 0 {
		n = 0
	}
	return events[:n]
}

// run accepts what no session fetches.
func (w *watch) run(p *Pool) {
	w.mu.Lock()
	w.arm()
	w.mu.Unlock()
	room := make([]unix.EpollEvent, 64)
	var pause time.Duration
	for {
		events := w.ring(room)
		if events == nil {
			return
		}
		var failed error
		more := len(events) == len(room)
		for _, e := range events {
			left, err := p.drain(w.listeners[e.Fd])
			if more = more || left; err != nil {
				failed = err
			}
		}
		if failed == nil {
			pause = 0
		} else {
			if pause == 0 {
				p.config.Log.LogAttrs(context.Background(), slog.LevelWarn, "cannot accept data connections", slog.Any("error", failed))
			}
			pause = min(max(2*pause, minPause), maxPause)
			p.stall(pause)
		}
		w.rest(pause, more)
	}
}

// drain accepts what waits at l, but for what has to wait until the other ports
// have been looked at, too.
func (p *Pool) drain(l *listener) (left bool, err error) {
	for range maxAccepted {
		err := p.acceptIfAny(l)
		switch {
		case err == unix.EAGAIN || errors.Is(err, net.ErrClosed):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}

// at gives the listeners of a port, one for each address; none while the pool
// does not accept.
func (p *Pool) at(port uint16) []*listener {
	n := len(p.config.Addresses)
	i := int(port-p.config.First) * n
	if !p.started.Load() {
		return nil
	}
	return p.listeners[i : i+n]
}

// fetch accepts what waits at r's port, until r has its connection.
func (p *Pool) fetch(r *Reservation) {
	for _, l := range p.at(r.port) {
		for range maxAccepted {
			if p.accept(l) != nil {
				break
			}
			if !r.stands() {
				return
			}
		}
	}
}

// clear accepts all that waits at a port.
func (p *Pool) clear(port uint16) {
	const longestBacklog = 1 << 16
	for _, l := range p.at(port) {
		for range longestBacklog {
			if p.acceptIfAny(l) != nil {
				break
			}
		}
	}
}

// await tells the pool that a session waits for a connection, until done.
func (p *Pool) await() (done func()) {
	if p.watch == nil {
		return func() {}
	}
	p.watch.want()
	return p.watch.unwant
}
