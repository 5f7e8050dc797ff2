package embeddedftpd

import "golang.org/x/sys/unix"

// setControlOptions prepares a listening socket of control connections; what
// is accepted from it inherits the options. Urgent data stays in line: the
// Telnet Synch before an ABOR (RFC 959 section 4.1.3) would otherwise lose its
// data mark's byte. Keep-alive probes once a minute (60 s, then three in 60 s)
// keep a NAT from forgetting a control connection during a long transfer.
func setControlOptions(fd int) error {
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 20},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}
