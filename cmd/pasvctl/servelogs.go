//go:build linux

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/pasvctl/pasvctl/embeddedftpd"
)

// logFormats are the formats of the daemon's log.
var logFormats = map[string]func(io.Writer) slog.Handler{
	"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
}

// transferLog is a file that log rotation may move away: SIGHUP reopens it.
type transferLog struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// openTransferLog opens the file to append to it. A new one is the owner's, so
// that it can be opened again without root; nil: it is the process's own.
func openTransferLog(path string, owner *account) (*transferLog, error) {
	const mode = 0o640 // names of users and files are nobody else's
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, mode)
	if os.IsExist(err) {
		f, err = openAppend(path)
	} else if err == nil && owner != nil {
		err = f.Chown(owner.uid, owner.gid)
	}
	if err != nil {
		return nil, err
	}
	return &transferLog{path: path, file: f}, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
}

// Write implements io.Writer.
func (l *transferLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// reopen switches to the file that now has the name; on an error the log keeps
// the previous one.
func (l *transferLog) reopen() error {
	f, err := openAppend(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.Close()
	l.file = f
	return nil
}

// usersFile is a users file that SIGHUP reads again.
type usersFile struct {
	path    string
	current atomic.Pointer[embeddedftpd.UserFile]
}

// read reads the file; on an error the previous users stay.
func (u *usersFile) read() error {
	_, users, err := readUsers(u.path)
	if err == nil {
		u.current.Store(users)
	}
	return err
}

// Authenticate implements embeddedftpd.Users.
func (u *usersFile) Authenticate(ctx context.Context, name, password string, failures int) (embeddedftpd.User, error) {
	return u.current.Load().Authenticate(ctx, name, password, failures)
}
