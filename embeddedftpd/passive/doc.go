// Package passive is a pool of passive data ports that are bound once, at
// start, and held. A reservation is a map entry, not a system call; an
// accepted connection is matched to the session that waits for it.
//
// It is not for FTP: it knows no command and no reply, only client addresses,
// ports, reservations and connections.
package passive
