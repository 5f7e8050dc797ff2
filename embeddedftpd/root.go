package embeddedftpd

import (
	"os"
	"sync"
	"syscall"
)

// rootCache shares one open os.Root among the sessions whose users have the
// same root folder: a session costs no file descriptor for it. os.Root may be
// used by many goroutines and holds no state of any session.
type rootCache struct {
	mu   sync.Mutex
	open map[string]*sharedRoot
}

type sharedRoot struct {
	*os.Root
	files beneath // the same folder
	is    os.FileInfo
	cache *rootCache
	path  string
	users int
}

// get opens the root, or counts one more user of it. The caller calls release
// once. Sessions share it only while the path leads to the same folder: after
// a rename, a swapped link or a mount, a login sees the folder that is there now.
func (c *rootCache) get(path string) (*sharedRoot, error) {
	// Nothing here is under the lock: if a folder's file server has gone, only
	// its own users wait.
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR} // opening a FIFO would wait for its writer
	}
	if err != nil {
		return nil, err
	}
	if r := c.known(path, info); r != nil {
		return r, nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	r := &sharedRoot{Root: root, files: newBeneath(root), cache: c, path: path, users: 1}
	if r.is, err = root.Stat("."); err != nil {
		r.close()
		return nil, err
	}
	if faster := c.keep(r); faster != nil {
		r.close()
		return faster, nil
	}
	return r, nil
}

// keep makes r the root of its path, or counts one more user of the same folder
// if another session was faster to open it.
func (c *rootCache) keep(r *sharedRoot) (faster *sharedRoot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if faster = c.open[r.path]; faster != nil && os.SameFile(faster.is, r.is) {
		faster.users++
		return faster
	}
	if c.open == nil {
		c.open = map[string]*sharedRoot{}
	}
	c.open[r.path] = r
	return nil
}

// known counts one more user of the folder at path if it is open, and is nil
// otherwise.
func (c *rootCache) known(path string, is os.FileInfo) *sharedRoot {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.open[path]
	if r == nil || !os.SameFile(r.is, is) {
		return nil
	}
	r.users++
	return r
}

func (r *sharedRoot) release() {
	r.cache.mu.Lock()
	r.users--
	last := r.users == 0
	if last && r.cache.open[r.path] == r {
		delete(r.cache.open, r.path)
	}
	r.cache.mu.Unlock()
	if last {
		r.close() // which may wait for a file server, too
	}
}

func (r *sharedRoot) close() {
	r.files.close()
	r.Root.Close()
}
