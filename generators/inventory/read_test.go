package inventory

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the want sections of testdata")

// TestRead reads the archives: files, and last what is read of them. The first
// line of an archive's comment names what is given to Read.
func TestRead(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			i := len(archive.Files) - 1
			if archive.Files[i].Name != "want" {
				t.Fatal("the last file of the archive is not want")
			}
			inv, err := Read(sourcesOf(archive)...)
			got := show(inv)
			if err != nil {
				got = "error: " + err.Error() + "\n"
			}
			if *update {
				archive.Files[i].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Files[i].Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func sourcesOf(archive *txtar.Archive) []Source {
	fsys := fstest.MapFS{}
	for _, f := range archive.Files[:len(archive.Files)-1] {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	var sources []Source
	first, _, _ := strings.Cut(string(archive.Comment), "\n")
	for _, name := range strings.Fields(first) {
		sources = append(sources, Source{FS: fsys, Name: name})
	}
	return sources
}

// show lists an inventory, a line a value, in the order of its fields.
func show(inv *Inventory) string {
	var b strings.Builder
	if inv == nil {
		return ""
	}
	for _, s := range inv.Servers {
		fmt.Fprintf(&b, "server %s %s (%s)\n", s.Profile, s.Name, s.At)
		v := reflect.ValueOf(*s)
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type.Kind() != reflect.Struct || !strings.HasPrefix(f.Type.Name(), "Setting[") {
				continue
			}
			at := "default"
			if a := v.Field(i).FieldByName("At").Interface().(At); a != (At{}) {
				at = a.String()
			}
			fmt.Fprintf(&b, "  %s %v (%s)\n", f.Name, v.Field(i).FieldByName("Value").Interface(), at)
		}
		fmt.Fprintf(&b, "  families %s\n", families(s.IPv4, s.IPv6))
	}
	for _, f := range inv.Firewalls {
		fmt.Fprintf(&b, "firewall %s %s (%s) %s accepts=%t\n", f.Format, f.Name, f.At, families(f.IPv4, f.IPv6), f.Accepts)
		for i, o := range append(slices.Clone(f.Openings), f.Shut...) {
			if i >= len(f.Openings) {
				b.WriteString("  shut")
			}
			fmt.Fprintf(&b, "  %s (%s) from %v to %v", o.Ports, families(o.IPv4, o.IPv6), o.Sources, o.Destinations)
			if len(o.Others) > 0 {
				fmt.Fprintf(&b, " and from %v", o.Others)
			}
			if o.Gate {
				b.WriteString(" gate")
			}
			if o.PerAddress > 0 {
				fmt.Fprintf(&b, " at most %d", o.PerAddress)
			}
			if o.Interface != "" {
				fmt.Fprintf(&b, " on %s", o.Interface)
			}
			if o.Inside.First > 0 {
				fmt.Fprintf(&b, " inside %s", o.Inside)
			}
			fmt.Fprintf(&b, " (%s)\n", strings.TrimSpace(o.At.String()+" "+o.Rule))
		}
	}
	if inv.LocalPorts.Written() {
		fmt.Fprintf(&b, "local ports %s (%s)\n", inv.LocalPorts.Value, inv.LocalPorts.At)
	}
	for _, r := range inv.ReservedPorts {
		fmt.Fprintf(&b, "reserved ports %s (%s)\n", r.Value, r.At)
	}
	for _, u := range inv.Unread {
		fmt.Fprintf(&b, "unread %s %s: %s\n", u.At, u.What, u.Why)
	}
	for _, s := range inv.Secrets {
		fmt.Fprintf(&b, "secret %s %s\n", s.At, s.What)
	}
	return b.String()
}

func families(v4, v6 bool) string {
	var all []string
	if v4 {
		all = append(all, "IPv4")
	}
	if v6 {
		all = append(all, "IPv6")
	}
	return strings.Join(all, " ")
}
