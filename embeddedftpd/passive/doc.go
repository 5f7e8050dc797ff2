// Package passive is a pool of passive data ports that are bound once, at start, and
// held. In clear text a connection is matched by (client address, local address, port):
// different clients share every port, and the sessions of one take one each and wait
// their turn. Under TLS with session reuse the match is by the control connection's
// mark inside the resumed ticket, and any number of sessions share a port. A connection
// that belongs to no reservation is closed, and one whose reservation has ended never
// meets another session's data. A port costs an address one file descriptor and 4 KiB of
// memory, 6 once somebody has connected, a pending reservation about 0.7 KiB (measured).
// It is for Linux, and not for FTP: it knows no command and no reply.
package passive
