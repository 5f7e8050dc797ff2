//go:build !linux

package embeddedftpd

import "golang.org/x/sys/unix"

// setControlOptions prepares a listening socket of control connections, with
// the system's own keep-alive times.
func setControlOptions(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}
