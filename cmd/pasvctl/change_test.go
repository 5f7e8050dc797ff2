//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// earlierExamples are replacements that make an earlier state of each example of it.
var earlierExamples = map[string][]string{
	"quickstart": {"sessions             = 400", "sessions             = 250", "sessions_per_address = 50", "sessions_per_address = 25", "61000-62856", "61000-62160", "= 1857", "= 1161"},
	"nat":        {`, "203.0.113.128/26"]`, `]`, "61217-61402", "61300-61485"},
	"fleet":      {"21000-21499", "21000-21299", "ports      = 418", "ports      = 270", "sessions             = 90", "sessions             = 58", "sessions  = 200", "sessions  = 120", `site "machines"`, `site "robots"`},
	"containers": {"sessions_per_address = 50", "sessions_per_address = 100"},
	"existing":   {"port        = 21\n", "port        = 990\n", "sessions = 30", "sessions = 20"},
	"appliance":  {`["198.51.100.0/25"]`, `["0.0.0.0/0"]`, `"warehouse"` + "\n  port", `"vsftpd"` + "\n  port"},
}

// TestChangeOfExamples compares each example with an earlier state of it, and the
// Markdown and JSON of that with examples/NAME/change.md and testdata/change.
func TestChangeOfExamples(t *testing.T) {
	examples, err := os.ReadDir("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		name := e.Name()
		folder := filepath.Join("../../examples", name)
		specs, err := filepath.Glob(filepath.Join(folder, "*.pasv.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		if len(specs) == 0 {
			continue
		}
		earlier := filepath.Join(t.TempDir(), name)
		if err := os.CopyFS(earlier, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(earlier, "*.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		pairs := earlierExamples[name]
		if len(pairs) == 0 {
			t.Errorf("%s has no earlier state", name)
		}
		found := map[string]bool{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(pairs); i += 2 {
				found[pairs[i]] = found[pairs[i]] || strings.Contains(string(text), pairs[i])
			}
			if err := os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; i < len(pairs); i += 2 {
			if !found[pairs[i]] {
				t.Errorf("%s does not have %q", name, pairs[i])
			}
		}
		for format, golden := range map[string]string{"markdown": filepath.Join(folder, "change.md"), "json": filepath.Join("testdata", "change", name+".json")} {
			code, got, stderr := pasvctl("plan", folder, "--against", earlier, "--format", format)
			if code != exitDone {
				t.Fatalf("%s: exit code %d\n%s", name, code, stderr)
			}
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if want, err := os.ReadFile(golden); err != nil || string(want) != got {
				t.Errorf("%s: %v: go test ./cmd/pasvctl -run TestChangeOfExamples -update shows the difference\n%s", golden, err, got)
			}
		}
	}
}
