//go:build !linux

package embeddedftpd

import (
	"net"
	"os"
)

// sendBlocking leaves it to the poller.
func sendBlocking(*net.TCPConn, *os.File, int64) (int64, error) { return 0, errPolled }
