package embeddedftpd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openat2 opens what os.Root opens, and no other file: if it did, no test of
// the commands would notice, since os.Root opens what openat2 does not.
func TestBeneathIsAsRoot(t *testing.T) {
	base := t.TempDir()
	lay(t, base, "outside", "root/", "out/", "out/f")
	inside := filepath.Join(base, "root")
	lay(t, inside, "inside", "a/", "a/f", "f", "in -> a", "file -> a/f", "back -> a/../f", "dangling -> a/new", "abs -> "+inside+"/f",
		"out -> ../out", "away -> ../out/f", "gone -> ../out/new", "loop -> loop", "proc -> /proc/self/fd/0")
	if err := unix.Mkfifo(filepath.Join(inside, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	files, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	opened := 0
	for _, name := range []string{
		".", "a", "f", "a/f", "in/f", "file", "back", "dangling", "abs", "out/f", "away", "gone", "loop", "proc", "fifo", "new", "a/fresh",
		"none/f", "f/f", "in", strings.Repeat("n", 300),
	} {
		for _, flags := range []int{os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_CREATE | os.O_EXCL, os.O_WRONLY | os.O_CREATE} {
			flags |= syscall.O_NONBLOCK
			f, size, ok := openBeneath(files, name, flags, 0o640)
			if ok {
				flags &^= os.O_EXCL // now it is there
			}
			want, err := root.OpenFile(name, flags, 0o640)
			var info os.FileInfo
			if err == nil {
				info, err = want.Stat()
				want.Close()
			}
			if regular := err == nil && info.Mode().IsRegular(); regular != ok {
				t.Fatalf("%s, %#x: opened %v, by os.Root %v, %v", name, flags, ok, info, err)
			}
			if !ok {
				continue
			}
			opened++
			if got, err := f.Stat(); err != nil || !os.SameFile(got, info) || got.Size() != size {
				t.Errorf("%s, %#x: %v, %v: is not os.Root's", name, flags, got, err)
			}
			f.Close()
		}
	}
	if opened != 20 {
		t.Errorf("%d files were opened, want 20", opened)
	}
	if all, _ := os.ReadDir(filepath.Join(base, "out")); len(all) != 1 {
		t.Errorf("outside there are %d files now", len(all))
	}
}
