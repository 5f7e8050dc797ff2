package draft

import (
	"fmt"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// text is the spec in the canonical layout; a missing cap has its stand-in while
// the rest is checked.
func (w *writer) text(check bool) []byte {
	var b strings.Builder
	for _, l := range w.lines {
		text := l.text
		if check && l.check != "" {
			text = l.check
		}
		b.WriteString(text + "\n")
	}
	return hclwrite.Format([]byte(b.String()))
}

// load reads the spec with the configs beside it.
func (d *Draft) load(text []byte) (*generators.Project, hcl.Diagnostics) {
	fsys := fstest.MapFS{Name: {Data: text}}
	for _, f := range d.Files[1:] {
		fsys[f.Path] = &fstest.MapFile{Data: f.Content}
	}
	p, diags := generators.Load(fsys, []string{Name}, generators.Options{})
	if !diags.HasErrors() {
		_, more := p.Files()
		diags = append(diags, more...)
	}
	return p, diags
}

// repair makes comments of the lines that a spec cannot have, until what is left
// is valid. A range that is too small and a cap that is too large stay: only
// while the rest is checked others stand for them.
func (d *Draft) repair(w *writer) error {
	for range 2 * len(w.lines) {
		p, diags := d.load(w.text(true))
		for _, s := range d.Sites {
			for _, read := range p.Spec.Sites {
				if read.Name == s.Name && s.read == nil {
					s.read = read
				}
			}
		}
		before := slices.Clone(w.lines)
		mended := false
		for _, diag := range diags {
			if diag.Severity != hcl.DiagError || diag.Subject != nil && mended && w.changed(before, diag) {
				continue
			}
			if !w.mend(diag) {
				return fmt.Errorf("no spec can say this: %s", diag.Detail)
			}
			mended = true
		}
		if !mended {
			return nil
		}
	}
	return fmt.Errorf("no spec can say this")
}

// changed reports whether this round has changed the line of an error already.
func (w *writer) changed(before []line, d *hcl.Diagnostic) bool {
	at := d.Subject.Start.Line - 1
	return at < len(before) && before[at] != w.lines[at]
}

// mend takes an error out of the draft.
func (w *writer) mend(d *hcl.Diagnostic) bool {
	if d.Subject == nil || d.Subject.Filename != Name || d.Subject.Start.Line > len(w.lines) {
		return false
	}
	at := d.Subject.Start.Line - 1
	l := &w.lines[at]
	asked := l.attr == "sessions" || l.attr == "sessions_per_address"
	switch {
	case l.must || l.site == nil || l.attr == "":
		return false
	case finding.Of(d) == finding.RangeTooSmall && l.attr == "data_ports" && l.check == "":
		l.check = "#"
	case asked && l.check == "":
		w.smallest(l.site)
	case asked:
		return false
	default:
		w.leaveOut(at, d)
	}
	return true
}

// smallest makes a cap that no range carries as small as it can be, while the
// rest is checked.
func (w *writer) smallest(s *Site) {
	for i := range w.lines {
		switch l := &w.lines[i]; {
		case l.site != s:
		case l.attr == "sessions":
			l.check = "sessions = 1"
		case l.attr == "sessions_per_address":
			l.check = "#"
		}
	}
}

// leaveOut makes a comment of a line, or of the block that it is the head of.
func (w *writer) leaveOut(at int, d *hcl.Diagnostic) {
	l := &w.lines[at]
	why := strings.TrimPrefix(strings.TrimPrefix(d.Detail, fmt.Sprintf("site %q: ", l.site.Name)), fmt.Sprintf("Site %q: ", l.site.Name))
	l.site.LeftOut = append(l.site.LeftOut, LeftOut{l.at, l.attr, why})
	if l.attr == "data_ports" {
		l.site.DataPorts = spec.PortRange{}
	}
	for i := range max(1, l.block) {
		w.lines[at+i].text = "# " + w.lines[at+i].text
		w.lines[at+i].attr, w.lines[at+i].check = "", ""
	}
	l.text += " # a spec cannot say it: " + strings.ToLower(d.Summary)
	l.block = 0
}
