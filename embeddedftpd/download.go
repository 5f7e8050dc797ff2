package embeddedftpd

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// retr sends a file.
func (s *session) retr(arg string) {
	if !s.connected(s.path(arg)) {
		return
	}
	at := s.existing(arg)
	f, size, err := s.openRegular(at, os.O_RDONLY)
	if err == nil {
		err = s.startAt(f, s.files.offset, size)
	}
	if err != nil {
		f.Close()
		s.fail(err)
		return
	}
	left := size - s.files.offset
	t := &transfer{verb: "RETR", path: at, sends: true, file: f}
	body := t.sendASCII
	if !s.data.ascii {
		// Clients show their progress by the number in parentheses.
		t.opening = fmt.Sprintf("Opening data connection for RETR (%d bytes).", left)
		body = func() error { return t.send(left - t.bytes.Load()) }
		t.small = left <= smallFile
	}
	s.runTransfer(t, body)
}

// openRegular opens a file. O_NONBLOCK keeps a FIFO from holding the session for ever.
func (s *session) openRegular(at string, flags int) (_ *os.File, size int64, err error) {
	const perm = 0o666
	flags |= syscall.O_NONBLOCK | syscall.O_NOCTTY
	if f, size, ok := openBeneath(s.login.root.files, rooted(at), flags, perm); ok {
		return f, size, nil
	}
	f, err := s.login.root.OpenFile(rooted(at), flags, perm)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = errNotRegular
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

// startAt moves to REST's offset in a file that is size bytes long.
func (s *session) startAt(f *os.File, offset, size int64) error {
	switch {
	case offset == 0:
		return nil
	case s.data.ascii:
		return errOffsetASCII
	case offset > size:
		return errOffset
	}
	_, err := f.Seek(offset, io.SeekStart)
	return err
}
