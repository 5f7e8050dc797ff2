//go:build !linux

package embeddedftpd

import "os"

// beneath is for Linux: elsewhere os.Root opens every file.
type beneath struct{}

func newBeneath(*os.Root) beneath { return beneath{} }
func (beneath) close()            {}

func (beneath) open(string, int, uint32) (f *os.File, size int64, ok bool) { return nil, 0, false }
