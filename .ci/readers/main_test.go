package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schemas = "../../cmd/internal/envelope/schema"

const (
	envelope = `{"version": 1, "command": "version", "pasvctl": "0.1.0", "go": "go1.26", "platform": "linux/amd64"}`
	issue    = `{"description": "a", "check_name": "b", "fingerprint": "` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" +
		`", "severity": "major", "location": {"path": "a.hcl", "lines": {"begin": 1}}}`
	comment = "**1 site changes: `a`.**\n\n| a | b |\n| --- | --- |\n| `@team` | 1 |\n\n#### Host `h`\n\n- Opens `x`. \\<b\\> @\u200bteam\n"
	suite   = `<?xml version="1.0"?><testsuites tests="1" failures="1"><testsuite name="s" tests="1" failures="1"><testcase name="c"><failure message="m"/></testcase></testsuite></testsuites>`
)

// TestReadersSeeFaults gives each reader an output that fits, and then ones
// with a fault.
func TestReadersSeeFaults(t *testing.T) {
	f := formats{map[string]*jsonschema.Schema{}, map[string]int{}}
	for _, folder := range []string{schemas, "schema"} {
		if err := f.compile(folder); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ text, old, new string }{
		{envelope, "", ""},
		{envelope, `"version": 1`, `"version": 2`},
		{envelope, `"platform"`, `"system"`},
		{envelope, `"command": "version"`, `"command": "nothing"`},
		{envelope + "\n" + envelope, "", ""},
		{envelope + "\n" + envelope, "}\n", ", \"more\": 1}\n"},
		{"[\n" + issue + "]", "", ""},
		{"[\n" + issue + "]", "major", "error"},
		{"[\n" + issue + "]", "a.hcl", "./a.hcl"},
		{"[\n" + issue + "]", issue, issue + "," + issue},
		{comment, "", ""},
		{comment, "@\u200b", "@"},
		{comment, "Opens", "Opens http://example.com"},
		{comment, "Opens", "Opens [x](y)"},
		{comment, "Opens", "Opens ![x](y)"},
		{comment, "Opens", "Opens **x**"},
		{comment, `\<b\>`, "<b>"},
		{comment, "- Opens", "<!-- x -->"},
		{comment, "#### ", "# "},
		{comment, ".**\n", ". **\n"},
		{suite, "", ""},
		{suite, `tests="1" failures="1"><testsuite `, `tests="2" failures="1"><testsuite `},
		{suite, `<failure message="m"/>`, ""},
		{suite, "testcase", "case"},
		{suite, `<testcase name="c">`, `<testcase>`},
		{suite, `<testcase name="c">`, `<testcase name="c" line="1">`},
	} {
		err := f.read([]byte(strings.ReplaceAll(c.text, c.old, c.new)))
		if fits := c.old == ""; (err == nil) != fits {
			t.Errorf("%s with %q for %q: %v", c.text, c.new, c.old, err)
		}
	}
}

func TestUntriedSchemaFails(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "1", "out-1"), []byte(envelope), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := compare(folder, schemas); err == nil || !strings.Contains(err.Error(), "schema load") || strings.Contains(err.Error(), "schema version") {
		t.Errorf("%v", err)
	}
}
