package packets

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Echo answers on ports of a namespace: what a connection sends comes back.
type Echo struct {
	listeners []net.Listener
	mu        sync.Mutex
	open      map[net.Conn]bool
	done      sync.WaitGroup
}

// NewEcho listens on the given addresses and ports of a namespace.
func NewEcho(n *Namespace, at ...netip.AddrPort) (*Echo, error) {
	e := &Echo{open: map[net.Conn]bool{}}
	for _, a := range at {
		l, err := n.Listen(a)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e.listeners = append(e.listeners, l)
		e.done.Go(func() { e.serve(l) })
	}
	return e, nil
}

func (e *Echo) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed, or out of files: either way this port is done
		}
		e.mu.Lock()
		e.open[c] = true
		e.mu.Unlock()
		e.done.Go(func() {
			echo(c)
			c.Close()
			e.mu.Lock()
			delete(e.open, c)
			e.mu.Unlock()
		})
	}
}

// Arrived reports at which of its ports the Echo has accepted a connection from
// that end. It waits, for a handshake is done before the connection is accepted.
func (e *Echo) Arrived(from netip.AddrPort) (at netip.AddrPort, ok bool) {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		for c := range e.open {
			if c.RemoteAddr().(*net.TCPAddr).AddrPort() == from {
				at, ok = c.LocalAddr().(*net.TCPAddr).AddrPort(), true
			}
		}
		e.mu.Unlock()
		if ok {
			return at, true
		}
	}
	return at, false
}

// Close ends the listeners and the connections they have accepted.
func (e *Echo) Close() error {
	var errs []error
	for _, l := range e.listeners {
		errs = append(errs, l.Close())
	}
	e.mu.Lock()
	for c := range e.open {
		c.Close()
	}
	e.mu.Unlock()
	e.done.Wait()
	return errors.Join(errs...)
}

// echo sends back what comes. io.Copy would take a pipe for each connection.
func echo(c net.Conn) {
	var buffer [64]byte
	for {
		n, err := c.Read(buffer[:])
		if err != nil {
			return
		}
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Conn is a connection to an Echo.
type Conn interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}

// Exchange sends a line over a connection to an Echo and waits until it is
// back: proof that packets still pass both ways.
func Exchange(c Conn) error {
	const line = "still here\n"
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	back := make([]byte, len(line))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if string(back) != line {
		return fmt.Errorf("sent %q, got back %q", line, back)
	}
	return nil
}
