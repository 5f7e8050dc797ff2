package diagnostics

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/finding"
)

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
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Full  sarifText `json:"fullDescription"`
		Help  sarifText `json:"help"`
	}
	sarifResult struct {
		RuleID    string           `json:"ruleId"`
		RuleIndex int              `json:"ruleIndex"`
		Level     finding.Severity `json:"level"`
		Message   sarifText        `json:"message"`
		Locations []sarifLocation  `json:"locations"`
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
	driver := sarifDriver{
		Name: "pasvctl", Version: generators.Version, InformationURI: "https://github.com/pasvctl/pasvctl", Rules: []sarifRule{},
	}
	results := []sarifResult{}
	index := map[*finding.Rule]int{}
	for _, f := range r.Findings {
		if _, known := index[f.Rule]; !known {
			index[f.Rule] = len(driver.Rules)
			driver.Rules = append(driver.Rules, sarifRule{
				f.Rule.ID, sarifText{f.Rule.Title}, sarifText{f.Rule.Cause + " " + f.Rule.Consequence}, sarifText{f.Rule.Remedy},
			})
		}
		at := r.place(f)
		results = append(results, sarifResult{f.Rule.ID, index[f.Rule], f.Severity, sarifText{message(f)}, []sarifLocation{{sarifPhysical{
			Artifact: sarifArtifact{uri(at.Filename)},
			Region:   sarifRegion{at.Start.Line, at.Start.Column, at.End.Line, at.End.Column},
		}}}})
	}
	return encode(w, sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{{sarifTool{driver}, "unicodeCodePoints", results}},
	})
}

// message is a finding in one paragraph.
func message(f finding.Finding) string {
	text := f.Title()
	if f.Detail != "" {
		text += ": " + About(f) + f.Detail
	}
	if f.Evidence != "" {
		text += " (" + f.Evidence + ")"
	}
	if f.Remedy != "" {
		text += "; remedy: " + f.Remedy
	}
	return text
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
