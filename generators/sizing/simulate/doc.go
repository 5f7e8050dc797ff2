// Package simulate plays a workload on a server's passive ports, event by
// event: sessions think, ask for a port, wait for one or are refused, connect
// or do not, transfer, and ask again; ports are drawn one by one as the
// server's profile says.
//
// It shares no formula with package sizing, so that the two can be held
// against each other. It is pure: the same Config gives the same Result on any
// machine and any number of processors. It is not for real servers or real
// connections; package main under cmd measures those.
package simulate
