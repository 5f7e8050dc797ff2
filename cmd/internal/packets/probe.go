package packets

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// How long a probe waits. An answer ends it at once, so that a long patience
// costs nothing where packets pass; silence has to be waited for.
const (
	Patience = 5 * time.Second
	Silence  = 300 * time.Millisecond
)

// Verdict is what became of a new connection on its way.
type Verdict string

// The verdicts. A reset is an answer: the packet has passed the firewall,
// whether or not somebody listens behind it.
const (
	Admitted Verdict = "admitted"
	Dropped  Verdict = "dropped"
)

// Probe is a new connection to be tried.
type Probe struct {
	From netip.Addr
	To   netip.AddrPort
	// Want only says how long to wait: Patience for an answer, or Silence
	// where none is expected.
	Want Verdict
}

// Result is what happened to a probe.
type Result struct {
	Probe
	Got Verdict
	Err error // neither verdict: the network itself failed
}

// atOnce bounds the probes under way at a time.
const atOnce = 64

// Send tries the probes from the world, many at a time, and returns their
// results in order.
func (b *Bed) Send(probes ...Probe) []Result {
	results := make([]Result, len(probes))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, p := range probes {
		slots <- struct{}{}
		all.Go(func() {
			results[i] = b.send(p)
			<-slots
		})
	}
	all.Wait()
	return results
}

func (b *Bed) send(p Probe) Result {
	wait := Patience
	if p.Want == Dropped {
		wait = Silence
	}
	c, err := b.World.Dial(p.From, p.To, wait)
	switch {
	case err == nil:
		c.Close()
		return Result{Probe: p, Got: Admitted}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Result{Probe: p, Got: Admitted}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return Result{Probe: p, Got: Dropped}
	}
	return Result{Probe: p, Err: fmt.Errorf("from %s to %s: %w", p.From, p.To, err)}
}

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
			io.Copy(c, c)
			c.Close()
			e.mu.Lock()
			delete(e.open, c)
			e.mu.Unlock()
		})
	}
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

// Exchange sends a line over a connection to an Echo and waits until it is
// back: proof that packets still pass both ways.
func Exchange(c net.Conn) error {
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
