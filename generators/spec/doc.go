// Package spec reads *.pasv.hcl files into a typed Spec and reports every
// mistake that the text alone shows as an HCL diagnostic which points at the
// attribute and names the remedy.
//
// It is pure: it reads only the fs.FS it is given, never the host, the clock
// or the network. It is not for sizing or placing ranges (package sizing and
// package plan do that) and knows no target's settings: a target block's body
// is kept for the target to decode.
package spec
