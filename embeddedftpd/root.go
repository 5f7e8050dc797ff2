package embeddedftpd

import (
	"os"
	"sync"
)

// rootCache shares one open os.Root among the sessions of the same root folder.
type rootCache struct {
	mu   sync.Mutex
	open map[string]*sharedRoot
}

type sharedRoot struct {
	*os.Root
	files *os.File // the same folder; nil: openBeneath cannot be used
	is    os.FileInfo
	cache *rootCache
	path  string
	users int
}

// get opens the root, or counts one more user of it until release. Sessions share it
// only while the path leads to the same folder.
func (c *rootCache) get(path string) (*sharedRoot, error) {
	// Not under the lock: if a folder's file server has gone, only its own users
	// wait. With the slash, opening a FIFO does not wait for its writer.
	root, err := os.OpenRoot(path + "/")
	if err != nil {
		return nil, err
	}
	own := &sharedRoot{Root: root, cache: c, path: path, users: 1}
	own.files, _ = root.Open(".")
	if own.is, err = root.Stat("."); err != nil {
		own.close()
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.open[path]; r != nil && os.SameFile(r.is, own.is) {
		r.users++
		own.close()
		return r, nil
	}
	if c.open == nil {
		c.open = map[string]*sharedRoot{}
	}
	c.open[path] = own
	return own, nil
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
	r.files.Close()
	r.Root.Close()
}
