// Package report draws a plan as one HTML page for people who read no rules:
// each host with a map of its ports and its firewall in words, each site with
// its range, the reason, what other servers need, what a guess would do, and the
// refused share against the ports.
//
// The page is complete in itself: no script, no network, no font. It is pure, and
// it computes no bound and words no derivation: packages sizing and explain do.
package report
