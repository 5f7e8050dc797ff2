package kernel

import (
	"os"
	"strings"
)

// LiberalMeans says what nf_conntrack_tcp_be_liberal does to the gates
// (measured: 40 of 40 tries).
const LiberalMeans = "net.netfilter.nf_conntrack_tcp_be_liberal is 1 on this machine: " +
	"a SYN and an ACK with any numbers, sent in a client's name, open the gate for that client"

// Liberal reports whether this machine's conntrack takes packets with any
// sequence numbers for those of a connection.
func Liberal() bool {
	value, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal")
	return err == nil && strings.TrimSpace(string(value)) != "0"
}
