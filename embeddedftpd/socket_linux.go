package embeddedftpd

import "golang.org/x/sys/unix"

var controlOptions = []struct{ level, name, value int }{
	{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 20},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
}
