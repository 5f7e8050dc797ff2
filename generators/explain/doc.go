// Package explain puts into prose why a site has the passive ports that it
// has: what tells connections apart, what one port would do, each bound and
// the one that binds, and where the range lies.
//
// It is pure, and it computes no bound: package sizing does, and package plan
// places the range.
package explain
