// Package generators turns a Plan into files: one file per target, all found
// in one registry.
//
// It is pure: the same spec, lock and version give the same bytes, on any
// machine. It is not for writing files or for reading a host; package main
// under cmd does both.
package generators
