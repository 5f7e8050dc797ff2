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
	cache *rootCache
	path  string
	users int
}

// get opens the root, or counts one more user of it. The caller calls release
// once. When its last user has gone it is closed, so that a folder that was
// replaced is seen by the next login.
func (c *rootCache) get(path string) (*sharedRoot, error) {
	if r := c.known(path); r != nil {
		return r, nil
	}
	// Not under the lock: where a folder's file server has gone, only its own
	// users wait.
	root, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	r := &sharedRoot{Root: root, files: newBeneath(root), cache: c, path: path, users: 1}
	if faster := c.keep(r); faster != nil {
		r.close()
		return faster, nil
	}
	return r, nil
}

// keep makes r the root of its path, or counts one more user of the one that
// another session was faster to open.
func (c *rootCache) keep(r *sharedRoot) (faster *sharedRoot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if faster = c.open[r.path]; faster != nil {
		faster.users++
		return faster
	}
	if c.open == nil {
		c.open = map[string]*sharedRoot{}
	}
	c.open[r.path] = r
	return nil
}

// known counts one more user of a root that is open; nil where it is not.
func (c *rootCache) known(path string) *sharedRoot {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.open[path]
	if r != nil {
		r.users++
	}
	return r
}

// openFolder looks before it opens: a FIFO would keep it waiting for a writer.
func openFolder(path string) (*os.Root, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(path)
}

func (r *sharedRoot) release() {
	r.cache.mu.Lock()
	r.users--
	last := r.users == 0
	if last {
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
