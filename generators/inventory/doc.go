// Package inventory says what is there: what the configs of FTP servers state,
// what firewalls open, and which lines nothing here can read. One reader a
// format, each in one file; a file's format is told by its content.
//
// Read takes bytes. It keeps file and line of everything, and guesses nothing: a
// value that no line states is the server's default and says so.
//
// It opens no file, and is not for judging what is there nor for making a spec.
package inventory
