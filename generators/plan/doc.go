// Package plan turns a Spec into the neutral model that every target reads:
// each site with its range and the reasons for it, each host with its firewall
// policy, each gateway with what it forwards.
//
// Ranges are placed one site after another: those that the spec pins, then
// those that the lock keeps, then the rest by name, each at the lowest ports
// that fit in 61000-65535, else in 20000-29999, else above 1023. A range is
// contiguous. It shares no port with another site of the same address or
// gateway, and covers no control port of its host, no ephemeral port, none of
// avoid_ports and none of a well-known service.
//
// It is pure, and it is not for any one format: nothing here knows nftables,
// iptables or a cloud.
package plan
