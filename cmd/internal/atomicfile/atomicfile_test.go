package atomicfile

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
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

// Root replaces a file that the daemon reads as an ordinary user.
func TestOwnerGroupAndModeStay(t *testing.T) {
	needs.Root(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 4321, 1234); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, "f", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 4321 || owner.Gid != 1234 || info.Mode().Perm() != 0o640 {
		t.Errorf("owner %d, group %d, mode %v", owner.Uid, owner.Gid, info.Mode())
	}
}

// An ordinary user cannot give a file away. Its readers would lose a private one.
func TestPrivateFileOfAnother(t *testing.T) {
	if os.Getenv("ATOMICFILE_TEST_DIR") != "" {
		err := Write(os.Getenv("ATOMICFILE_TEST_DIR"), "private", []byte("new"), 0o600)
		if err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("private: %v", err)
		}
		if err := Write(os.Getenv("ATOMICFILE_TEST_DIR"), "public", []byte("new"), 0o600); err != nil {
			t.Errorf("public: %v", err)
		}
		return
	}
	needs.Root(t)
	dir, err := os.MkdirTemp("", "atomicfile")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, mode := range map[string]fs.FileMode{"private": 0o640, "public": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(dir, "test")
	if err := os.Link(os.Args[0], self); err != nil {
		program, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(self, program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again := exec.Command(self, "-test.run=^TestPrivateFileOfAnother$")
	again.Dir = dir
	again.Env = append(os.Environ(), "ATOMICFILE_TEST_DIR="+dir)
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4321, Gid: 1234}}
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "private")); string(text) != "old" {
		t.Errorf("the private file holds %q", text)
	}
}
