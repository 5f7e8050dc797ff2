package passive

import (
	"errors"
	"fmt"
	"net/netip"
)

var (
	// ErrClosed: the pool is closed.
	ErrClosed = errors.New("the passive pool is closed")

	// ErrExpired: the client did not connect within Config.Expiry.
	ErrExpired = errors.New("the client did not connect in time")

	// ErrNotResumed: a connection from the client's address did not resume the control
	// connection's TLS session, and none that does came within 2 s.
	ErrNotResumed = errors.New("the data connection does not resume its control connection's TLS session")

	// ErrReleased: it was released, or has given its connection.
	ErrReleased = errors.New("the reservation has ended")
)

// BusyError: the client's sessions occupy all ports.
type BusyError string

func (e BusyError) Error() string { return string(e) }

// TakenError names the first port of the range that another socket holds.
type TakenError struct {
	Addr netip.AddrPort
	Err  error
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("passive port %v is taken: %v", e.Addr, e.Err)
}
func (e *TakenError) Unwrap() error { return e.Err }
