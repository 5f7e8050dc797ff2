package generators

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func TestHeader(t *testing.T) {
	for name, want := range map[string]string{
		"":     "# Made by pasvctl " + Version + "; do not edit: change the spec and generate it again.",
		"edge": "# Made by pasvctl " + Version + " from edge; do not edit: change the spec and generate it again.",
	} {
		if got := header(&plan.Plan{SpecName: name}, "#"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The same spec under other file names, in another folder, makes the same
// bytes, in the format of every target.
func TestNoOutputNamesItsSource(t *testing.T) {
	folders := exampleFolders(t)
	kinds := map[string]bool{}
	for _, folder := range append(folders, "testdata/aws", "testdata/azure", "testdata/compose", "testdata/digitalocean", "testdata/firewalld", "testdata/gcp", "testdata/hetzner", "testdata/kubernetes", "testdata/openstack", "testdata/selinux", "testdata/servers", "testdata/systemd", "testdata/template", "testdata/ufw", "testdata/vars", "testdata/windows_firewall") {
		renamed, names := fstest.MapFS{}, []string{}
		err := fs.WalkDir(os.DirFS(folder), ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				if name == "out" {
					return fs.SkipDir
				}
				return err
			}
			text, err := os.ReadFile(filepath.Join(folder, name))
			if filepath.Ext(name) == ".hcl" && name != plan.LockFile {
				name = "zx-renamed-" + name
				names = append(names, name)
			}
			renamed[name] = &fstest.MapFile{Data: text}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		project, diags := Load(renamed, names, Options{})
		files, more := project.Files()
		if len(diags)+len(more) > 0 {
			t.Fatal(diags, more)
		}
		got := map[string][]byte{}
		for _, f := range files {
			got["out/"+f.Path] = f.Content
			kinds[f.Target] = true
		}
		want := committed(t, folder)
		delete(want, plan.LockFile)
		delete(want, "out/"+ListFile)
		if !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%s makes other files under another name", folder)
		}
	}
	for _, k := range Kinds() {
		if !kinds[k.Name] {
			t.Errorf("no file of target %s was compared", k.Name)
		}
	}
}
