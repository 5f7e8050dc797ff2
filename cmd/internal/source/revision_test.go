package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// repository makes a git repository that is as hostile as one can be: each
// program that its config names leaves a file in the folder that is returned with it.
func repository(t *testing.T) (dir, ran string, git func(args ...string) string) {
	t.Helper()
	needs.Tool(t, "git")
	t.Setenv("HOME", t.TempDir())
	dir, ran = t.TempDir(), t.TempDir()
	git = func(args ...string) string {
		t.Helper()
		c := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
			"-c", "filter.evil.process=", "-c", "filter.evil.clean=cat", "-c", "filter.evil.smudge=cat"}, args...)...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	if err := os.Mkdir(filepath.Join(dir, "edge"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "edge", "a.pasv.hcl"), "older $Id$\r\n")
	write(t, filepath.Join(dir, "edge", "with space.txt"), "text")
	write(t, filepath.Join(dir, "secret"), "secret")
	write(t, filepath.Join(dir, ".gitattributes"), "* ident -text diff=evil filter=evil export-subst\n*.txt export-ignore\n")
	for name, to := range map[string]string{"inside": "with space.txt", "out": "../secret", "absolute": "/etc/passwd", "nowhere": "nothing", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, "edge", name)); err != nil {
			t.Fatal(err)
		}
	}
	git("add", ".")
	git("update-index", "--add", "--cacheinfo", "160000,1111111111111111111111111111111111111111,edge/submodule")
	git("commit", "-q", "-m", "older")
	write(t, filepath.Join(dir, "edge", "a.pasv.hcl"), "newer")
	git("commit", "-q", "-a", "-m", "newer")

	program := "touch " + ran + "/"
	for key, value := range map[string]string{
		"core.fsmonitor": "fsmonitor", "core.pager": "pager", "pager.ls-tree": "pager2", "core.editor": "editor", "core.sshCommand": "ssh",
		"alias.rev-parse": "!alias", "alias.cat-file": "!alias2", "diff.external": "external", "diff.evil.textconv": "textconv", "diff.evil.command": "command",
		"filter.evil.smudge": "smudge", "filter.evil.clean": "clean", "filter.evil.process": "process", "credential.helper": "!helper", "core.askPass": "askpass",
	} {
		bang, name := "", value
		if strings.HasPrefix(value, "!") {
			bang, name = "!", value[1:]
		}
		git("config", key, bang+program+name)
	}
	hooks := filepath.Join(dir, ".git", "hooks")
	for _, name := range []string{"post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"} {
		if err := os.WriteFile(filepath.Join(hooks, name), []byte("#!/bin/sh\n"+program+name+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, ran, git
}

// revision opens the spec in the folder edge of a repository as a revision has it.
func revision(t *testing.T, dir, name string) (*Revision, *Source, error) {
	t.Helper()
	s, err := Open(filepath.Join(dir, "edge"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Revision(t.Context(), name)
	if err != nil {
		return nil, nil, err
	}
	was, err := r.Open(s)
	if was != nil {
		t.Cleanup(func() { was.Close() })
	}
	return r, was, err
}

func untouched(t *testing.T, ran string) {
	t.Helper()
	if left, err := os.ReadDir(ran); err != nil || len(left) > 0 {
		t.Errorf("programs of the repository ran: %v, %v", left, err)
	}
}

func TestRevisionReadsTheFolderOnly(t *testing.T) {
	dir, ran, _ := repository(t)
	_, was, err := revision(t, dir, "HEAD~1")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(was.Names, []string{"a.pasv.hcl"}) || was.Path("a.pasv.hcl") != filepath.FromSlash("HEAD~1:edge/a.pasv.hcl") {
		t.Errorf("names %q, path %q", was.Names, was.Path("a.pasv.hcl"))
	}
	for name, want := range map[string]any{
		"a.pasv.hcl": "older $Id$\r\n", "with space.txt": "text", "inside": "text",
		"out": errLink, "absolute": errLink, "nowhere": errLink, "loop": errLink, "submodule": nil, ".": errFolder,
		"nothing": fs.ErrNotExist, "../secret": fs.ErrInvalid, "a\nb": fs.ErrInvalid, "a\x00b": fs.ErrInvalid, "inside/x": errLink,
	} {
		text, err := fs.ReadFile(was.FS, name)
		switch want := want.(type) {
		case string:
			if err != nil || string(text) != want {
				t.Errorf("%q: %q, %v", name, text, err)
			}
		case error:
			if !errors.Is(err, want) {
				t.Errorf("%q: %q, %v, not %v", name, text, err, want)
			}
		case nil:
			if err == nil {
				t.Errorf("%q: %q", name, text)
			}
		}
	}
	entries, err := fs.ReadDir(was.FS, ".")
	if err != nil || len(entries) != 8 || entries[0].Name() != "a.pasv.hcl" || !entries[6].IsDir() {
		t.Errorf("%v, %v", entries, err)
	}
	for _, name := range []string{"a.pasv.hcl", "nothing", "../.."} {
		if entries, err := fs.ReadDir(was.FS, name); err == nil {
			t.Errorf("%q has %v", name, entries)
		}
	}
	if info, err := fs.Stat(was.FS, "a.pasv.hcl"); err != nil || info.Size() != 12 || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
	untouched(t, ran)
}

func TestRevisionOfAFileElsewhere(t *testing.T) {
	dir, ran, _ := repository(t)
	r, _, err := revision(t, dir, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "secret"), "changed")
	if text, known, err := r.Read(filepath.Join(dir, "secret")); err != nil || !known || string(text) != "secret" {
		t.Errorf("%q, %v, %v", text, known, err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "x")
	if text, known, err := r.Read(outside); err != nil || known {
		t.Errorf("%q, %v, %v", text, known, err)
	}
	write(t, filepath.Join(dir, "new"), "x")
	if _, _, err := r.Read(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	untouched(t, ran)
}

func TestNoSuchRevision(t *testing.T) {
	dir, ran, _ := repository(t)
	for _, name := range []string{"", "nope", "-x", "--help", "--output=" + ran + "/option", "HEAD:edge", "HEAD~9", "HEAD..HEAD~1", "HEAD\nHEAD", "HEAD edge", "$(touch " + ran + "/shell)"} {
		_, _, err := revision(t, dir, name)
		if _, ok := errors.AsType[*GitError](err); !ok || !strings.Contains(err.Error(), "nor a revision") {
			t.Errorf("%q: %v", name, err)
		}
	}
	untouched(t, ran)
}

func TestRevisionWithoutTheSpec(t *testing.T) {
	dir, ran, git := repository(t)
	git("checkout", "-q", "--orphan", "other")
	git("rm", "-q", "-r", "--cached", ".")
	git("add", "secret")
	git("commit", "-q", "-m", "other")
	for _, at := range []string{"other", git("commit-tree", "-m", "empty", git("hash-object", "-w", "-t", "tree", "/dev/null"))} {
		if _, was, err := revision(t, dir, at); was != nil || err != nil {
			t.Errorf("%s: %v, %v", at, was, err)
		}
	}
	git("rm", "-q", "--cached", "secret")
	git("update-index", "--add", "--cacheinfo", "100644,"+git("hash-object", "-w", "secret")+",edge")
	git("commit", "-q", "-m", "a file of that name")
	if _, was, err := revision(t, dir, "other"); was != nil || err != nil {
		t.Errorf("%v, %v", was, err)
	}
	untouched(t, ran)
}

// A repository that lacks an object names where to fetch it from: a program.
func TestRevisionFetchesNothing(t *testing.T) {
	dir, ran, git := repository(t)
	blob := git("rev-parse", "HEAD~1:edge/a.pasv.hcl")
	if err := os.Remove(filepath.Join(dir, ".git", "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	for _, set := range [][]string{
		{"core.repositoryFormatVersion", "1"}, {"extensions.partialClone", "origin"}, {"remote.origin.promisor", "true"},
		{"remote.origin.url", "ext::sh -c touch% " + ran + "/fetched"}, {"remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"}, {"protocol.ext.allow", "always"},
	} {
		git(append([]string{"config"}, set...)...)
	}
	_, was, err := revision(t, dir, "HEAD~1")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(was.FS, "a.pasv.hcl")
	if _, ok := errors.AsType[*GitError](err); !ok {
		t.Errorf("%q, %v", text, err)
	}
	untouched(t, ran)
	// Without our settings, git does run it.
	c := exec.Command("git", "-C", dir, "cat-file", "blob", blob)
	_ = c.Run()
	if _, err := os.Stat(filepath.Join(ran, "fetched")); err != nil {
		t.Error("the trap does not work")
	}
}

// A clone that lacks a tree is not a revision without the spec.
func TestRevisionWithoutItsTree(t *testing.T) {
	for _, tree := range []string{"HEAD~1^{tree}", "HEAD~1:edge"} {
		dir, _, git := repository(t)
		hash := git("rev-parse", tree)
		if err := os.Remove(filepath.Join(dir, ".git", "objects", hash[:2], hash[2:])); err != nil {
			t.Fatal(err)
		}
		if _, was, err := revision(t, dir, "HEAD~1"); err == nil || was != nil {
			t.Errorf("%s: %v, %v", tree, was, err)
		}
	}
}

func TestRevisionIsBounded(t *testing.T) {
	dir, _, git := repository(t)
	huge := filepath.Join(t.TempDir(), "huge")
	write(t, huge, "")
	if err := os.Truncate(huge, MaxFileSize+1); err != nil {
		t.Fatal(err)
	}
	git("update-index", "--add", "--cacheinfo", "100644,"+git("-c", "core.compression=1", "hash-object", "-w", "--no-filters", huge)+",edge/b.pasv.hcl")
	git("commit", "-q", "-m", "huge")
	_, was, err := revision(t, dir, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(was.FS, "b.pasv.hcl"); !errors.Is(err, errTooLarge) {
		t.Error(err)
	}
	if text, err := fs.ReadFile(was.FS, "a.pasv.hcl"); err != nil || string(text) != "newer" {
		t.Errorf("after it: %q, %v", text, err)
	}
	entry := "100644 blob " + git("rev-parse", "HEAD:secret") + "\t"
	var tree strings.Builder
	for i := range MaxFiles + 1 {
		tree.WriteString(entry + strings.Repeat("f", 1+i%200) + "-" + string(rune('a'+i%26)) + strings.Repeat("g", 1+i/200) + "\n")
	}
	c := exec.Command("git", "-C", dir, "mktree")
	c.Stdin = strings.NewReader(tree.String())
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	top := exec.Command("git", "-C", dir, "mktree")
	top.Stdin = strings.NewReader("040000 tree " + strings.TrimSpace(string(out)) + "\tedge\n")
	if out, err = top.Output(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := revision(t, dir, git("commit-tree", "-m", "many", strings.TrimSpace(string(out)))); err == nil || !strings.Contains(err.Error(), "more than 10000 files") {
		t.Error(err)
	}
}

func TestRevisionNeedsARepository(t *testing.T) {
	needs.Tool(t, "git")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "edge"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "edge", "a.pasv.hcl"), "x")
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	told := func(want string) {
		t.Helper()
		_, _, err := revision(t, dir, "HEAD")
		wrong, ok := errors.AsType[*GitError](err)
		if !ok || !strings.Contains(wrong.Problem+wrong.Remedy, want) {
			t.Errorf("%v, not %s", err, want)
		}
	}
	told("is in no git repository")
	// A folder that looks like a bare repository has a config of its own.
	if out, err := exec.Command("git", "init", "-q", "--bare", filepath.Join(dir, "edge")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	told("is in no git repository")
	t.Setenv("PATH", t.TempDir())
	told("install git")
}

func TestRepositoryOfAnotherUser(t *testing.T) {
	needs.Root(t)
	dir, ran, _ := repository(t)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 12345, 12345))
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = revision(t, dir, "HEAD")
	wrong, ok := errors.AsType[*GitError](err)
	if !ok || !strings.Contains(wrong.Remedy, "safe.directory") {
		t.Error(err)
	}
	untouched(t, ran)
}

// What git answers never stalls the reader, nor gives more than it says.
func FuzzGitAnswer(f *testing.F) {
	f.Add([]byte("45b983be36b73c0788dc9cbcb76cbb80fc7bb057 blob 3\nhi\n\n"))
	f.Add([]byte("symlink 11\n/etc/passwd\n"))
	f.Add([]byte("t:name missing\n"))
	f.Add([]byte("x blob 99999999999\n"))
	f.Add([]byte("1\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if strings.HasPrefix(string(answer), "t:name missing\n") {
			return // asks git again
		}
		fsys := &gitFS{tree: "t", ask: discard{}, answers: bufio.NewReader(bytes.NewReader(answer))}
		text, err := fsys.read("name")
		if (err == nil) != (text != nil) || len(text) > len(answer) {
			t.Errorf("%q, %v", text, err)
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

var _ io.WriteCloser = discard{}
