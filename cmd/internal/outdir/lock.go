package outdir

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock takes the folder for this process; the kernel gives it back at its end,
// however it ends.
func lock(root *os.Root, dir string) (*os.File, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w to %s", errBusy, dir)
	}
	return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
}

// Hold takes a folder for this process, as Stage does, and waits a little for
// another that has it.
func Hold(dir string) (release func(), err error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	const tries, pause = 100, 50 * time.Millisecond
	for range tries {
		f, err := lock(root, dir)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, errBusy) {
			return nil, err
		}
		time.Sleep(pause)
	}
	return nil, fmt.Errorf("%w to %s", errBusy, dir)
}

var errBusy = errors.New("another process is writing")
