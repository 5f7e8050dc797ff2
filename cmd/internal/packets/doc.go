// Package packets proves firewall rules with real packets: it builds small
// networks of Linux network namespaces, runs commands in them, and opens TCP
// connections from one to another.
//
// Namespaces have no names and no files. They live as long as this process
// holds them, so that parallel runs cannot meet and a killed run leaves
// nothing behind. The host's own network is never touched.
//
// It is not for knowing what ought to pass: callers bring their expectations.
package packets
