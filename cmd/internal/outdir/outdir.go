// Package outdir brings a folder of generated files up to date: it compares,
// stages everything that differs beside its place, and only then renames it in.
// What is equal is not touched, and no symbolic link leads it out of the folder.
//
// It is not for deciding what the files hold, and it deletes nothing.
package outdir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
)

// File is a file as it should be; Path is slash-separated and relative.
type File struct {
	Path    string
	Content []byte
	// Private: for its owner only (mode 0600), whatever the mode of one that is
	// there. Compare does not look at modes, which git does not keep.
	Private bool
}

// State says how a file in the folder compares.
type State string

// The states.
const (
	Created   State = "created"   // is not there yet
	Updated   State = "updated"   // is there with other content
	Unchanged State = "unchanged" // is there as it should be
	Stale     State = "stale"     // is there, made by an earlier run, and should not be: for callers that know
)

// Change is a path and how it compares.
type Change struct {
	Path  string `json:"path"`
	State State  `json:"state"`
	// Diff and Note are for callers who compare contents: what differs, or why
	// that is not shown.
	Diff string `json:"diff,omitempty"`
	Note string `json:"note,omitempty"`
}

// maxRead is the size of the largest file that Read reads, in bytes.
const maxRead = 16 << 20

// Read reads a regular file in dir. No link leads it elsewhere.
func Read(dir, path string) ([]byte, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	switch info, err := root.Lstat(path); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > maxRead:
		return nil, fmt.Errorf("is larger than %d MiB", maxRead>>20)
	}
	return root.ReadFile(path)
}

// Compare returns how each of files compares with what is in dir, in the order
// of their paths. A folder that is not there holds nothing.
func Compare(dir string, files []File) ([]Change, error) {
	root, err := openRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		changes := make([]Change, len(files))
		for i, f := range files {
			changes[i] = Change{Path: f.Path, State: Created}
		}
		return sorted(changes), nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return compare(root, files)
}

// openRoot looks before it opens: a FIFO would keep it waiting for a writer.
func openRoot(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

func compare(root *os.Root, files []File) ([]Change, error) {
	changes := make([]Change, 0, len(files))
	wanted := make(map[string]bool, len(files))
	for _, f := range files {
		if !fs.ValidPath(f.Path) || wanted[f.Path] {
			return nil, fmt.Errorf("%q is not a path of its own in the output folder", f.Path)
		}
		wanted[f.Path] = true
		state, err := stateOf(root, f)
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{Path: f.Path, State: state})
	}
	return sorted(changes), nil
}

func sorted(changes []Change) []Change {
	sort.Slice(changes, func(i, j int) bool { return changes[i].Path < changes[j].Path })
	return changes
}

func stateOf(root *os.Root, f File) (State, error) {
	info, err := root.Lstat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Created, nil
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() != int64(len(f.Content)) {
		return Updated, nil
	}
	old, err := root.ReadFile(f.Path)
	if err != nil {
		return "", err
	}
	if bytes.Equal(old, f.Content) {
		return Unchanged, nil
	}
	return Updated, nil
}

// Pending is an update of a folder that is written but not yet in place. Commit
// or Discard ends it.
type Pending struct {
	Changes []Change

	root   *os.Root
	lock   *os.File
	made   []string // folders, in the order they were made
	base   []string // the output folder and its parents, as far as they were made
	mu     sync.Mutex
	staged []*atomicfile.Staged
	names  []string
}

// Stage makes dir if need be, compares, and writes all that differs beside its
// place. An error leaves the folder as it was. Only one process at a time
// writes to a folder: files is called while it is this one, and may look there.
func Stage(dir string, files func() ([]File, error)) (_ *Pending, err error) {
	p := &Pending{}
	defer func() {
		if err != nil {
			p.Discard()
		}
	}()
	if err := p.open(dir); err != nil {
		return nil, err
	}
	all, err := files()
	if err != nil {
		return nil, err
	}
	if err := p.stage(all); err != nil {
		return nil, fmt.Errorf("in %s: %w", dir, err)
	}
	return p, nil
}

