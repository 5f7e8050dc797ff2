package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// tooWide returns the lines of a text that a page has no room for. The lines
// that a finding quotes from a source, and says where they are, may be wider, and a
// word that is longer than a page.
func tooWide(text string) (wide []string) {
	quoted := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		quoted = strings.HasPrefix(line, "  on ") || quoted && line != ""
		oneWord := !strings.Contains(strings.TrimSpace(line), " ")
		if !quoted && !oneWord && utf8.RuneCountInString(line) > pageColumns {
			wide = append(wide, line)
		}
	}
	return wide
}

// longNames is a fleet whose names are as long as names may be, with large
// numbers in each column.
const longNames = `
locals {
  sites = { for n in range(3) : "downloads-of-everybody-${n}" => n }
}
host "edge-of-frankfurt-main-1" {
  addresses = ["203.0.113.10", "2001:db8:1234:5678:9abc:def0:1234:5678"]
}
profile "appliance-of-the-acme-co" {
  title = "Acme Appliance"
  hold  = "transfer"
  scope = "port"
}
dynamic "site" {
  for_each = local.sites
  iterator = each
  labels   = [each.key]
  content {
    host   = "edge-of-frankfurt-main-1"
    server = ["vsftpd", "proftpd", "appliance-of-the-acme-co"][each.value]
    port   = 2101 + each.value
    concurrency {
      sessions             = 1200
      sessions_per_address = 600
    }
    traffic {
      transfers_per_second = 40
      transfer_time        = "4s"
      burst {
        sessions = 500
        within   = "10s"
      }
    }
    objective { refused = 0.001 }
  }
}
gateway "nat-of-frankfurt-main-01" {
  address = "198.51.100.7"
  sites   = keys(local.sites)
}
`

// TestNoTextIsWiderThanAPage runs the commands that print text on the examples
// and on long names.
func TestNoTextIsWiderThanAPage(t *testing.T) {
	t.Setenv("COLUMNS", "")
	folder := t.TempDir()
	long := filepath.Join(folder, "long.pasv.hcl")
	wrong := filepath.Join(folder, "wrong", "a.pasv.hcl")
	messy := filepath.Join(folder, "messy", "a.pasv.hcl")
	for path, text := range map[string]string{
		long: longNames, messy: strings.ReplaceAll(oneSite, " = ", "="),
		wrong: strings.ReplaceAll(longNames, `"203.0.113.10"`, `"a host that is not an address", "another one, which is none either and very long"`) + "site \"x\" {}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	examples, err := filepath.Glob("../../examples/*/*.pasv.hcl")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(folder) // where paths are short
	check := func(args ...string) {
		_, stdout, stderr := pasvctl(args...)
		if stdout == "" && stderr == "" {
			t.Errorf("pasvctl %s says nothing", strings.Join(args, " "))
		}
		for _, line := range tooWide(stdout + stderr) {
			t.Errorf("pasvctl %s: %d columns: %s", strings.Join(args, " "), utf8.RuneCountInString(line), line)
		}
	}
	specs := []string{"long.pasv.hcl"}
	for _, example := range examples {
		dir := filepath.Join(folder, filepath.Base(filepath.Dir(example)))
		if err := os.CopyFS(dir, os.DirFS(filepath.Dir(filepath.Join(home, example)))); err == nil {
			specs = append(specs, filepath.Base(dir))
		}
	}
	for _, spec := range specs {
		check("validate", spec)
		check("plan", spec)
		check("plan", "--compare", spec)
		check("plan", spec, "--against", "long.pasv.hcl")
		check("capacity", spec)
		check("simulate", spec, "--requests", "200", "--replications", "5")
		check("generate", spec, "-o", "out")
		check("generate", spec, "-o", "out", "--check")
		check("explain", spec)
		check("report", spec, "-o", "report.html")
	}
	check("explain", "long.pasv.hcl", "downloads-of-everybody-2", "--all")
	check("validate", "wrong")
	check("fmt", "--check", "-r", "messy")
	check("plan", filepath.Join(strings.Repeat("a-folder-that-is-not/", 6), "x.pasv.hcl"))
	check("plan", "long.pasv.hcl", "--"+strings.Repeat("bogus", 20))
	check("capacity", "30000-30100", "--transfers-per-second", "5")
	check("capacity", "pure-ftpd -p 30000:30100 -c 200")
	check("audit", "pure-ftpd -p 30000:30100 -c 200")
	check("import", filepath.Join("existing", "vsftpd.conf"), "-o", "imported")
	check("import", filepath.Join("existing", "proftpd", "proftpd.conf"), "--sessions", "1000", "-o", "imported too")
	check("version")
	check()
}

func TestNoHelpIsWiderThanAPage(t *testing.T) {
	t.Setenv("COLUMNS", "")
	var visit func(c *cobra.Command, path []string)
	visit = func(c *cobra.Command, path []string) {
		_, stdout, stderr := pasvctl(append(path, "--help")...)
		if stdout == "" || stderr != "" {
			t.Errorf("%v: no help: %s", path, stderr)
		}
		for _, line := range tooWide(stdout) {
			t.Errorf("pasvctl %s --help: %s", strings.Join(path, " "), line)
		}
		for _, sub := range c.Commands() {
			visit(sub, append(path[:len(path):len(path)], sub.Name()))
		}
	}
	root := newRoot(streams{})
	visit(root, nil)
	for _, topic := range helpNames(root) {
		_, stdout, _ := pasvctl("help", topic)
		for _, line := range tooWide(stdout) {
			t.Errorf("pasvctl help %s: %s", topic, line)
		}
	}
}

func TestTablesFold(t *testing.T) {
	rows := [][]string{
		{"SITE", "SERVER", "PORTS", "WHY"},
		{"a", "vsftpd", "1,857", "ä long one"},
		{"bb", "proftpd", "1", "-"},
	}
	for columns, want := range map[int]string{
		80: "SITE  SERVER   PORTS  WHY\na     vsftpd   1,857  ä long one\nbb    proftpd  1      -\n",
		31: "SITE  SERVER   PORTS\n    WHY\na     vsftpd   1,857\n    ä long one\nbb    proftpd  1\n    -\n",
	} {
		if got := layOut(rows, columns); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", columns, got, want)
		}
	}
}
