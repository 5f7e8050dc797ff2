package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/pasvctl/pasvctl/cmd/internal/outdir"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

const (
	// maxDiff is how many lines of one file's diff are shown, and maxDiffs those
	// of all files together.
	maxDiff, maxDiffs = 2_000, 20_000

	isPrivate = "may hold passwords, so its text is not shown"
	isNotText = "is not text"
)

var tooManyDiffs = fmt.Sprintf("is not shown, because the diffs before it have %s lines", sizing.Count(maxDiffs))

// fileDiffs says of files what a run would change in them, as unified diffs that
// git apply and patch read in the folder that the command runs in.
type fileDiffs struct {
	changes []outdir.Change // by their paths from that folder
	lines   int             // of the diffs
}

// add compares the files of a folder that have changed.
func (d *fileDiffs) add(dir string, files []outdir.File, changes []outdir.Change) {
	byPath := make(map[string]outdir.File, len(files))
	for _, f := range files {
		byPath[f.Path] = f
	}
	for _, c := range changes {
		if c.State == outdir.Unchanged {
			continue
		}
		if f, made := byPath[c.Path]; made {
			c.Diff, c.Note = d.diff(dir, f, c.State)
			d.lines += strings.Count(c.Diff, "\n")
		}
		c.Path = filepath.Join(dir, filepath.FromSlash(c.Path))
		d.changes = append(d.changes, c)
	}
}

// diff is the diff of a file, or why there is none.
func (d *fileDiffs) diff(dir string, f outdir.File, state outdir.State) (text, why string) {
	if f.Private {
		return "", isPrivate
	}
	if d.lines >= maxDiffs {
		return "", tooManyDiffs
	}
	at := filepath.ToSlash(filepath.Join(dir, filepath.FromSlash(f.Path)))
	name := strings.TrimLeft(strings.TrimPrefix(at, filepath.ToSlash(filepath.VolumeName(at))), "/")
	var old []byte
	from := "/dev/null"
	if state == outdir.Updated {
		var err error
		if old, err = outdir.Read(dir, f.Path); err != nil {
			return "", err.Error()
		}
		from = fileName("a", name)
	}
	if !isText(old) || !isText(f.Content) {
		return "", isNotText
	}
	return bounded(string(diff.Diff(from, old, fileName("b", name), f.Content)), min(maxDiff, maxDiffs-d.lines)), ""
}

// fileName writes a name as git and patch read it: in quotes if it has characters
// of their own, and with a tab behind it if it has spaces.
func fileName(side, name string) string {
	name = side + "/" + name
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return r == '"' || r == '\\' || unicode.IsControl(r) }):
		return fmt.Sprintf("%q", name)
	case strings.Contains(name, " "):
		return name + "\t"
	}
	return name
}

// isText reports whether a terminal can show text as it is.
func isText(text []byte) bool {
	return utf8.Valid(text) && !bytes.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) })
}

// bounded cuts a diff in the middle of a hunk, so that nothing applies it: half
// of a firewall's rules are none.
func bounded(text string, most int) string {
	lines := strings.SplitAfter(text, "\n")
	if len(lines)-1 <= most {
		return text
	}
	if strings.HasPrefix(lines[most], "@@") {
		most++
	}
	return fmt.Sprintf("%s… and %s more lines of this diff\n", strings.Join(lines[:most], ""), sizing.Count(len(lines)-1-most))
}

// write writes the diffs.
func (d *fileDiffs) write(w io.Writer) error {
	var text strings.Builder
	leftOut := 0
	for _, c := range d.changes {
		switch {
		case c.Note == tooManyDiffs:
			leftOut++
		case c.Note != "":
			fmt.Fprintf(&text, "\n%s %s\n", c.Path, c.Note)
		case c.Diff != "":
			text.WriteString("\n" + c.Diff)
		}
	}
	if leftOut > 0 {
		fmt.Fprintf(&text, "\n… and the diffs of %s\n", sizing.Plural(leftOut, "more file"))
	}
	_, err := io.WriteString(w, text.String())
	return err
}
