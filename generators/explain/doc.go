// Package explain derives a site's passive range in prose: what tells data
// connections apart, what one port does, each bound and the one that binds,
// and where the range is.
//
// It is pure, and it computes no bound: package sizing does, and package plan
// places the range.
package explain
