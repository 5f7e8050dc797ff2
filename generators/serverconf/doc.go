// Package serverconf reads the configs of FTP servers that their owners wrote,
// and writes them back with the directives that a spec owns. A reader keeps
// every byte and line number; Keep turns the owned directives into comments,
// puts ours in one block, and leaves the rest as it is.
//
// Which directives are owned, and by which attribute of a site, is one list per
// server: vsftpdOwned, proftpdOwned and pureftpdOwned. What a base says never
// feeds a plan: Differences names it beside the line of HCL that says the same.
//
// It is not for judging a config, and it opens no file.
package serverconf
