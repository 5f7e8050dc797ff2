//go:build !linux

package embeddedftpd

import "golang.org/x/sys/unix"

// controlOptions leave the keep-alive times to the system.
var controlOptions = []struct{ level, name, value int }{
	{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
}
