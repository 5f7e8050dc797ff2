package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestOldContentStaysUntilCommit(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := Stage(root, "f", []byte("new"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "old" {
		t.Errorf("staged, and the file holds %q already", text)
	}
	for _, name := range strings.Fields(names(t, dir)) {
		if name != "f" && !Leftover(name) {
			t.Errorf("%s would not be known as a leftover", name)
		}
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Discard()
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "new" {
		t.Errorf("committed, and the file holds %q, %v", text, err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want the old file's", info.Mode())
	}
	if got := names(t, dir); got != "f" {
		t.Errorf("left in the folder: %s", got)
	}
}

func TestDiscardLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := Stage(root, "f", []byte("new"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	s.Discard()
	if got := names(t, dir); got != "" {
		t.Errorf("left in the folder: %s", got)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(outside, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, "f", []byte("new"), 0o644); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(outside); string(text) != "old" {
		t.Errorf("the link's target holds %q", text)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, "d", nil, 0o644); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder in the file's place: %v", err)
	}
}

func TestWriteCreates(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, "f", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "f"))
	if err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
