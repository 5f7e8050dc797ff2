// Package plan turns a Spec into the neutral model that every target reads:
// each site with its range and the reasons for it, each host with its firewall
// policy. It places ranges on hosts and keeps them where the lock file says.
//
// It is pure, and it is not for any one format: nothing here knows nftables,
// iptables or a cloud.
package plan
