// Package apply changes the rules of a running machine in a way that is safe
// over SSH: it saves what was there, changes it in one step, and can restore it
// without the administrator.
//
// What is in force, what was before, and what waits to be confirmed are kept in
// one file, replaced as a whole; a process may be killed at any point, and the
// next one reads there what it finds. It is not for the rules themselves:
// package kernel loads and removes them.
package apply
