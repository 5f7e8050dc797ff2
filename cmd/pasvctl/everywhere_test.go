package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pasvctl runs one command line in this process.
func pasvctl(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &err})
	return code, out.String(), err.String()
}

// What needs no kernel works on every system that this test is built for.
func TestCommandsOfEverySystem(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.pasv.hcl"), []byte(strings.ReplaceAll(oneSite, " = ", "=")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "vsftpd.conf"), []byte("listen=YES\npasv_min_port=21100\npasv_max_port=21110\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "out", "deep")
	for _, step := range []struct {
		code int
		want string // on stdout
		args []string
	}{
		{exitDone, "", []string{"validate", folder}},
		{exitDifference, "a.pasv.hcl", []string{"fmt", "--check", folder}},
		{exitDone, "", []string{"fmt", folder}},
		{exitDone, "", []string{"fmt", "--check", folder}},
		{exitDone, "downloads", []string{"plan", folder}},
		{exitDone, "No port", []string{"plan", folder, "--against", folder}},
		{exitDifference, "no-cap", []string{"audit", filepath.Join(folder, "vsftpd.conf")}},
		{exitDone, "vsftpd.conf", []string{"capacity", filepath.Join(folder, "vsftpd.conf")}},
		{exitDone, "any number", []string{"capacity", "30000-30100"}},
		{exitDone, "downloads", []string{"capacity", folder}},
		{exitDone, "vsftpd", []string{"explain", folder, "downloads"}},
		{exitDone, "wrote", []string{"report", folder, "-o", filepath.Join(folder, "report.html")}},
		{exitDone, "downloads", []string{"simulate", folder, "--replications", "5", "--requests", "1000"}},
		{exitDifference, "missing", []string{"generate", folder, "-o", out, "--check"}},
		{exitDone, "created", []string{"generate", folder, "-o", out}},
		{exitDone, "unchanged", []string{"generate", folder, "-o", out}},
		{exitDone, "", []string{"generate", filepath.Join(folder, "a.pasv.hcl"), "-o", out, "--check"}},
		{exitDone, "created", []string{"import", filepath.Join(out, "edge1", "downloads", "vsftpd.conf"), "-o", filepath.Join(folder, "imported")}},
		{exitDone, "is valid", []string{"validate", filepath.Join(folder, "imported")}},
	} {
		code, stdout, stderr := pasvctl(step.args...)
		if code != step.code || !strings.Contains(stdout, step.want) {
			t.Errorf("pasvctl %s: exit code %d, want %d\n%s%s", strings.Join(step.args, " "), code, step.code, stdout, stderr)
		}
	}
	rules, err := os.ReadFile(filepath.Join(out, "edge1", "nftables.nft"))
	if err != nil || !bytes.Contains(rules, []byte("table inet pasvctl")) {
		t.Errorf("%q, %v", rules, err)
	}
	left, err := filepath.Glob(filepath.Join(out, ".pasvctl*"))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}
