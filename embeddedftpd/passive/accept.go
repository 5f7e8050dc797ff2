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

// Accept errors (no descriptor left, no memory) pause a listener between these
// bounds, doubling.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// serve accepts on l until the pool closes. Each listener has a goroutine of its
// own.
func (p *Pool) serve(l *listener) {
	var pause time.Duration
	for {
		err := p.accept(l)
		if err == nil {
			pause = 0
			continue
		}
		select {
		case <-p.done:
			return
		default:
		}
		if pause == 0 {
			p.config.Log.LogAttrs(context.Background(), slog.LevelWarn, "cannot accept data connections",
				slog.Any("listener", l.addr), slog.Any("error", err))
		}
		pause = min(max(2*pause, minPause), maxPause)
		p.stall(pause)
		select {
		case <-time.After(pause):
		case <-p.done:
			return
		}
	}
}

// stall notes that a listener does not accept for a while. A late connection
// may wait in its backlog meanwhile, so no rest ends before the backlog has
// been read.
func (p *Pool) stall(pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.AcceptErrors++
	if end := time.Now().Add(pause); end.After(p.stalled) {
		p.stalled = end
	}
}

// at gives the listeners of a port, one for each address; none while the pool
// does not accept.
func (p *Pool) at(port uint16) []*listener {
	if !p.started.Load() {
		return nil
	}
	n := len(p.config.Addresses)
	i := int(port-p.config.First) * n
	return p.listeners[i : i+n]
}

// listener is a passive port on one address. What it accepts the runtime's
// network poller does not know yet: see Socket.
type listener struct {
	*os.File
	raw  syscall.RawConn
	addr netip.AddrPort
	mu   sync.Mutex // from accepting a connection until it is matched
}

// newListener takes l over.
func newListener(l *net.TCPListener) (*listener, error) {
	defer l.Close()
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = cork(file)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &listener{File: file, raw: raw, addr: unmapped(addrPort(l.Addr()))}, nil
}

// accept waits for connections and matches them, until that fails.
func (p *Pool) accept(l *listener) error {
	var failed error
	closed := l.raw.Read(func(fd uintptr) bool {
		some := true
		for likely := true; some; likely = false {
			some, failed = p.next(l, int(fd), likely)
		}
		return failed != nil
	})
	return errors.Join(failed, closed)
}

// clear matches what waits at a port: afterwards all that came earlier has been.
func (p *Pool) clear(port uint16) {
	const longestBacklog = 1 << 16
	for _, l := range p.at(port) {
		l.raw.Control(func(fd uintptr) {
			for range longestBacklog {
				if some, _ := p.next(l, int(fd), false); !some {
					return
				}
			}
		})
	}
}

// next accepts and matches a connection, if there is one. Unless that is likely it
// asks first: to accept nothing costs seven times as much, since the kernel makes
// the socket and the file before it looks.
func (p *Pool) next(l *listener, fd int, likely bool) (some bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !likely {
		asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(asked, 0); n == 0 && err == nil {
			return false, nil
		}
	}
	s, err := accept(fd, l.addr)
	if err == unix.EAGAIN {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.incoming(s)
	return true, nil
}
