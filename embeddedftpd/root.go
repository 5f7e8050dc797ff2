package embeddedftpd

import (
	"os"
	"sync"
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
	cache *rootCache
	path  string
	users int
}

// get opens the root, or counts one more user of it. The caller calls release
// once. When its last user has gone it is closed, so that a folder that was
// replaced is seen by the next login.
func (c *rootCache) get(path string) (*sharedRoot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.open[path]; r != nil {
		r.users++
		return r, nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if c.open == nil {
		c.open = map[string]*sharedRoot{}
	}
	r := &sharedRoot{Root: root, cache: c, path: path, users: 1}
	c.open[path] = r
	return r, nil
}

func (r *sharedRoot) release() {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(r.cache.open, r.path)
		r.Root.Close()
	}
}
