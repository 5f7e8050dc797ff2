// Command bench measures the embedded daemon beside vsftpd, ProFTPD, Pure-FTPd
// and ftpserverlib, side by side in one run: the servers take turns, each
// figure is the median of its rounds, and what counts are the ratios.
//
// The servers run in namespaces of their own, on the loopback device, some rows
// through a link with 1 ms of delay each way, and over files in memory, without a transfer log: it is the servers that are measured,
// not disks or networks. The processor time is that of a server's whole control
// group, its children included. The load client uses bare sockets, so that it
// takes as little as possible of the processors that it shares with them.
//
// It needs root, control groups of version 2 and the servers that .ci/servers
// unpacks:
//
//	cd cmd/lab/bench && go run . > table.md
//
// It is a module of its own, so that ftpserverlib stays out of the daemon's.
package main
