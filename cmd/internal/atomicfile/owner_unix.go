//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives the staged file f the owner and group of the file old. A
// private file whose owner or group cannot be kept is an error: its readers
// would lose it. One that everybody may read stays readable whoever owns it.
func keepOwner(f *os.File, old fs.FileInfo) error {
	was := old.Sys().(*syscall.Stat_t)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now := info.Sys().(*syscall.Stat_t)
	if now.Uid == was.Uid && now.Gid == was.Gid {
		return nil
	}
	// The group may be one of our own where the owner is not us.
	err = errors.Join(f.Chown(-1, int(was.Gid)), f.Chown(int(was.Uid), -1))
	if errors.Is(err, fs.ErrPermission) {
		if old.Mode().Perm()&0o004 != 0 {
			return nil
		}
		return errors.New("belongs to another user or group: write it as root or as its owner")
	}
	return err
}
