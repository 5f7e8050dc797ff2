//go:build unix

package embeddedftpd

import (
	"syscall"
	"time"
)

// used is the processor time of this program, but for what it spent looking.
func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano()+u.Stime.Nano()) - time.Duration(looked.Load())
}
