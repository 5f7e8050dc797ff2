//go:build !linux

package passive

import (
	"errors"
	"net"
	"os"
	"time"
)

// Elsewhere than on Linux a goroutine for each listener accepts.
type listener struct{ *net.TCPListener }

func newListener(l *net.TCPListener) (*listener, error) { return &listener{l}, nil }

func (l *listener) close() { l.Close() }

type watch struct{ listeners []*listener }

func newWatch(listeners []*listener) (*watch, error) { return &watch{listeners}, nil }

func (w *watch) close() {}
func (w *watch) end()   {}

func (w *watch) run(p *Pool) {
	for _, l := range w.listeners {
		p.running.Go(func() { p.serve(l.TCPListener) })
	}
}

// serve accepts on l until it is closed.
func (p *Pool) serve(l *net.TCPListener) {
	var pause time.Duration
	for {
		c, err := l.AcceptTCP()
		if err == nil {
			pause = 0
			if !p.diverted(c) {
				p.Arrive(c)
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if pause == 0 {
			p.config.Log.Warn("cannot accept data connections", "address", l.Addr(), "error", err)
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

func (p *Pool) clear(uint16)       {}
func (p *Pool) fetch(*Reservation) {}

func (p *Pool) await() (done func())             { return func() {} }
func closeSocket(int) error                      { return os.ErrClosed }
func (s *Socket) Send([]byte) (int, error)       { return 0, os.ErrClosed }
func (s *Socket) ReceiveNow([]byte) (int, error) { return 0, ErrNothing }
func (s *Socket) SetLinger(int) error            { return os.ErrClosed }
