// Package generators turns a spec into files. Load reads the spec and the lock
// beside it, plans it, and decodes the settings of its targets; Project.Files
// renders those targets: one file of source each, all found in one registry.
//
// It is pure: the same spec, lock and version give the same bytes, on any
// machine. It is not for writing files or for reading a host; package main
// under cmd does both.
package generators
