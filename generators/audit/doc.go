// Package audit judges what an inventory states: ranges that are too small or too
// large for their server's sessions, firewalls that do not open exactly the
// server's ports, addresses that clients cannot reach, checks that are off.
//
// It opens no file and reads no format; package inventory does. A finding rests
// on what a line states and on the server's profile, never on a guess: what was
// not read is a note.
package audit
