package embeddedftpd

import (
	"crypto/rand"
	"errors"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// A file is written in place: an interrupted upload is what REST goes on from. Only one
// upload at a time has it, so that a stored file is one upload's bytes.

// uploadWait is how long an upload waits for another one before 450; a test shortens it.
var uploadWait = 5 * time.Second

// errBusy: another upload of the same file is running.
var errBusy = errors.New("another upload of the file is running")

func (s *session) stor(arg string) { s.receive("STOR", s.path(arg), 0, s.files.offset) }

func (s *session) appe(arg string) { s.receive("APPE", s.path(arg), os.O_APPEND, 0) }

// stou stores under a new name, told as RFC 1123 section 4.1.2.9 says.
func (s *session) stou(string) {
	s.receive("STOU", s.path("ftp-"+strings.ToLower(rand.Text())), os.O_EXCL, 0)
}

// receive stores what the client sends. O_APPEND turns splice off.
func (s *session) receive(verb, at string, flags int, offset int64) {
	if !s.connected(at) {
		return
	}
	t := &transfer{verb: verb, path: at}
	if verb == "STOU" {
		t.opening = "FILE: " + path.Base(at)
	}
	body := t.receiveASCII
	if !s.data.ascii {
		body, t.small = t.receive, true
	}
	err := s.openUpload(t, flags, offset)
	switch {
	case errors.Is(err, errBusy):
		t.small = false
		t.turn = func() error { return s.awaitUpload(t, flags, offset) }
	case err != nil:
		s.fail(err)
		return
	}
	s.runTransfer(t, body)
}

// openUpload opens t's file, claims it and moves to offset; errBusy: another upload has
// it.
func (s *session) openUpload(t *transfer, flags int, offset int64) error {
	if offset == 0 {
		flags |= os.O_CREATE
	}
	f, _, err := s.openRegular(t.path, os.O_WRONLY|flags)
	if errors.Is(err, os.ErrNotExist) && offset > 0 {
		err = errOffset
	}
	if err != nil {
		return err
	}
	// flock(2) goes by the open file, and holds against other processes, too.
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		f.Close()
		return errBusy
	}
	if err != nil {
		s.log.Warn("the file system locks no files: two uploads of the same file can mix", "path", t.path, "error", err)
	}
	if offset > 0 {
		// Its size before that may have been another upload's.
		info, err := f.Stat()
		if err == nil {
			err = s.startAt(f, offset, info.Size())
		}
		if err != nil {
			f.Close()
			return err
		}
	}
	t.file, t.replaces = f, offset == 0 && flags&(os.O_APPEND|os.O_EXCL) == 0
	return nil
}

// awaitUpload is openUpload after another upload, whose file may be moved away
// meanwhile.
func (s *session) awaitUpload(t *transfer, flags int, offset int64) error {
	for end := time.Now().Add(uploadWait); ; {
		err := s.openUpload(t, flags, offset)
		if !errors.Is(err, errBusy) || time.Now().After(end) {
			return err
		}
		if !pause(t.ctx, 10*time.Millisecond) {
			return errAborted
		}
	}
}
