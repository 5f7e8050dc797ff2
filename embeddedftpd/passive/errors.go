package passive

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

var (
	// ErrClosed: the pool is closed.
	ErrClosed = errors.New("the passive pool is closed")

	// ErrExpired: the client did not connect within Config.Expiry.
	ErrExpired = errors.New("the client did not connect in time")

	// ErrNotResumed: under ReuseRequired a connection came from the client's address
	// that did not resume its control connection's TLS session, and none that does
	// within 2 s.
	ErrNotResumed = errors.New("the data connection does not resume its control connection's TLS session")

	// ErrReleased: the reservation was released, or has already given its
	// connection.
	ErrReleased = errors.New("the reservation has ended")

	// ErrBusy is what every BusyError is, for errors.Is.
	ErrBusy = errors.New("no passive port is free for this client")

	// ErrNoTLS: Reserve was given a mark, but Config.TLS is nil.
	ErrNoTLS = errors.New("a marked reservation needs a TLS configuration")

	// ErrLocal: no port of the pool is bound on the local address of the
	// control connection, so no data connection could arrive there.
	ErrLocal = errors.New("no passive port is bound on this local address")
)

// BusyError says why Reserve gave up.
type BusyError struct {
	Client netip.Addr    // as ClientKey has it; zero: all clients compete (Config.Foreign)
	Ports  int           // how many the pool has; all are reserved by the client's sessions, or at rest after them
	Queue  int           // how many others of the client wait
	Waited time.Duration // 0 where the queue was full or waiting is off
}

func (e *BusyError) Error() string {
	busy := fmt.Sprintf("all %d passive ports are in use", e.Ports)
	if e.Ports == 1 {
		busy = "the 1 passive port is in use"
	}
	if e.Client.IsValid() {
		busy += fmt.Sprintf(" by sessions from %v", e.Client)
	}
	switch {
	case e.Waited > 0:
		return fmt.Sprintf("%s; none came free in %v", busy, e.Waited)
	case e.Queue > 0:
		return fmt.Sprintf("%s, and %d more wait", busy, e.Queue)
	}
	return busy
}

// Is makes errors.Is(err, ErrBusy) true.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// TakenError names the first port of the range that another socket holds.
type TakenError struct {
	Addr netip.AddrPort
	Err  error
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("passive port %v is taken: %v", e.Addr, e.Err)
}
func (e *TakenError) Unwrap() error { return e.Err }
