package outdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func files(pairs ...string) []File {
	var all []File
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, File{Path: pairs[i], Content: []byte(pairs[i+1])})
	}
	return all
}

// stage stages files that are known beforehand.
func stage(dir string, all []File) (*Pending, error) {
	return Stage(dir, func() ([]File, error) { return all, nil })
}

// tree reads a folder whole, with its hidden files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func update(t *testing.T, dir string, all []File) []Change {
	t.Helper()
	p, err := stage(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	return p.Changes
}

func TestUpdateWritesOnlyWhatDiffers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	got := update(t, dir, files("h/b", "made by us: 1", "a", "2", "h/s/c", "3"))
	want := []Change{{Path: "a", State: Created}, {Path: "h/b", State: Created}, {Path: "h/s/c", State: Created}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("first run: %v, want %v", got, want)
	}
	before, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	got = update(t, dir, files("a", "2", "h/s/c", "4"))
	want = []Change{{Path: "a", State: Unchanged}, {Path: "h/s/c", State: Updated}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("second run: %v, want %v", got, want)
	}
	after, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("an unchanged file was written again")
	}
	wantTree := map[string]string{"a": "2", "h/b": "made by us: 1", "h/s/c": "4"}
	if tree := tree(t, dir); !reflect.DeepEqual(tree, wantTree) {
		t.Errorf("the folder holds %v", tree)
	}
}

func TestCompareWritesNothing(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	changes, err := Compare(dir, files("b", "1", "a", "2"))
	if want := []Change{{Path: "a", State: Created}, {Path: "b", State: Created}}; err != nil || !reflect.DeepEqual(changes, want) {
		t.Errorf("%v, %v", changes, err)
	}
	if left := tree(t, parent); len(left) != 0 {
		t.Errorf("comparing left %v", left)
	}
}

func TestFailureLeavesTheFolderAsItWas(t *testing.T) {
	dir := t.TempDir()
	update(t, dir, files("a", "1", "edge1", "a file where a folder is to be"))
	before := tree(t, dir)
	if _, err := stage(dir, files("a", "2", "b/c", "3", "edge1/nftables.nft", "4")); err == nil {
		t.Fatal("a file in a folder's place was no error")
	}
	if after := tree(t, dir); !reflect.DeepEqual(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
	if _, err := os.Stat(filepath.Join(dir, "b")); err == nil {
		t.Error("a folder made for the failed update is still there")
	}
	made := filepath.Join(dir, "x", "y")
	if _, err := stage(made, files("a", "1", "a/b", "2")); err == nil {
		t.Fatal("a path below a file was no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("the output folder of the failed update is still there")
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	update(t, dir, files("a", "1"))
	p, err := stage(dir, files("a", "2", "b/c", "3"))
	if err != nil {
		t.Fatal(err)
	}
	if staged := tree(t, dir); len(staged) != 3 || staged["a"] != "1" {
		t.Errorf("staged: %v", staged)
	}
	p.Discard()
	if after := tree(t, dir); !reflect.DeepEqual(after, map[string]string{"a": "1"}) {
		t.Errorf("discarded, and the folder holds %v", after)
	}
}

// A private file is its owner's, when it is made and when one with another mode
// is there, changed or not; the others keep their modes.
func TestPrivateFiles(t *testing.T) {
	dir := t.TempDir()
	mode := func() fs.FileMode {
		info, err := os.Stat(filepath.Join(dir, "h", "conf"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	private := []File{{Path: "h/conf", Content: []byte("password=1"), Private: true}, {Path: "h/rules", Content: []byte("1")}}
	update(t, dir, private)
	if mode() != 0o600 {
		t.Errorf("made with %o", mode())
	}
	for _, content := range []string{"password=1", "password=2"} {
		if err := os.Chmod(filepath.Join(dir, "h", "conf"), 0o644); err != nil {
			t.Fatal(err)
		}
		changes, err := Compare(dir, []File{{Path: "h/conf", Content: []byte("password=1"), Private: true}})
		if err != nil || changes[0].State != Unchanged {
			t.Errorf("only the mode differs: %v, %v", changes, err)
		}
		private[0].Content = []byte(content)
		update(t, dir, private)
		if mode() != 0o600 {
			t.Errorf("%s: left with %o", content, mode())
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "h", "rules")); err != nil || info.Mode().Perm()&0o044 != 0o044 {
		t.Errorf("a file that is not private: %v, %v", info.Mode(), err)
	}
}

func TestLinksAndStrangers(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "f"), []byte("made by us, elsewhere"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "f"), filepath.Join(dir, "leaf")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes"), []byte("the user's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"away/f": "escapes", "away/g": "escapes", "leaf": "symbolic link"} {
		if _, err := stage(dir, files(path, "new")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", path, err, want)
		}
	}
	if got := tree(t, outside); !reflect.DeepEqual(got, map[string]string{"f": "made by us, elsewhere"}) {
		t.Errorf("outside the folder: %v", got)
	}
}

// A FIFO in the folder's place would wait for its writer for ever.
func TestNoFolder(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, err := Compare(fifo, files("a", "1"))
		ended <- err
		_, err = stage(fifo, files("a", "1"))
		ended <- err
	}()
	for range 2 {
		select {
		case err := <-ended:
			if !errors.Is(err, unix.ENOTDIR) {
				t.Errorf("got %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("it waits for the FIFO's writer")
		}
	}
}

func TestBadPathsAreRefused(t *testing.T) {
	for _, all := range [][]File{files("../x", "1"), files("/etc/x", "1"), files("", "1"), files("a", "1", "a", "2")} {
		if _, err := stage(t.TempDir(), all); err == nil {
			t.Errorf("%v was accepted", all)
		}
	}
}

func TestOneWriterAtATime(t *testing.T) {
	dir := t.TempDir()
	p, err := stage(dir, files("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stage(dir, files("a", "2")); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second writer: %v", err)
	}
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	// What the files are made from cannot change under whoever makes them.
	_, err = Stage(dir, func() ([]File, error) {
		_, err := stage(dir, files("a", "2"))
		return nil, err
	})
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a writer while the files are made: %v", err)
	}
	update(t, dir, files("a", "2"))
}

func TestLeftoversOfAKilledRunAreSwept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".pasvctl-ABC.tmp"), []byte("made by us"), 0o600); err != nil {
		t.Fatal(err)
	}
	update(t, dir, files("a", "1"))
	if got := tree(t, dir); !reflect.DeepEqual(got, map[string]string{"a": "1"}) {
		t.Errorf("the folder holds %v", got)
	}
}
