package audit

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
)

var update = flag.Bool("update", false, "rewrite the want sections of testdata")

// read reads the files of an archive that the first line of its comment names.
func read(t *testing.T, archive *txtar.Archive) *inventory.Inventory {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range archive.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	first, _, _ := strings.Cut(string(archive.Comment), "\n")
	var sources []inventory.Source
	for _, name := range strings.Fields(first) {
		sources = append(sources, inventory.Source{FS: fsys, Name: name})
	}
	inv, err := inventory.Read(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func show(found []finding.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s [%s] %s\n  remedy: %s\n", f.Evidence, f.Severity, f.Rule.ID, f.Detail, f.Remedy)
		if len(f.Figures) > 0 {
			fmt.Fprintf(&b, "  %s\n", strings.TrimPrefix(fmt.Sprint(f.Figures), "map"))
		}
	}
	return b.String()
}

// TestPlanted: each planted fault is found, and nothing else above a note; clean
// files have no finding above a note.
func TestPlanted(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	clean, faults := 0, map[string]bool{}
	for _, path := range archives {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found := Judge(read(t, archive), Terms{})
			got, want := show(found), &archive.Files[len(archive.Files)-1]
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
			serious := slices.DeleteFunc(found, func(f finding.Finding) bool { return f.Severity == finding.Note })
			switch {
			case strings.HasPrefix(name, "clean-") && len(serious) > 0:
				t.Errorf("it is clean, and has\n%s", show(serious))
			case strings.HasPrefix(name, "clean-"):
				clean++
			default:
				for _, f := range Judge(read(t, archive), Terms{}) {
					faults[f.Rule.ID] = true
				}
			}
		})
	}
	if clean < 10 {
		t.Errorf("only %d clean cases", clean)
	}
	for _, r := range []*finding.Rule{
		finding.RangeTooSmall, finding.NoCap, finding.OpenForNothing, finding.FirewallDiffers, finding.FamilyForgotten,
		finding.DataPortsEphemeral, finding.RangeOverService, finding.PortsOverlap, finding.AnnounceUnreachable, finding.PeerCheckOff,
		finding.SessionReuseOff, finding.TruncatedAccepted, finding.BalancerListeners, finding.PublishedDiffers, finding.RangeUnset, finding.ClearText,
	} {
		if !faults[r.ID] {
			t.Errorf("no case has %s", r.ID)
		}
	}
}
