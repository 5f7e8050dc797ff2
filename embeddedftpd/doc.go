// Package embeddedftpd is a small FTP daemon that needs the fewest passive
// ports: it binds its whole range once, holds it, and tells the data
// connections apart by client address, port and TLS session instead of by
// port alone. It is for Linux, and has no slower ways for other systems.
//
// It is configured in its own terms and knows nothing of specs or plans. It is
// not for passive ports as such: package passive is its pool.
package embeddedftpd
