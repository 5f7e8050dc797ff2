// Package atomicfile replaces a file as a whole: the new content is written
// beside the old one and synced, and only Commit renames it into place. A
// crash, a full disk or an interrupt leaves the old file or the new one, never
// half of either.
//
// It is not for folders of files: package outdir puts several together.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
)

const (
	prefix = ".pasvctl-"
	suffix = ".tmp"
)

// Leftover reports whether a file name is that of a staged file, which only a
// killed process leaves behind.
func Leftover(name string) bool {
	return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
}

// Staged is new content in a file beside the one that it will replace.
type Staged struct {
	root      *os.Root
	name, tmp string
}

// Stage writes content beside name, a slash-separated path in root, with the
// mode, owner and group of the file that is there now, or else with perm. A
// private file whose owner or group this process may not keep is refused, as is
// a name that is a link or not a regular file.
func Stage(root *os.Root, name string, content []byte, perm fs.FileMode) (*Staged, error) {
	old, err := root.Lstat(name)
	switch {
	case err == nil && old.Mode()&fs.ModeSymlink != 0:
		return nil, &fs.PathError{Op: "write", Path: name, Err: errors.New("is a symbolic link, which is never followed")}
	case err == nil && !old.Mode().IsRegular():
		return nil, &fs.PathError{Op: "write", Path: name, Err: errors.New("is not a regular file")}
	case err == nil:
		perm = old.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	s := &Staged{root: root, name: name, tmp: path.Join(path.Dir(name), prefix+rand.Text()+suffix)}
	if err := s.write(content, perm, old); err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// write stages the content; old is the file that is there now, or nil.
func (s *Staged) write(content []byte, perm fs.FileMode, old fs.FileInfo) error {
	f, err := s.root.OpenFile(s.tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm&0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && old != nil {
		if err = keepOwner(f, old); err != nil {
			err = &fs.PathError{Op: "write", Path: s.name, Err: err}
		}
	}
	// After chown, which clears set-id bits, and without the umask of OpenFile.
	return errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
}

// Commit renames the staged content into place. The rename is durable once
// the folder is synced: see SyncFolder.
func (s *Staged) Commit() error {
	if err := s.root.Rename(s.tmp, s.name); err != nil {
		s.Discard()
		return err
	}
	return nil
}

// Discard removes the staged content. After Commit it does nothing.
func (s *Staged) Discard() { _ = s.root.Remove(s.tmp) }

// SyncFolder makes the renames in a folder of root durable. Windows cannot
// flush a folder; its file system journals renames.
func SyncFolder(root *os.Root, folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Write replaces the file name in the folder dir.
func Write(dir, name string, content []byte, perm fs.FileMode) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	s, err := Stage(root, name, content, perm)
	if err != nil {
		return fmt.Errorf("in %s: %w", dir, err)
	}
	if err := s.Commit(); err != nil {
		return fmt.Errorf("in %s: %w", dir, err)
	}
	return SyncFolder(root, ".")
}
