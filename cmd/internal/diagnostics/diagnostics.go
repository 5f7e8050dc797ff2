// Package diagnostics writes the diagnostics of a spec in the formats that
// people, editors and CI systems read. A format is one function in Formats.
//
// It is not for finding anything wrong: it prints what it is handed.
package diagnostics

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Report is a list of diagnostics and what is needed to show them.
type Report struct {
	Diagnostics hcl.Diagnostics
	Files       map[string]*hcl.File // sources by name, for excerpts
	Dir         string               // folder that file names are relative to
	Elsewhere   []string             // names that are paths of their own, not relative to Dir

	// Limit is how many diagnostics people are shown, 0 for all; the rest is
	// counted. Machines are always shown all.
	Limit  int
	Width  uint // columns of text, 0 for no wrapping
	Colour bool
}

// Format writes a report.
type Format func(io.Writer, Report) error

// Formats holds all formats by name.
var Formats = map[string]Format{
	"text":   Text,
	"json":   JSON,
	"sarif":  SARIF,
	"github": GitHub,
}

// Names returns the names of all formats, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Formats)) }

// Count returns how many errors and warnings there are.
func (r Report) Count() (failures, warnings int) {
	for _, d := range r.Diagnostics {
		if d.Severity == hcl.DiagError {
			failures++
		} else {
			warnings++
		}
	}
	return failures, warnings
}

// path is where a file lies, as the user may open it.
func (r Report) path(name string) string {
	if slices.Contains(r.Elsewhere, name) {
		return name
	}
	return filepath.Join(r.Dir, name)
}

// shown returns the diagnostics within the limit, errors before warnings where
// not all fit, and how many are left out.
func (r Report) shown() (hcl.Diagnostics, int) {
	if r.Limit <= 0 || len(r.Diagnostics) <= r.Limit {
		return r.Diagnostics, 0
	}
	var first, rest hcl.Diagnostics
	for _, d := range r.Diagnostics {
		if d.Severity == hcl.DiagError {
			first = append(first, d)
		} else {
			rest = append(rest, d)
		}
	}
	return append(first, rest...)[:r.Limit], len(r.Diagnostics) - r.Limit
}

// Text writes diagnostics with the source lines that they point at. What a
// spec holds reaches the terminal without its control characters.
func Text(w io.Writer, r Report) error {
	diags, more := r.shown()
	sources := make(map[string]*hcl.File)
	for _, d := range diags {
		if d.Subject != nil && r.Files[d.Subject.Filename] != nil && sources[d.Subject.Filename] == nil {
			shown := *r.Files[d.Subject.Filename]
			shown.Bytes = harmless(shown.Bytes)
			sources[d.Subject.Filename] = &shown
		}
	}
	for _, d := range diags {
		file := sources[subjectFile(d)]
		d = r.relocated(d)
		d.Summary, d.Detail = Printable(d.Summary), Printable(d.Detail)
		files := make(map[string]*hcl.File)
		if d.Subject != nil {
			d.Subject.Filename = Printable(d.Subject.Filename)
		}
		if file != nil {
			files[d.Subject.Filename], *d.Subject = excerpt(file, *d.Subject)
		}
		if err := hcl.NewDiagnosticTextWriter(w, files, r.Width, r.Colour).WriteDiagnostic(d); err != nil {
			return err
		}
	}
	if more > 0 {
		_, err := fmt.Fprintf(w, "… and %d more\n\n", more)
		return err
	}
	return nil
}

// subjectFile names the file that d points into.
func subjectFile(d *hcl.Diagnostic) string {
	if d.Subject == nil {
		return ""
	}
	return d.Subject.Filename
}

// Printable is text without control characters, line breaks and tabs aside.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '?'
		}
		return r
	}, text)
}

// harmless is Printable for source text, which keeps its length so that ranges
// still fit.
func harmless(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return text
	}
	safe := bytes.Clone(text)
	for i := 0; i < len(safe); {
		r, size := utf8.DecodeRune(safe[i:])
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			for j := range size {
				safe[i+j] = '?'
			}
		}
		i += size
	}
	return safe
}

// relocated is d with a file name that leads to the file. Its context, which
// may be a block of any length, is left out.
func (r Report) relocated(d *hcl.Diagnostic) *hcl.Diagnostic {
	moved := *d
	moved.Subject, moved.Context = r.relocate(d.Subject), nil
	return &moved
}

func (r Report) relocate(at *hcl.Range) *hcl.Range {
	if at == nil {
		return nil
	}
	moved := *at
	if at.Filename != "" {
		moved.Filename = r.path(at.Filename)
	}
	return &moved
}
