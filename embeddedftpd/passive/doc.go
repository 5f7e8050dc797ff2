// Package passive is a pool of passive data ports that are bound once, at
// start, and held. A reservation is a map entry and one system call, a look at
// who is at the port already; a connection is accepted by the session that waits
// for it, or by one goroutine for all ports, and matched to its session.
//
// In clear text the match is by (client address, local address, port): sessions
// of different clients share every port, and those of one client take one each
// and wait their turn when there is none left. Under TLS with session reuse the
// match is by the control connection's mark inside the resumed session's ticket,
// and any number of sessions of one client share a port too. With Config.Foreign
// the match in clear text is by the port alone. A connection that belongs to no
// reservation is closed, and one that belongs to a reservation that has ended
// never meets another session's data.
//
// A port costs one file descriptor and about 0.9 KiB of resident memory an
// address, a pending reservation about 0.7 KiB (measured).
//
// It is not for FTP: it knows no command and no reply, only client addresses,
// ports, reservations and connections. Nor is it for other systems than Linux.
package passive
