package embeddedftpd

import (
	"container/list"
	"context"
	"runtime"
	"sync"
)

// maxHashing bounds the password checks at once, each of which may take tens of
// MiB, until the garbage collector's next run twice that. They get at most half
// of the processors: those who guess leave the rest to those who transfer.
const maxHashing = 4

// hashLine is the line of log-ins whose password waits to be checked. Those at
// the front are served before all others.
type hashLine struct {
	mu            sync.Mutex
	free          int
	front, others list.List // of chan struct{}, in order of arrival
}

func newHashLine() *hashLine {
	return &hashLine{free: min(max(runtime.GOMAXPROCS(0)/2, 1), maxHashing)}
}

// enter waits for a turn, which leave ends.
func (l *hashLine) enter(ctx context.Context, front bool) error {
	line := &l.others
	if front {
		line = &l.front
	}
	turn := make(chan struct{})
	l.mu.Lock()
	e := line.PushBack(turn)
	l.grant()
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn: // in the same instant
		l.free++
		l.grant()
	default:
		line.Remove(e)
	}
	return ctx.Err()
}

func (l *hashLine) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.grant()
}

func (l *hashLine) grant() {
	for _, line := range []*list.List{&l.front, &l.others} {
		for l.free > 0 && line.Len() > 0 {
			l.free--
			close(line.Remove(line.Front()).(chan struct{}))
		}
	}
}

// full reports whether one of the others would have to wait.
func (l *hashLine) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free == 0
}
