//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// Every command has a manual page with all of its flags, which groff sets
// without a warning.
func TestManPages(t *testing.T) {
	needs.Tool(t, "groff")
	dir := t.TempDir()
	if code, _, stderr := pasvctl("man", dir); code != exitDone {
		t.Fatal(stderr)
	}
	pages := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		pages++
		path := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		out, err := exec.Command("groff", "-man", "-Tutf8", "-ww", "-rLL=80n", "-rHY=0", "-P-cbou", path).CombinedOutput()
		text := strings.Join(strings.Fields(string(out)), " ")
		if err != nil || strings.Contains(text, "warning") && strings.Contains(text, path) {
			t.Errorf("%v: %s", err, out)
		}
		want := []string{c.Short, "EXAMPLES", "SEE ALSO"}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				want = append(want, "--"+f.Name)
			}
		})
		for line := range strings.Lines(c.Example) {
			want = append(want, strings.Join(strings.Fields(line), " "))
		}
		for _, want := range want {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not show %q:\n%s", filepath.Base(path), want, text)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(streams{}))
	made, err := os.ReadDir(dir)
	if err != nil || len(made) != pages {
		t.Errorf("%d pages for %d commands: %v", len(made), pages, err)
	}
	if code, _, stderr := pasvctl("man", filepath.Join(dir, "nowhere")); code != exitFailed || !strings.Contains(stderr, "name a folder that exists") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
