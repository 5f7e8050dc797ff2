package diagnostics

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators"
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

type jsonDiagnostic struct {
	Severity string       `json:"severity"` // error, warning
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Range    *sourceRange `json:"range,omitempty"`
}

// JSON writes one object: version, valid, counts and all diagnostics.
func JSON(w io.Writer, r Report) error {
	failures, warnings := r.Count()
	all := make([]jsonDiagnostic, 0, len(r.Diagnostics))
	for _, d := range r.Diagnostics {
		j := jsonDiagnostic{Severity: severity(d), Summary: d.Summary, Detail: d.Detail}
		if at := r.relocate(d.Subject); at != nil {
			j.Range = &sourceRange{File: at.Filename, Start: position(at.Start), End: position(at.End)}
		}
		all = append(all, j)
	}
	return encode(w, struct {
		Version     int              `json:"version"`
		Valid       bool             `json:"valid"`
		Errors      int              `json:"errors"`
		Warnings    int              `json:"warnings"`
		Diagnostics []jsonDiagnostic `json:"diagnostics"`
	}{1, failures == 0, failures, warnings, all})
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func severity(d *hcl.Diagnostic) string {
	if d.Severity == hcl.DiagError {
		return "error"
	}
	return "warning"
}

// The part of SARIF 2.1.0 (OASIS) that is used.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string `json:"name"`
		Version        string `json:"version"`
		InformationURI string `json:"informationUri"`
	}
	sarifResult struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
)

// SARIF writes a log of one run, for code-scanning dashboards.
func SARIF(w io.Writer, r Report) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "pasvctl", Version: generators.Version, InformationURI: "https://github.com/pasvctl/pasvctl",
		}},
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	for _, d := range r.Diagnostics {
		result := sarifResult{Level: severity(d), Message: sarifText{message(d)}}
		if at := r.relocate(d.Subject); at != nil {
			result.Locations = []sarifLocation{{sarifPhysical{
				Artifact: sarifArtifact{uri(at.Filename)},
				Region:   sarifRegion{at.Start.Line, at.Start.Column, at.End.Line, at.End.Column},
			}}}
		}
		run.Results = append(run.Results, result)
	}
	return encode(w, sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

func message(d *hcl.Diagnostic) string {
	if d.Detail == "" {
		return d.Summary
	}
	return d.Summary + ": " + d.Detail
}

// uri is a path as a URI reference (RFC 3986): what is no pchar is escaped.
func uri(path string) string {
	var b strings.Builder
	for _, c := range []byte(filepath.ToSlash(path)) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/@+,=", c) >= 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes workflow commands, which GitHub Actions shows as annotations
// on the lines of a pull request.
func GitHub(w io.Writer, r Report) error {
	for _, d := range r.Diagnostics {
		place := ""
		if at := r.relocate(d.Subject); at != nil {
			place = fmt.Sprintf("file=%s,line=%d,endLine=%d,col=%d,endColumn=%d,",
				githubProperty.Replace(filepath.ToSlash(at.Filename)), at.Start.Line, at.End.Line, at.Start.Column, at.End.Column)
		}
		_, err := fmt.Fprintf(w, "::%s %stitle=%s::%s\n", severity(d), place,
			githubProperty.Replace(d.Summary), githubData.Replace(message(d)))
		if err != nil {
			return err
		}
	}
	return nil
}
