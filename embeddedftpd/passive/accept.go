package passive

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Accept errors pause the watch between these bounds, doubling.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// A client connects before it sends its command, and the session finds the connection
// itself (fetch): waking a goroutine for each costs a seventh of a small transfer. One
// goroutine accepts the rest for all ports. It rests for quietTime after each look
// unless a session waits.
const quietTime = 5 * time.Millisecond

// watch tells that goroutine of connections, unless it rests.
type watch struct {
	ports int // epoll instance of all listeners and of bell
	bell  int // eventfd that ends the wait

	quiet   time.Duration // how long nobody looks, after a look
	waiting atomic.Int32  // sessions that wait for a connection or a port
	wanted  chan struct{} // one more does
}

func (w *watch) open() (err error) {
	if w.ports, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if w.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return w.add(w.bell, -1)
}

// add watches a descriptor, whose events name it by i.
func (w *watch) add(fd, i int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.ports, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}))
}

// expect ends the rest of the watch, until done.
func (w *watch) expect() (done func()) {
	w.waiting.Add(1)
	select {
	case w.wanted <- struct{}{}:
	default:
	}
	return func() { w.waiting.Add(-1) }
}

// serve accepts what no session fetches until the pool closes.
func (p *Pool) serve() {
	const atOnce = 64 // connections of one port, before the others' turn
	room := make([]unix.EpollEvent, 64)
	var pause time.Duration
	for {
		found, _ := unix.EpollWait(p.watch.ports, room, -1)
		busy := found == len(room)
		var failed error
		for _, e := range room[:max(found, 0)] {
			if e.Fd < 0 { // the bell
				return
			}
			n, err := p.fetch(p.listeners[e.Fd], true, func(n int) bool { return n < atOnce })
			failed, busy = errors.Join(failed, err), busy || n == atOnce
		}
		select {
		case <-p.done:
			return
		default:
		}
		wanted, rest := p.watch.wanted, p.watch.quiet
		switch {
		case failed != nil:
			if pause == 0 {
				p.config.Log.LogAttrs(context.Background(), slog.LevelWarn, "cannot accept data connections", slog.Any("error", failed))
			}
			pause = min(max(2*pause, minPause), maxPause)
			p.stall(pause)
			wanted, rest = nil, pause
		case busy || p.watch.waiting.Load() > 0 || p.elsewhere.Load() != nil:
			pause = 0
			continue
		default:
			pause = 0
		}
		select {
		case <-wanted:
		case <-time.After(rest):
		case <-p.done:
			return
		}
	}
}

// stall notes that a listener does not accept for a while: a late connection may be in
// its backlog, and no rest ends before that has been read.
func (p *Pool) stall(pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.AcceptErrors++
	if end := time.Now().Add(pause); end.After(p.stalled) {
		p.stalled = end
	}
}

// at gives the listeners of a port; none while the pool does not accept.
func (p *Pool) at(port uint16) []*listener {
	if !p.started.Load() {
		return nil
	}
	n := len(p.config.Addresses)
	i := int(port-p.config.First) * n
	return p.listeners[i : i+n]
}

// listener is a passive port on one address, which the network poller does not know.
type listener struct {
	addr netip.AddrPort
	mu   sync.Mutex // from accepting a connection until it is matched
	fd   int        // -1: closed
}

// newListener takes l over.
func newListener(l *net.TCPListener) (*listener, error) {
	defer l.Close()
	if err := cork(l); err != nil {
		return nil, err
	}
	fd, err := dup(l)
	return &listener{addr: addrPort(l.Addr()), fd: fd}, err
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	unix.Close(l.fd)
	l.fd = -1
}

// clear matches what waits at a port, for as long as more holds.
func (p *Pool) clear(port uint16, ask bool, more func(n int) bool) {
	for _, l := range p.at(port) {
		p.fetch(l, ask, more)
	}
}

// fetch matches what waits at l, for as long as more holds of its number so far.
func (p *Pool) fetch(l *listener, ask bool, more func(n int) bool) (n int, err error) {
	const longestBacklog = 1 << 16
	for n < longestBacklog && more(n) {
		if some, err := p.next(l, ask); !some {
			return n, err
		}
		n++
	}
	return n, nil
}

// next accepts and matches a connection, if there is one. To accept nothing costs seven
// times as much as to ask first.
func (p *Pool) next(l *listener, ask bool) (some bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ask {
		asked := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}} // none of a closed one
		if n, err := unix.Poll(asked, 0); n == 0 && err == nil {
			return false, nil
		}
	}
	s, err := accept(l.fd, l.addr)
	if err == unix.EAGAIN {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.incoming(s)
	return true, nil
}
