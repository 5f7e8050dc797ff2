//go:build unix

package embeddedftpd

import "syscall"

// descriptorLimit is how many file descriptors the process may have (RLIMIT_NOFILE).
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1<<64 - 1
	}
	return uint64(limit.Cur)
}
