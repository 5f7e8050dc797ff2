package embeddedftpd

import (
	"context"
	"runtime"
)

// maxHashing bounds the password checks at once, of tens of MiB each. They get at most
// half of the processors: those who guess leave the rest to those who transfer.
const maxHashing = 4

// hashLine is where log-ins wait to be checked, those at the front before all others.
type hashLine struct {
	free          chan struct{} // turns that nobody has
	front, others chan struct{} // gives a turn to who waits, in order of arrival
}

func newHashLine() *hashLine {
	n := min(max(runtime.GOMAXPROCS(0)/2, 1), maxHashing)
	l := &hashLine{make(chan struct{}, n), make(chan struct{}), make(chan struct{})}
	for range n {
		l.free <- struct{}{}
	}
	return l
}

// enter waits for a turn, which leave ends.
func (l *hashLine) enter(ctx context.Context, front bool) error {
	line := l.others
	if front {
		line = l.front
	}
	select {
	case <-line:
	case <-l.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (l *hashLine) leave() {
	select {
	case l.front <- struct{}{}:
		return
	default:
	}
	select {
	case l.others <- struct{}{}:
	default:
		l.free <- struct{}{}
	}
}

// full reports whether one of the others would have to wait.
func (l *hashLine) full() bool { return len(l.free) == 0 }