func (p *Pending) open(dir string) error {
	err := p.makeBase(filepath.Clean(dir))
	if err != nil {
		return err
	}
	if p.root, err = openRoot(dir); err != nil {
		return err
	}
	p.lock, err = lock(p.root, dir)
	return err
}

// makeBase makes the output folder and its parents, and remembers which.
func (p *Pending) makeBase(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := p.makeBase(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	p.base = append(p.base, dir)
	return nil
}

func (p *Pending) stage(files []File) error {
	var err error
	if p.Changes, err = compare(p.root, files); err != nil {
		return err
	}
	state := make(map[string]State, len(p.Changes))
	for _, c := range p.Changes {
		state[c.Path] = c.State
	}
	for _, f := range files {
		if err := f.conceal(p.root); err != nil {
			return err
		}
	}
	differ := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return state[f.Path] == Unchanged })
	for _, f := range differ {
		if err := p.mkdir(path.Dir(f.Path)); err != nil {
			return err
		}
	}
	if err := p.sweep(differ); err != nil {
		return err
	}
	// Each file is synced, which is a wait for the disk: let them share it.
	var group errgroup.Group
	group.SetLimit(16)
	for _, f := range differ {
		group.Go(func() error {
			s, err := atomicfile.Stage(p.root, f.Path, f.Content, f.mode())
			if err != nil {
				return err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.staged, p.names = append(p.staged, s), append(p.names, f.Path)
			return nil
		})
	}
	return group.Wait()
}

// mode is that of a new file.
func (f File) mode() fs.FileMode {
	if f.Private {
		return 0o600
	}
	return 0o644
}

// conceal takes the mode for others off a private file that is there.
func (f File) conceal(root *os.Root) error {
	info, err := root.Lstat(f.Path)
	if !f.Private || err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil // what is wrong with it, writing it says
	}
	return root.Chmod(f.Path, f.mode())
}

// mkdir makes a folder and its parents, and remembers which it made.
func (p *Pending) mkdir(folder string) error {
	if folder == "." {
		return nil
	}
	if info, err := p.root.Stat(folder); err == nil && info.IsDir() {
		return nil
	}
	if err := p.mkdir(path.Dir(folder)); err != nil {
		return err
	}
	if err := p.root.Mkdir(folder, 0o777); err != nil {
		return err
	}
	p.made = append(p.made, folder)
	return nil
}

// sweep removes what a killed run left beside the files that are written now.
func (p *Pending) sweep(files []File) error {
	seen := map[string]bool{}
	for _, f := range files {
		folder := path.Dir(f.Path)
		if seen[folder] {
			continue
		}
		seen[folder] = true
		entries, err := fs.ReadDir(p.root.FS(), folder)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if atomicfile.Leftover(e.Name()) {
				if err := p.root.Remove(path.Join(folder, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Commit renames everything into place and makes it durable.
func (p *Pending) Commit() error {
	folders := map[string]bool{}
	for i, s := range p.staged {
		if err := s.Commit(); err != nil {
			p.staged = p.staged[i+1:]
			p.made, p.base = nil, nil
			p.Discard()
			return err
		}
		folders[path.Dir(p.names[i])] = true
	}
	for _, made := range p.made {
		folders[path.Dir(made)] = true
	}
	var errs []error
	for folder := range folders {
		errs = append(errs, atomicfile.SyncFolder(p.root, folder))
	}
	p.close()
	return errors.Join(errs...)
}

// Discard removes all that was staged and the folders made for it.
func (p *Pending) Discard() {
	for _, s := range p.staged {
		s.Discard()
	}
	for _, folder := range slices.Backward(p.made) {
		_ = p.root.Remove(folder)
	}
	p.close()
	for _, folder := range slices.Backward(p.base) {
		_ = os.Remove(folder)
	}
}

func (p *Pending) close() {
	if p.lock != nil {
		p.lock.Close()
	}
	if p.root != nil {
		p.root.Close()
	}
}
