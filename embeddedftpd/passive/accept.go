package passive

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Accept errors pause a listener between these bounds, doubling.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// A client connects before it sends its command, and the session finds the connection
// itself (fetch): waking a goroutine for each costs a seventh of a small transfer. One
// goroutine a listener accepts the rest. It rests for quietTime after each look, unless
// a session waits or many came.
const (
	quietTime = 50 * time.Millisecond
	many      = 64
)

// expect counts n more sessions that wait for some listeners, and ends their rest.
func expect(all []*listener, n int32) {
	for _, l := range all {
		if l.waiting.Add(n) > 0 {
			select {
			case l.wanted <- struct{}{}:
			default:
			}
		}
	}
}

// serve accepts what no session fetches until l closes.
func (p *Pool) serve(l *listener) {
	var pause time.Duration
	for {
		var n int
		var failed error
		closed := l.raw.Read(func(uintptr) bool {
			n, failed = p.fetch(l, true, func(n int) bool { return n < many })
			return failed != nil || n == many || n > 0 && l.waiting.Load() == 0 && p.elsewhere.Load() == nil
		})
		wanted, rest := l.wanted, p.quiet
		switch {
		case closed != nil:
			return
		case failed != nil:
			pause = min(max(2*pause, minPause), maxPause)
			p.stall(pause, failed)
			wanted, rest = nil, pause
		case n == many:
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
func (p *Pool) stall(pause time.Duration, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.AcceptErrors++
	if pause == minPause && time.Now().After(p.stalled) {
		p.config.Log.LogAttrs(context.Background(), slog.LevelWarn, "cannot accept data connections", slog.Any("error", why))
	}
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

// listener is a passive port on one address.
type listener struct {
	addr    netip.AddrPort
	file    *os.File
	raw     syscall.RawConn // of file
	mu      sync.Mutex      // from accepting a connection until it is matched
	waiting atomic.Int32    // sessions that wait for a connection or a port
	wanted  chan struct{}   // one more does
}

// newListener takes l over.
func newListener(l *net.TCPListener) (*listener, error) {
	defer l.Close()
	if err := cork(l); err != nil {
		return nil, err
	}
	f, err := dup(l)
	if err != nil {
		return nil, err
	}
	raw, err := f.SyscallConn()
	return &listener{addr: addrPort(l.Addr()), file: f, raw: raw, wanted: make(chan struct{}, 1)}, err
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
	var s *Socket
	closed := l.raw.Control(func(fd uintptr) {
		if err = unix.EAGAIN; !ask || readable(fd) {
			s, err = accept(int(fd), l.addr)
		}
	})
	if closed != nil || err == unix.EAGAIN {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if elsewhere := p.elsewhere.Load(); elsewhere == nil || !(*elsewhere)(s) {
		p.arrive(s, s.from, s.to)
	}
	return true, nil
}

func readable(fd uintptr) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0 || err != nil
}
