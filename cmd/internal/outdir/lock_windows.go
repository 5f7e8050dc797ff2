package outdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFile stands for its folder, which Windows cannot lock.
const lockFile = ".pasvctl-lock"

// lock takes the folder for this process: nobody else can open the file, which
// the system deletes at the process's end, however it ends (CreateFileW, with
// no sharing and FILE_FLAG_DELETE_ON_CLOSE).
func lock(_ *os.Root, dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ|windows.DELETE, 0, nil,
		windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_HIDDEN|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil, fmt.Errorf("%w to %s", errBusy, dir)
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}
