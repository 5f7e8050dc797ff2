package audit

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// FuzzJudge judges any config beside any firewall, by itself and with traffic.
func FuzzJudge(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data, archive.Files[min(1, len(archive.Files)-2)].Data)
	}
	traffic, diags := spec.ReadTraffic(map[string]string{"transfers_per_second": "5"}, nil, 0)
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, config, firewall []byte) {
		inv, err := inventory.Read(inventory.Source{Name: "config", Text: config}, inventory.Source{Name: "firewall", Text: firewall})
		if err != nil {
			return
		}
		for _, terms := range []Terms{{}, {Sessions: 7, Traffic: traffic}} {
			for _, found := range Judge(inv, terms) {
				if found.Detail == "" || found.Evidence == "" || found.Remedy == "" || found.At.Start.Line < 1 {
					t.Errorf("%+v", found)
				}
			}
		}
	})
}

// FuzzIgnored: a line is an error or has an id and a reason.
func FuzzIgnored(f *testing.F) {
	f.Add([]byte("# a\nno-cap vsftpd.conf:3 # b\n\nclear-text # c"))
	f.Add([]byte("no-cap"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseIgnored("ignore", text)
		if err != nil {
			return
		}
		for _, g := range list {
			if g.ID == "" || g.Reason == "" || g.At.Line > bytes.Count(text, []byte("\n"))+1 {
				t.Errorf("%+v", g)
			}
		}
	})
}
