package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Revision is a commit of the git repository that holds a spec, read through
// git. The repository may be malicious: git runs no hook, filter, pager or helper of
// it, fetches nothing, and what it prints is bounded.
type Revision struct {
	Name string // as the user wrote it

	ctx    context.Context
	folder string // of the spec in the work tree
	prefix string // of the folder in the repository, slash-separated; "" is its top
	top    string // of the work tree
	commit string // the hash
}

// GitError says why a revision cannot be read, and what to do about it.
type GitError struct{ Problem, Remedy string }

func (e *GitError) Error() string { return e.Problem }

// Revision finds a revision of the repository that the spec is in.
func (s *Source) Revision(ctx context.Context, name string) (*Revision, error) {
	folder, err := filepath.EvalSymlinks(s.Dir)
	if err != nil {
		return nil, err
	}
	r := &Revision{Name: name, ctx: ctx, folder: folder}
	where, err := r.git("rev-parse", "--show-prefix", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	prefix, top, two := strings.Cut(strings.TrimSuffix(string(where), "\n"), "\n")
	if !two || strings.Contains(top, "\n") {
		return nil, &GitError{"git does not say where the repository of " + s.Dir + " is", "a folder of it may have a line break in its name: rename it"}
	}
	r.prefix, r.top = strings.TrimSuffix(prefix, "/"), filepath.FromSlash(top)
	if name == "" || strings.HasPrefix(name, "-") { // an option; --end-of-options is not in every git
		return nil, r.unknown()
	}
	commit, err := r.git("rev-parse", "--verify", "--quiet", name+"^{commit}")
	r.commit = strings.TrimSpace(string(commit))
	if ctx.Err() == nil && (err != nil || strings.HasPrefix(r.commit, "^")) { // a tree, @{u} without one, or an exclusion
		return nil, r.unknown()
	}
	return r, err
}

func (r *Revision) unknown() error {
	return &GitError{fmt.Sprintf("%q is neither a folder or spec nor a revision of the repository in %s", r.Name, r.top),
		"git log shows the revisions; one of another clone must be fetched first, as a shallow clone of CI has only one (git fetch --unshallow)"}
}

// Open opens the spec s as the revision has it. It is nil if the revision has none of
// its files.
func (r *Revision) Open(s *Source) (*Source, error) {
	tree := r.commit + "^{tree}"
	if r.prefix != "" {
		kind, hash, err := r.entry(r.commit, r.prefix)
		if kind != "tree" || err != nil {
			return nil, err
		}
		tree = hash
	}
	f := &gitFS{revision: r, tree: tree}
	entries, err := f.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if specName(e.Name()) && (s.Folder || e.Name() == s.Names[0]) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	sort.Strings(names)
	if err := f.start(); err != nil {
		return nil, err
	}
	return &Source{FS: f, Names: names, Name: s.Name, Folder: s.Folder, Dir: r.Name + ":" + r.prefix, closer: f}, nil
}

// entry is the kind and the hash of a path in a tree; "" if it has none. That the clone
// lacks a part of it is an error.
func (r *Revision) entry(tree, at string) (kind, hash string, err error) {
	line, err := r.git("ls-tree", "-z", "--full-tree", tree, "--", at)
	if err != nil {
		return "", "", err
	}
	meta, _, _ := strings.Cut(string(line), "\t")
	if words := strings.Fields(meta); len(words) == 3 {
		kind, hash = words[1], words[2]
	}
	return kind, hash, nil
}

// Read reads a file of the work tree as the revision has it. Known is false for
// one that is not in the repository.
func (r *Revision) Read(name string) (text []byte, known bool, err error) {
	real, err := filepath.Abs(name)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return nil, false, err
	}
	at, err := filepath.Rel(r.top, real)
	if err != nil || !filepath.IsLocal(at) {
		return nil, false, nil
	}
	f := &gitFS{revision: r, tree: r.commit}
	if err := f.start(); err != nil {
		return nil, true, err
	}
	defer f.Close()
	text, err = fs.ReadFile(f, filepath.ToSlash(at))
	return text, true, err
}

