//go:build linux

package main

// faultPoint is called before each step of a change to the kernel. Tests put
// something here that kills the process.
var faultPoint func(step string)
