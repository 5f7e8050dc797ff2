package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/outdir"
)

func TestFileNamesInDiffs(t *testing.T) {
	for name, want := range map[string]string{
		"out/edge1/ipset": "a/out/edge1/ipset",
		"my out/ipset":    "a/my out/ipset\t",
		`a"b\c`:           `"a/a\"b\\c"`,
		"a\nb":            `"a/a\nb"`,
		"../out/ipset":    "a/../out/ipset", // nothing applies it, because git and patch refuse ..
	} {
		if got := fileName("a", name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// A diff that is cut ends within a hunk, even if there is room for whole ones.
func TestLongDiffsAreCutWithinAHunk(t *testing.T) {
	text := "diff a b\n--- a\n+++ b\n" + strings.Repeat("@@ -1,1 +1,1 @@\n-a\n+b\n", 4)
	for most := 3; most < 15; most++ {
		got := bounded(text, most)
		body, note, _ := strings.Cut(got, "… and ")
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		var shown, left int
		shown = len(lines)
		if fmt.Sscan(note, &left); left+shown != 15 || left == 0 || !strings.HasPrefix(text, body) || strings.HasPrefix(lines[shown-1], "+b") {
			t.Errorf("at most %d lines: %q", most, got)
		}
	}
	if got := bounded(text, 15); got != text {
		t.Errorf("%q", got)
	}
}

// All diffs together are bounded too; the files are named anyway.
func TestAllDiffsAreBounded(t *testing.T) {
	var files []outdir.File
	for i := range 3 * maxDiffs / maxDiff {
		files = append(files, outdir.File{Path: fmt.Sprintf("f%02d", i), Content: []byte(strings.Repeat("x\n", maxDiff))})
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f00"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	changes, err := outdir.Compare(dir, files)
	if err != nil {
		t.Fatal(err)
	}
	d := &fileDiffs{}
	d.add(dir, files, changes)
	var text strings.Builder
	if err := d.write(&text); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "\n"); len(d.changes) != len(files) || n < maxDiffs || n > maxDiffs+200 || !strings.HasSuffix(text.String(), "\n… and the diffs of 20 more files\n") {
		t.Errorf("%d changes, %d lines, %q", len(d.changes), n, text.String()[len(text.String())-100:])
	}
	if last := d.changes[len(files)-1]; last.Diff != "" || last.Note != tooManyDiffs || last.Path != filepath.Join(dir, "f29") {
		t.Errorf("%+v", last)
	}
}
