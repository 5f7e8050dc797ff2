package diagnostics

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/finding"
)

type object = map[string]any

// SARIF writes a log of one run (SARIF 2.1.0, OASIS), for code-scanning
// dashboards.
func SARIF(w io.Writer, r Report) error {
	rules, results := []object{}, []object{}
	index := map[*finding.Rule]int{}
	text := func(s string) object { return object{"text": s} }
	for _, f := range r.Findings {
		if _, known := index[f.Rule]; !known {
			index[f.Rule] = len(rules)
			rules = append(rules, object{
				"id": f.Rule.ID, "shortDescription": text(f.Rule.Title),
				"fullDescription": text(f.Rule.Cause + " " + f.Rule.Consequence), "help": text(f.Rule.Remedy),
			})
		}
		at := r.place(f)
		results = append(results, object{
			"ruleId": f.Rule.ID, "ruleIndex": index[f.Rule], "level": f.Severity, "message": text(message(f)),
			"locations": []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": uri(at.Filename)},
				"region": object{
					"startLine": at.Start.Line, "startColumn": at.Start.Column, "endLine": at.End.Line, "endColumn": at.End.Column,
				},
			}}},
		})
	}
	return encode(w, object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool": object{"driver": object{
				"name": "pasvctl", "version": generators.Version, "informationUri": "https://github.com/pasvctl/pasvctl", "rules": rules,
			}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	})
}

// message is a finding in one paragraph.
func message(f finding.Finding) string {
	text := f.Title()
	if f.Detail != "" {
		text += ": " + about(f) + f.Detail
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
