// Package sizing computes the smallest number of passive ports that is safe
// for a workload on a server, and the reasons.
//
// It is mathematics: no I/O, no clock, no knowledge of specs, hosts or port
// numbers. Placing the ports on a host is package plan's work.
package sizing
