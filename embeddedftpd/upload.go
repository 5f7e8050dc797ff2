package embeddedftpd

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// A file is written in place: what an interrupted upload leaves is what REST
// goes on from. Only one upload at a time has a file, and another one waits for
// it, so that a stored file is one upload's bytes and no two append over each
// other.

// uploadWait is how long an upload waits for another one of the same file
// before it gets 450. A test shortens it.
var uploadWait = 5 * time.Second

// errBusy: another upload of the same file is running.
var errBusy = errors.New("another upload of the file is running")

func (s *session) stor(arg string) { s.receive("STOR", s.path(arg), 0, s.files.offset) }

func (s *session) appe(arg string) { s.receive("APPE", s.path(arg), os.O_APPEND, 0) }

// stou stores under a name that nobody has yet. RFC 1123 section 4.1.2.9 says
// how the client learns it.
func (s *session) stou(string) {
	s.receive("STOU", s.path("ftp-"+strings.ToLower(rand.Text())), os.O_EXCL, 0)
}

// receive stores what the client sends, with APPE through O_APPEND, which turns
// splice off.
func (s *session) receive(verb, at string, flags int, offset int64) {
	if !s.connected() {
		return
	}
	f, size, err := s.openUpload(at, flags, offset)
	busy := errors.Is(err, errBusy)
	if err != nil && !busy {
		s.refuseTransfer(nil, err)
		return
	}
	t := &transfer{verb: verb, path: at, opening: "Opening data connection for " + verb + "."}
	if verb == "STOU" {
		t.opening = "FILE: " + path.Base(at)
	}
	t.begin = func() error {
		if offset == 0 && size > 0 && flags&os.O_APPEND == 0 {
			// Only now: a client that never connects empties no file.
			if err := t.file.Truncate(0); err != nil {
				return localError{err}
			}
		}
		return nil
	}
	body := t.receiveASCII
	if !s.data.ascii {
		body, t.small = t.receive, t.receiveNow
	}
	if t.file = f; busy {
		t.small = nil
		t.turn = func() (err error) {
			t.file, size, err = s.awaitUpload(t, at, flags, offset)
			return err
		}
	}
	s.startTransfer(t, body)
}

// openUpload opens a file, claims it until it is closed, and moves to offset.
// The error is errBusy as long as another upload has the file.
func (s *session) openUpload(at string, flags int, offset int64) (_ regularFile, size int64, err error) {
	if offset == 0 {
		flags |= os.O_CREATE
	}
	f, _, err := s.openRegular(at, os.O_WRONLY|flags)
	if errors.Is(err, os.ErrNotExist) && offset > 0 {
		err = errOffset
	}
	if err != nil {
		return nil, 0, err
	}
	// flock(2) goes by the open file, and so does without a list here: it also
	// holds against a process that this one hands over to, and against others that
	// lock files before they touch them.
	switch err = flock(f); {
	case err == nil:
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, 0, errBusy
	default:
		s.log.Warn("the file system locks no files: two uploads of the same file can mix", "path", at, "error", err)
	}
	// Its size before that may have been another upload's.
	if size, err = f.Seek(0, io.SeekEnd); err == nil {
		if _, err = f.Seek(0, io.SeekStart); err == nil {
			err = s.startAt(f, offset, size)
		}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// awaitUpload is openUpload after the upload that has the file now. It opens
// the file each time: the other one's may have been moved away meanwhile.
func (s *session) awaitUpload(t *transfer, at string, flags int, offset int64) (regularFile, int64, error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(uploadWait); ; {
		f, size, err := s.openUpload(at, flags, offset)
		if !errors.Is(err, errBusy) || time.Now().After(end) {
			return f, size, err
		}
		select {
		case <-ticker.C:
		case <-t.ctx.Done():
			return nil, 0, errAborted
		}
	}
}

// flock claims an open file until it is closed, without waiting.
func flock(f regularFile) error {
	_, err := again("flock", func() (int, error) {
		return 0, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	return err
}
