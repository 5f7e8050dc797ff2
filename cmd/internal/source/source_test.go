package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFolderListsSpecFilesOnly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.pasv.hcl", "a.pasv.hcl", "pasvctl.lock.hcl", "main.tf", ".pasv.hcl"} {
		write(t, filepath.Join(dir, name), "x")
	}
	if err := os.Mkdir(filepath.Join(dir, "deeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "deeper", "c.pasv.hcl"), "x")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if want := []string{"a.pasv.hcl", "b.pasv.hcl"}; !slices.Equal(s.Names, want) {
		t.Errorf("names %v, want %v", s.Names, want)
	}
	if s.Name != filepath.Base(dir) {
		t.Errorf("name %q", s.Name)
	}
	if text, err := fs.ReadFile(s.FS, "pasvctl.lock.hcl"); err != nil || string(text) != "x" {
		t.Errorf("the lock beside the spec: %q, %v", text, err)
	}
}

func TestLinkStandsForItsFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "real", "v3.pasv.hcl"), "x")
	link := filepath.Join(dir, "current.pasv.hcl")
	if err := os.Symlink("real/v3.pasv.hcl", link); err != nil {
		t.Fatal(err)
	}
	s, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Name != "v3" || filepath.Base(s.Dir) != "real" {
		t.Errorf("opened %q in %q", s.Name, s.Dir)
	}
}

func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("outside"), "secret")
	folder := at("spec")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	if err := syscall.Mkfifo(in("fifo.pasv.hcl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(in("dir.pasv.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside", in("link.pasv.hcl")); err != nil {
		t.Fatal(err)
	}
	write(t, in("huge.pasv.hcl"), "")
	if err := os.Truncate(in("huge.pasv.hcl"), MaxFileSize+1); err != nil {
		t.Fatal(err)
	}
	s, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, want := range map[string]string{
		"fifo.pasv.hcl":    "not a regular file",
		"dir.pasv.hcl":     "is a folder",
		"link.pasv.hcl":    "escapes",
		"huge.pasv.hcl":    "larger than 64 MiB",
		"../outside":       "invalid argument",
		"missing.pasv.hcl": "no such file",
	} {
		if _, err := fs.ReadFile(s.FS, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", name, err, want)
		}
	}
	for path, want := range map[string]string{
		in("fifo.pasv.hcl"): "not a regular file",
		at("outside"):       "must end in .pasv.hcl",
		at("nowhere"):       "there is no file or folder ",
		os.DevNull:          "not a regular file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %s: %v, want an error with %q", path, err, want)
		}
	}
	if _, err := Read(in("fifo.pasv.hcl")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("read of a FIFO: %v", err)
	}
}

func TestFolderWithoutSpec(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no *.pasv.hcl file") {
		t.Errorf("got %v", err)
	}
}

func TestReadAllIsBounded(t *testing.T) {
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	if _, err := ReadAll(zero); err == nil {
		t.Error("an endless stream was read without an error")
	}
}

func TestSecretsAreTheOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "secret")
	if text, err := ReadPrivate(path); err != nil || string(text) != "secret" {
		t.Errorf("%q, %v", text, err)
	}
	for _, mode := range []fs.FileMode{0o604, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivate(path); !errors.Is(err, ErrReadable) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
