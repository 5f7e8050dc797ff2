// Package diagnostics writes what commands find, in a spec or on a machine, in
// the formats that people, editors and CI systems read. A format is one
// function in Formats.
//
// It is not for finding anything wrong: it prints what it is handed.
package diagnostics

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Report is a list of findings and what is needed to show them.
type Report struct {
	Command      string // that has made it
	Findings     []finding.Finding
	WarningsFail bool                 // a warning fails the command
	Files        map[string]*hcl.File // sources by name, for excerpts
	Dir          string               // folder that file names are relative to
	Elsewhere    []string             // names that are paths of their own, not relative to Dir

	// Limit is how many findings people are shown, 0 for all; the rest is
	// counted. Machines are always shown all.
	Limit  int
	Width  int // columns of text, 0 for no wrapping
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
	"gitlab": GitLab,
	"junit":  JUnit,
}

// Names returns the names of all formats, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Formats)) }

// Count returns how many findings have a severity.
func (r Report) Count(of finding.Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == of {
			n++
		}
	}
	return n
}

// first is the name of the spec's first file.
func (r Report) first() string {
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		if strings.HasSuffix(name, spec.Extension) {
			return name
		}
	}
	return "."
}

// path is where a file lies, as the user may open it.
func (r Report) path(name string) string {
	if slices.Contains(r.Elsewhere, name) {
		return name
	}
	return filepath.Join(r.Dir, name)
}

// shown returns the findings within the limit, the worst first if not all fit,
// and how many are left out.
func (r Report) shown() ([]finding.Finding, int) {
	if r.Limit <= 0 || len(r.Findings) <= r.Limit {
		return r.Findings, 0
	}
	worst := slices.Clone(r.Findings)
	slices.SortStableFunc(worst, func(a, b finding.Finding) int { return a.Severity.Compare(b.Severity) })
	return worst[:r.Limit], len(worst) - r.Limit
}

// Text writes findings for people: those in a file with the source lines that
// they point at, those on a machine with their evidence.
func Text(w io.Writer, r Report) error {
	found, more := r.shown()
	sources := map[string]*hcl.File{}
	for _, f := range found {
		write := r.inFile
		if f.Evidence != "" {
			write = r.onMachine
		}
		if err := write(w, f, sources); err != nil {
			return err
		}
	}
	if more > 0 {
		_, err := fmt.Fprintf(w, "… and %d more\n\n", more)
		return err
	}
	return nil
}

func (r Report) onMachine(w io.Writer, f finding.Finding, _ map[string]*hcl.File) error {
	text := r.wrap(fmt.Sprintf("%s %s", f.Severity, Line(f)), "", "  ") +
		r.wrap(f.Evidence, "  evidence: ", "            ")
	if f.Remedy != "" {
		text += r.wrap(r.command(f.Remedy), "  remedy:   ", "            ")
	}
	_, err := io.WriteString(w, Printable(text))
	return err
}

// remedyIndent is how many columns are before a remedy.
const remedyIndent = len("  remedy:   ")

var isCommand = regexp.MustCompile(`^(nft|ip6?tables|ipset|sysctl|firewall-cmd|ufw|systemctl|kill|pasvctl) `)

// command breaks the commands of a remedy where a shell lets them go on.
func (r Report) command(remedy string) string {
	room := r.Width - remedyIndent
	if r.Width == 0 || len(remedy) <= room {
		return remedy
	}
	parts := strings.Split(remedy, " && ")
	for i, part := range parts {
		if isCommand.MatchString(part) && len(part) > room {
			page := strings.TrimSuffix(explain.Wrap(part, room-len(` \`), "", "  "), "\n")
			parts[i] = strings.ReplaceAll(page, "\n", " \\\n")
		}
	}
	return strings.Join(parts, " &&\n")
}

// wrap breaks each line of text at the report's width.
func (r Report) wrap(text, first, rest string) (page string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if r.Width > 0 {
			page += explain.Wrap(line, r.Width, first, rest)
		} else {
			page += first + line + "\n"
		}
		first = rest
	}
	return page
}

// inFile keeps the sources without their control characters, by their names.
func (r Report) inFile(w io.Writer, f finding.Finding, sources map[string]*hcl.File) error {
	d := r.diagnostic(f)
	files := map[string]*hcl.File{}
	if f.At != nil {
		d.Subject = r.relocate(f.At)
		d.Subject.Filename = Printable(d.Subject.Filename)
		name := f.At.Filename
		if r.Files[name] != nil && sources[name] == nil {
			shown := *r.Files[name]
			shown.Bytes = harmless(shown.Bytes)
			sources[name] = &shown
		}
		if sources[name] != nil {
			files[d.Subject.Filename], *d.Subject = excerpt(sources[name], *d.Subject)
		}
	}
	return hcl.NewDiagnosticTextWriter(w, files, uint(r.Width), r.Colour).WriteDiagnostic(&d)
}

// diagnostic is f without control characters. A diagnostic's context, which may
// be a block of any length, is left out.
func (r Report) diagnostic(f finding.Finding) hcl.Diagnostic {
	var d hcl.Diagnostic
	if f.Diagnostic != nil {
		d = *f.Diagnostic
	}
	d.Severity, d.Context = hcl.DiagWarning, nil
	if f.Severity == finding.Error {
		d.Severity = hcl.DiagError
	}
	d.Summary = Printable(fmt.Sprintf("%s [%s]", f.Title(), f.Rule.ID))
	d.Detail = Printable(about(f) + f.Detail)
	return d
}

// Line is a finding in a line: its id, its site and what is wrong.
func Line(f finding.Finding) string {
	return fmt.Sprintf("[%s] %s%s", f.Rule.ID, about(f), f.Detail)
}

// about names the site that a finding is about, before what is said of it.
func about(f finding.Finding) string {
	if f.Site == "" {
		return ""
	}
	return fmt.Sprintf("site %q: ", f.Site)
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

// relocate is at with a file name that leads to the file.
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