// partial is what to do about a clone that lacks an object.
const partial = "a clone without all files must fetch them first (git fetch --refetch --no-filter); git fsck finds a damaged one"

// maxListing bounds what git prints, in bytes, files apart.
const maxListing = 16 << 20

// command is git without what a repository's config or the environment could
// make of it: no program of theirs runs, and nothing is fetched.
func (r *Revision) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(r.ctx, "git", append([]string{
		"--no-pager", "--no-replace-objects", "--literal-pathspecs", "-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull,
	}, args...)...)
	c.Dir = r.folder
	c.WaitDelay = time.Second
	for _, entry := range os.Environ() {
		switch name, _, _ := strings.Cut(entry, "="); name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE": // of the hook that runs us
		default:
			c.Env = append(c.Env, entry)
		}
	}
	c.Env = append(c.Env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none")
	return c
}

// git runs a command and returns what it prints.
func (r *Revision) git(args ...string) ([]byte, error) {
	c := r.command(args...)
	var out, said printed
	out.most, said.most = maxListing, 4096
	c.Stdout, c.Stderr = &out, &said
	err := c.Run()
	switch message := said.String(); {
	case err == nil && !out.full:
		return out.Bytes(), nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, &GitError{"git is not installed, and --against needs it for a revision", "install git, or name a folder with the older spec"}
	case r.ctx.Err() != nil:
		return nil, &GitError{"git takes too long", "name a folder with the older spec"}
	case strings.Contains(message, "dubious ownership"):
		return nil, &GitError{"git does not trust the repository of " + r.folder + ": another user owns it",
			"if you trust it: git config --global --add safe.directory " + r.folder}
	case strings.Contains(message, "not a git repository"), strings.Contains(message, "cannot use bare repository"), strings.Contains(message, "must be run in a work tree"):
		return nil, &GitError{fmt.Sprintf("%q is not a folder or spec, and %s is in no git repository that could have such a revision", r.Name, r.folder),
			"name a folder or spec that exists, or a spec in a git repository"}
	case out.full:
		return nil, &GitError{"the folder has too many files in " + r.Name, "move the spec to a folder of its own"}
	case err != nil && message != "":
		return nil, &GitError{"git: " + strings.TrimSpace(message), partial}
	}
	return nil, err
}

// printed keeps what is written up to a number of bytes.
type printed struct {
	bytes.Buffer
	most int
	full bool
}

func (b *printed) Write(p []byte) (int, error) {
	if b.full = b.full || b.Len()+len(p) > b.most; !b.full {
		b.Buffer.Write(p)
	}
	return len(p), nil
}

// gitFS is the file system of a tree, for one goroutine. Symbolic links are followed within
// the tree.
type gitFS struct {
	revision *Revision
	tree     string // a hash
	git      *exec.Cmd
	ask      io.WriteCloser
	answers  *bufio.Reader
}

// start starts the process that reads files.
func (f *gitFS) start() error {
	f.git = f.revision.command("cat-file", "--batch", "--follow-symlinks")
	ask, err := f.git.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := f.git.StdoutPipe()
	if err != nil {
		return err
	}
	f.ask, f.answers = ask, bufio.NewReader(answers)
	return f.git.Start()
}

// Close ends the process.
func (f *gitFS) Close() error {
	f.ask.Close()
	_, _ = io.Copy(io.Discard, f.answers)
	return f.git.Wait()
}

var (
	errNotFolder = errors.New("not a folder")
	errLink      = errors.New("a symbolic link that leads nowhere in the spec's folder")
)

