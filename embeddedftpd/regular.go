package embeddedftpd

import (
	"io"
	"os"
	"syscall"
)

// regularFile is an open regular file: an *os.File or a *bareFile.
type regularFile interface {
	io.ReadWriteSeeker
	io.Closer
	Truncate(size int64) error
	Fd() uintptr
}

// bareFile is a regular file as a mere descriptor, which is all that a small
// transfer needs: os.File asks the network poller about every file that it
// opens. Everything else is for the *os.File that it turns into. A bareFile is
// used by one goroutine.
type bareFile struct {
	fd   int // -1: closed, or an *os.File's
	name string
}

// polled gives f as an *os.File, which is then the one to be closed.
func polled(f regularFile) *os.File {
	b, bare := f.(*bareFile)
	if !bare {
		return f.(*os.File)
	}
	whole := os.NewFile(uintptr(b.fd), b.name)
	b.fd = -1
	return whole
}

// again does a system call that a signal may interrupt, which file servers
// allow for regular files, too.
func again(call string, do func() (int, error)) (int, error) {
	for {
		n, err := do()
		if err == syscall.EINTR {
			continue
		}
		return max(n, 0), os.NewSyscallError(call, err)
	}
}

func (f *bareFile) Fd() uintptr { return uintptr(f.fd) }

func (f *bareFile) Read(p []byte) (int, error) {
	n, err := again("read", func() (int, error) { return syscall.Read(f.fd, p) })
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return n, err
}

func (f *bareFile) Write(p []byte) (written int, err error) {
	for written < len(p) && err == nil {
		var n int
		if n, err = again("write", func() (int, error) { return syscall.Write(f.fd, p[written:]) }); n == 0 && err == nil {
			err = io.ErrUnexpectedEOF
		}
		written += n
	}
	return written, err
}

func (f *bareFile) Seek(offset int64, whence int) (int64, error) {
	at, err := syscall.Seek(f.fd, offset, whence)
	return at, os.NewSyscallError("lseek", err)
}

func (f *bareFile) Truncate(size int64) error {
	_, err := again("ftruncate", func() (int, error) { return 0, syscall.Ftruncate(f.fd, size) })
	return err
}

// Close is never repeated: after close(2) the number may be another file's,
// whatever it returned.
func (f *bareFile) Close() error {
	if f.fd < 0 {
		return os.ErrClosed
	}
	fd := f.fd
	f.fd = -1
	return os.NewSyscallError("close", syscall.Close(fd))
}
