// Package templates holds the text/template sources of the generated files,
// embedded, one folder per target, and the function map they run with: sprig's
// hermetic functions and one escaping function per format.
//
// It is not for deciding anything: a template lays out what its target hands
// it.
package templates
