// Package source opens the spec that a command line names: one *.pasv.hcl
// file, or a folder of them. What it hands out is a file system that can only
// see the spec's folder and only read regular files of bounded size, so that a
// FIFO, a device, a link out of the folder or a huge file is an error and
// never a stall.
//
// It is not for parsing: package spec reads from the file system it returns.
package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/pasvctl/pasvctl/generators/spec"
)

const (
	// MaxFileSize is the largest file that is ever read, in bytes. Package
	// spec has a smaller limit of its own and a better message for it.
	MaxFileSize = 64 << 20
	// MaxFiles is the largest number of spec files in a folder.
	MaxFiles = 10_000
)

// Source is an opened spec.
type Source struct {
	FS    fs.FS    // the spec's folder
	Names []string // the spec's files in FS, sorted
	Name  string   // base name of the file, without its ending, or of the folder
	Dir   string   // the folder's path, for messages and for what is written beside the spec
	// Folder: the spec is all of Dir, and not one file of it.
	Folder bool

	closer io.Closer
}

// Open opens the file or folder at path. The files are only listed, not read.
func Open(path string) (*Source, error) {
	info, err := Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openFolder(path)
	}
	return openFile(path, info)
}

// Stat describes the file at path.
func Stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingError("there is no file or folder " + path)
	}
	return info, err
}

// missingError says that a path leads nowhere; it is fs.ErrNotExist.
type missingError string

func (e missingError) Error() string { return string(e) }

func (e missingError) Is(target error) bool { return target == fs.ErrNotExist }

func openFile(path string, info fs.FileInfo) (*Source, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	// A link stands for the file it points to: lock and templates lie beside
	// that one.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(real)
	if !strings.HasSuffix(base, spec.Extension) {
		return nil, fmt.Errorf("%s is not a spec: its name must end in %s", path, spec.Extension)
	}
	return open(filepath.Dir(real), strings.TrimSuffix(base, spec.Extension), []string{base})
}

func openFolder(path string) (*Source, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	names, err := List(path)
	if err != nil {
		return nil, err
	}
	s, err := open(path, filepath.Base(absolute), names)
	if err == nil {
		s.Folder = true
	}
	return s, err
}

// List returns the names of the spec files in a folder, sorted. Folders in it
// are not looked into.
func List(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if specName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no *%s file in %s", spec.Extension, folder)
	}
	if len(names) > MaxFiles {
		return nil, fmt.Errorf("%s has %d spec files; a spec may have at most %d", folder, len(names), MaxFiles)
	}
	sort.Strings(names)
	return names, nil
}

// Tree returns the paths of the spec files in a folder and in all folders below
// it, sorted. Folders whose name starts with a dot are left out, and links to
// folders are not followed.
func Tree(folder string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != folder && strings.HasPrefix(e.Name(), "."):
			return filepath.SkipDir
		case e.IsDir() || !specName(e.Name()):
			return nil
		case len(paths) == MaxFiles:
			return fmt.Errorf("%s has more than %d spec files", folder, MaxFiles)
		}
		paths = append(paths, path)
		return nil
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("there is no *%s file in %s or below it", spec.Extension, folder)
	}
	return paths, err
}

func open(dir, name string, names []string) (*Source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Source{FS: regular{root}, Names: names, Name: name, Dir: dir, closer: root}, nil
}

// Path returns the path of a file of FS, for messages.
func (s *Source) Path(name string) string { return filepath.Join(s.Dir, name) }

// Close releases the folder.
func (s *Source) Close() error { return s.closer.Close() }

// Read reads one regular file of at most MaxFileSize bytes, anywhere.
func Read(path string) ([]byte, error) { return read(path, check) }

// ErrReadable is the error of a file that everybody may read or write, and
// should not.
var ErrReadable = errors.New("is open to every user")

// ReadPrivate reads a file with secrets: one that others than its owner and
// group may not touch.
func ReadPrivate(path string) ([]byte, error) {
	return read(path, func(f *os.File) error {
		if err := check(f); err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil && info.Mode().Perm()&0o007 != 0 {
			err = ErrReadable
		}
		return err
	})
}

func read(path string, check func(*os.File) error) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingError("there is no file " + path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := check(f); err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return ReadAll(f)
}

// ReadAll reads at most MaxFileSize bytes from r, a stream of unknown length.
func ReadAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFileSize+1))
	if err == nil && len(text) > MaxFileSize {
		return nil, errTooLarge
	}
	return text, err
}

var (
	errFolder     = errors.New("is a folder, not a file")
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = fmt.Errorf("larger than %d MiB", MaxFileSize>>20)
)

func check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errFolder
	}
	if !info.Mode().IsRegular() {
		return errNotRegular
	}
	if info.Size() > MaxFileSize {
		return errTooLarge
	}
	return nil
}

// Regular is the file system of a folder, with regular, bounded files only.
func Regular(root *os.Root) fs.FS { return regular{root} }

// regular is a file system of regular, bounded files below a root. Links that
// lead out of it are refused by os.Root.
type regular struct{ root *os.Root }

func (r regular) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	// Without O_NONBLOCK opening a FIFO waits for its writer.
	f, err := r.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := check(f); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return bounded{File: f, rest: io.LimitReader(f, MaxFileSize)}, nil
}

// ReadDir lists a folder of at most MaxFiles entries; any other file is an error.
func (r regular) ReadDir(name string) ([]fs.DirEntry, error) {
	fail := func(err error) ([]fs.DirEntry, error) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	if info, err := r.root.Stat(filepath.FromSlash(name)); err != nil || !info.IsDir() {
		return fail(errors.Join(err, syscall.ENOTDIR))
	}
	f, err := r.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	entries, err := f.ReadDir(MaxFiles + 1)
	if err != nil && err != io.EOF {
		return fail(err)
	}
	if len(entries) > MaxFiles {
		return fail(fmt.Errorf("has more than %d files", MaxFiles))
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	return entries, nil
}

// bounded stops reading at MaxFileSize even where the file grows meanwhile.
type bounded struct {
	*os.File
	rest io.Reader
}

func (b bounded) Read(p []byte) (int, error) { return b.rest.Read(p) }
