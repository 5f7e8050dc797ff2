package diagnostics

import (
	"encoding/json"
	"io"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/generators/finding"
)

type position struct {
	Line   int `json:"line"`
	Column int `json:"column"` // in characters, from 1
	Byte   int `json:"byte"`
}

type sourceRange struct {
	File  string   `json:"file"`
	Start position `json:"start"`
	End   position `json:"end"` // the first position after the range
}

// Object is a finding as JSON has it.
type Object struct {
	ID       string           `json:"id"`
	Severity finding.Severity `json:"severity"`
	Site     string           `json:"site,omitempty"`
	Summary  string           `json:"summary"`
	Detail   string           `json:"detail"`
	Evidence string           `json:"evidence,omitempty"`
	Remedy   string           `json:"remedy,omitempty"`
	Figures  map[string]any   `json:"figures,omitempty"`
	Range    *sourceRange     `json:"range,omitempty"`
}

// Object is f as JSON has it.
func (r Report) Object(f finding.Finding) Object {
	o := Object{f.Rule.ID, f.Severity, f.Site, f.Title(), f.Detail, f.Evidence, f.Remedy, f.Figures, nil}
	if at := r.relocate(f.At); at != nil {
		o.Range = &sourceRange{File: at.Filename, Start: position(at.Start), End: position(at.End)}
	}
	return o
}

// JSON writes the counts and all findings.
func JSON(w io.Writer, r Report) error {
	all := make([]Object, len(r.Findings))
	for i, f := range r.Findings {
		all[i] = r.Object(f)
	}
	return envelope.Write(w, r.Command, struct {
		Errors   int      `json:"errors"`
		Warnings int      `json:"warnings"`
		Notes    int      `json:"notes"`
		Findings []Object `json:"findings"`
	}{r.Count(finding.Error), r.Count(finding.Warning), r.Count(finding.Note), all})
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// place is where a finding is shown, for formats that need a place: its own,
// or the first line of the first file.
func (r Report) place(f finding.Finding) hcl.Range {
	at := f.At
	if at == nil {
		at = &hcl.Range{Filename: r.first(), Start: hcl.InitialPos, End: hcl.InitialPos}
	}
	return *r.relocate(at)
}
