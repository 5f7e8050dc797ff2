// Package draft writes the first spec of servers that are there: from an
// inventory, or from nothing. It keeps what the files state, with file and line,
// and marks as defaults what none of them does. It never invents a cap.
//
// What a spec cannot say becomes a comment in it, so that the spec is valid, with
// two exceptions: a cap is missing, or a range is too small for it.
//
// It is not for reading files, nor for judging what is there.
package draft