// Open reads a whole regular file of at most MaxFileSize bytes.
func (f *gitFS) Open(name string) (fs.File, error) {
	text, err := f.read(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &blob{Reader: bytes.NewReader(text), name: path.Base(name), size: int64(len(text))}, nil
}

// read asks for one file. git answers with "HASH TYPE SIZE", the content and a line
// break, or with one line that ends in what is wrong; for a link that it cannot
// follow that is two lines (gitformat: git-cat-file, BATCH OUTPUT).
func (f *gitFS) read(name string) ([]byte, error) {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\n\x00") {
		return nil, fs.ErrInvalid
	}
	object := f.tree + ":" + name
	if name == "." {
		object = f.tree + ":"
	}
	if _, err := io.WriteString(f.ask, object+"\n"); err != nil {
		return nil, err
	}
	line, err := f.answers.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("git ended: %w", err)
	}
	line = strings.TrimSuffix(line, "\n")
	if line == object+" missing" {
		return nil, f.missing(name)
	}
	words := strings.Split(line, " ")
	size, err := strconv.ParseInt(words[len(words)-1], 10, 64)
	if err != nil || size < 0 {
		return nil, fmt.Errorf("git answers %.200q", line)
	}
	switch kind := words[max(0, len(words)-2)]; {
	case kind == "blob" && size > MaxFileSize:
		err = errTooLarge
	case kind == "tree":
		err = errFolder
	case kind == "symlink", kind == "dangling", kind == "loop", kind == "notdir":
		err = errLink
	case kind != "blob":
		err = errNotRegular
	}
	if err != nil {
		_, _ = io.CopyN(io.Discard, f.answers, size+1)
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f.answers, size+1))
	if int64(len(text)) != size+1 {
		return nil, fmt.Errorf("git ended: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return text[:size], nil
}

// missing is why git does not have a file: the tree has none, or the clone lacks it,
// and then it must not seem to have none.
func (f *gitFS) missing(name string) error {
	kind, _, err := f.revision.entry(f.tree, name)
	switch {
	case err != nil:
		return err
	case kind == "":
		return fs.ErrNotExist
	}
	return &GitError{"this clone has " + name + " in its list of files, but not the file", partial}
}

// ReadDir lists a folder of at most MaxFiles entries.
func (f *gitFS) ReadDir(name string) ([]fs.DirEntry, error) {
	fail := func(err error) ([]fs.DirEntry, error) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	if !fs.ValidPath(name) || strings.ContainsRune(name, 0) {
		return fail(fs.ErrInvalid)
	}
	object := f.tree
	if name != "." {
		object += ":" + name
	}
	list, err := f.revision.git("ls-tree", "-z", "--full-tree", object)
	if err != nil && name == "." {
		return fail(err)
	}
	if err != nil {
		return fail(errNotFolder) // a file, or nothing
	}
	var entries []fs.DirEntry
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		meta, name, named := strings.Cut(entry, "\t")
		if !named {
			continue // an empty folder
		}
		if len(entries) == MaxFiles {
			return fail(fmt.Errorf("has more than %d files", MaxFiles))
		}
		e := &blob{name: name}
		if strings.Contains(meta, " tree ") || strings.Contains(meta, " commit ") {
			e.mode = fs.ModeDir
		}
		entries = append(entries, fs.FileInfoToDirEntry(e))
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	return entries, nil
}

// blob is a file of a revision, and what it is.
type blob struct {
	*bytes.Reader
	name string
	size int64
	mode fs.FileMode
}

func (b *blob) Stat() (fs.FileInfo, error) { return b, nil }
func (b *blob) Close() error               { return nil }
func (b *blob) Name() string               { return b.name }
func (b *blob) Size() int64                { return b.size }
func (b *blob) Mode() fs.FileMode          { return b.mode }
func (b *blob) ModTime() time.Time         { return time.Time{} }
func (b *blob) IsDir() bool                { return b.mode.IsDir() }
func (b *blob) Sys() any                   { return nil }

// specName reports whether a file of a folder is one of its spec.
func specName(name string) bool {
	return strings.HasSuffix(name, spec.Extension) && name != spec.Extension
}
