package diagnostics

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/junit"
	"github.com/pasvctl/pasvctl/generators/finding"
)

var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	githubCommands = map[finding.Severity]string{finding.Error: "error", finding.Warning: "warning", finding.Note: "notice"}
)

// GitHub writes workflow commands, which GitHub Actions shows as annotations
// on the lines of a pull request.
func GitHub(w io.Writer, r Report) error {
	for _, f := range r.Findings {
		place := ""
		if at := r.relocate(f.At); at != nil {
			place = fmt.Sprintf("file=%s,line=%d,endLine=%d,col=%d,endColumn=%d,",
				githubProperty.Replace(filepath.ToSlash(at.Filename)), at.Start.Line, at.End.Line, at.Start.Column, at.End.Column)
		}
		_, err := fmt.Fprintf(w, "::%s %stitle=%s::%s\n", githubCommands[f.Severity], place,
			githubProperty.Replace(f.Title()+" ["+f.Rule.ID+"]"), githubData.Replace(message(f)))
		if err != nil {
			return err
		}
	}
	return nil
}

var gitlabSeverities = map[finding.Severity]string{finding.Error: "major", finding.Warning: "minor", finding.Note: "info"}

// GitLab writes a Code Quality report ("Code Quality report format", a part of
// Code Climate's). A fingerprint stays while lines move; of equal findings each
// has its own.
func GitLab(w io.Writer, r Report) error {
	issues := []object{}
	seen := map[string]int{}
	for _, f := range r.Findings {
		at := r.place(f)
		path := filepath.ToSlash(filepath.Clean(at.Filename))
		key := strings.Join([]string{f.Rule.ID, path, f.Site, f.Detail}, "\x00")
		seen[key]++
		issues = append(issues, object{
			"description": message(f), "check_name": f.Rule.ID, "severity": gitlabSeverities[f.Severity],
			"fingerprint": fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))),
			"location":    object{"path": path, "lines": object{"begin": at.Start.Line}},
		})
	}
	return encode(w, issues)
}

// JUnit writes a case for each finding, of which those fail that fail the
// command, and one that passes if there is none.
func JUnit(w io.Writer, r Report) error {
	var cases []junit.Case
	for _, f := range r.Findings {
		at := r.place(f)
		c := junit.Case{Suite: "pasvctl " + r.Command, Class: at.Filename, Name: fmt.Sprintf("%s at line %d", f.Rule.ID, at.Start.Line)}
		if f.Severity == finding.Error || r.WarningsFail && f.Severity == finding.Warning {
			c.Failure = message(f)
		} else {
			c.Output = message(f)
		}
		cases = append(cases, c)
	}
	if cases == nil {
		cases = []junit.Case{{Suite: "pasvctl " + r.Command, Class: r.path(r.first()), Name: "nothing found"}}
	}
	return junit.Write(w, "pasvctl "+r.Command, cases)
}
