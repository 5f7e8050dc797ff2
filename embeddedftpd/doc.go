// Package embeddedftpd is a small FTP daemon that needs the fewest passive ports: it
// binds its whole range once, holds it, and tells data connections apart by client
// address, port and TLS session. It is for Linux, and knows nothing of specs or plans.
package embeddedftpd
