package generators

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

var update = flag.Bool("update", false, "rewrite the golden folders from what the targets render")

// exampleFolders are those of the examples that are specs.
func exampleFolders(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob("../examples/*/" + plan.LockFile)
	if err != nil || len(folders) < 3 {
		t.Fatalf("%v: %v", folders, err)
	}
	for i := range folders {
		folders[i] = filepath.Dir(folders[i])
	}
	return folders
}

// TestGolden renders every spec of ../examples and testdata and compares it
// with what is committed beside it: the files in out/, none missing and none
// too many, and the lock. A target whose formats the examples do not show has
// a folder testdata/TARGET of its own; nothing else tells it to this test.
func TestGolden(t *testing.T) {
	var specs []string
	for _, pattern := range []string{"../examples/*/*" + spec.Extension, "testdata/*/*" + spec.Extension} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, found...)
	}
	folders := map[string][]string{}
	for _, name := range specs {
		folders[filepath.Dir(name)] = append(folders[filepath.Dir(name)], filepath.Base(name))
	}
	if len(folders) < 3 {
		t.Fatalf("only %d folders of examples", len(folders))
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		t.Run(filepath.ToSlash(folder), func(t *testing.T) { golden(t, folder, folders[folder]) })
	}
}

func golden(t *testing.T, folder string, names []string) {
	if *update {
		rewrite(t, folder, goldenFiles(t, folder, names))
	}
	want, got := committed(t, folder), goldenFiles(t, folder, names)
	for name := range want {
		if _, made := got[name]; !made {
			t.Errorf("%s is not made any more", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		committed, known := want[name]
		switch {
		case !known:
			t.Errorf("%s is missing", name)
		case !bytes.Equal(committed, got[name]):
			t.Errorf("%s differs:\n%s", name, firstDifference(committed, got[name]))
		}
	}
	if t.Failed() {
		t.Log("see what changed with: go test ./generators -run Golden -update && git diff")
	}
}

// goldenFiles renders the spec of a folder, twice, and returns the lock and
// the files by their path in the folder.
func goldenFiles(t *testing.T, folder string, names []string) map[string][]byte {
	t.Helper()
	first, second := renderFolder(t, folder, names), renderFolder(t, folder, names)
	if !maps.EqualFunc(first, second, bytes.Equal) {
		t.Fatal("rendered twice, and the second time was different")
	}
	return first
}

func renderFolder(t *testing.T, folder string, names []string) map[string][]byte {
	t.Helper()
	project, diags := Load(os.DirFS(folder), names, Options{})
	if len(diags) > 0 { // an example does not even warn
		t.Fatal(diags)
	}
	files, diags := project.Files()
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if len(project.Moves) > 0 {
		t.Errorf("the committed lock is not kept: %v", project.Moves)
	}
	made := map[string][]byte{plan.LockFile: project.Lock.Bytes()}
	list := FileList{}
	list.Enter(project.Spec.Name, files)
	made["out/"+ListFile] = list.Bytes()
	for i, f := range files {
		if i > 0 && files[i-1].Path >= f.Path {
			t.Errorf("%s comes after %s", f.Path, files[i-1].Path)
		}
		made["out/"+f.Path] = f.Content
	}
	return made
}

// committed reads the lock and out/ of a folder.
func committed(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	if lock, err := os.ReadFile(filepath.Join(folder, plan.LockFile)); err == nil {
		files[plan.LockFile] = lock
	}
	root := os.DirFS(folder)
	err := fs.WalkDir(root, "out", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

func rewrite(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(folder, "out")); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		at := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b || i >= len(w) || i >= len(g) {
			return "committed: " + a + "\nrendered:  " + b
		}
	}
	return ""
}
