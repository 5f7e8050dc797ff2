// Package sizing computes the smallest number of passive ports that is safe
// for a workload on a server, and the reasons.
//
// It is mathematics: no I/O, no clock, no knowledge of specs, hosts or port
// numbers. Placing the ports on a host is package plan's work, and playing a
// workload event by event that of package simulate, which shares no formula
// with this one.
//
// # The question
//
// TCP tells two data connections apart by four values: server address, server
// port, client address, client port. One server port would do for all of them,
// were it not for what servers do: most bind a port when they answer PASV, and
// while it listens, or until the transfer or even the session ends, no other
// session can have it. So sessions compete for ports, and a range is too small
// where too many of them find none. How many is too many is the objective's
// refused share, and the range is the largest of these lower bounds on it:
//
//   - contention: the sessions that want a port at the same time, as a
//     birth–death chain (chain.go), with clients that ask several times at once
//     (batch.go); without traffic, all of them (size.go);
//   - listen_race: two sessions that choose the same port at once (race.go);
//   - per_address: where a port is exclusive to a client address, the sessions
//     behind the busiest one; they compete, or queue (address.go, queue.go);
//   - four_tuples: the source ports of that address (tuples.go);
//   - burst: sessions that start together (burst.go), and wait (burstwait.go);
//   - server: what the server itself demands.
//
// How a server draws and holds ports is its Profile (profiles.go), with the
// source of every field; SERVERS.md says what was measured of each, and how.
// What draws it makes is draw.go.
//
// # Proof
//
// PROOF.md holds the model against running servers, measured by "make proof".
// The tests of cmd/lab/proof hold that table to the model of the day.
//
// # What is left out, and why that is safe
//
// IPv4 and IPv6: a server binds the data port on the address of the control
// connection, so that the two families have the ports of a range each to
// themselves, as have several addresses of one host. All sessions on one
// address is then the worst case, and it is the one that is computed; one range
// serves both families. A server that listens on the wildcard address for both
// has exactly that case.
//
// Sites that share an address get ranges that do not overlap from package
// plan, so their sessions never compete. A program that is no FTP server may
// still take a port: Objective.Squatted of them never count.
//
// A client that fetches with several sessions (mirror --parallel) is several
// sessions: it counts in Sessions and SessionsPerAddress, and with
// Traffic.Parallel where they ask in the same instant. One that fetches many
// files on one session (mget) is part of the rate.
package sizing
