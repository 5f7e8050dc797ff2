//go:build !unix

package embeddedftpd

// descriptorLimit is unknown here, so none.
func descriptorLimit() uint64 { return 1<<64 - 1 }
