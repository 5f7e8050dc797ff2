package passive

import (
	"context"
	"log/slog"
	"time"
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
