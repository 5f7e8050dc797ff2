package outdir

import (
	"errors"
	"fmt"
	"time"
)

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
