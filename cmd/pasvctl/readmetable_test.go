//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// TestReadmeGuesses holds the README's table of guessed ranges to the model.
func TestReadmeGuesses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := new(variables).load(filepath.Join(repository, "examples/quickstart"))
	if err != nil || p.diags.HasErrors() {
		t.Fatalf("%v, %v", err, p.diags)
	}
	if want := guessTable(t, p.Plan.Sites[0]); !strings.Contains(string(text), want) {
		t.Errorf("the README's table is not\n%s", want)
	}
	if !strings.Contains(string(text), "](.github/quickstart.svg)") {
		t.Error("the README does not open with its picture")
	}
}

// guessTable is what some rules of thumb do to a site on four servers.
func guessTable(t *testing.T, s *plan.Site) string {
	t.Helper()
	titles := map[string]string{"embedded": "bundled daemon"}
	head, line, computed := "| guess |", "| --- |", "| **computed** |"
	rows := map[string]string{}
	guesses := []string{"CompleteFTP", "docker-pure-ftpd", "OneUptime", "Plesk"}
	for _, server := range []string{"vsftpd", "proftpd", "pureftpd", "embedded"} {
		for _, c := range sizing.Compare(s.Profile, s.Workload) {
			if c.Profile.Name != server {
				continue
			}
			on := *s
			on.Profile, on.Sizing = c.Profile, c.Result
			site := *s.Site
			site.Workload, on.Site = c.Workload, &site
			title := c.Profile.Title
			if titles[server] != "" {
				title = titles[server]
			}
			head, line = head+" "+title+" |", line+" --- |"
			computed += fmt.Sprintf(" **%s** |", sizing.Plural(c.Result.Ports, "port"))
			for _, r := range explain.Rules(&on, sizing.Curve(c.Profile, c.Workload)) {
				if rows[r.Name] == "" {
					rows[r.Name] = fmt.Sprintf("| %s: %s (%s) |", sizing.Plural(r.Ports, "port"), r.Says, r.Name)
				}
				rows[r.Name] += " " + r.Verdict + " |"
			}
		}
	}
	table := head + "\n" + line + "\n"
	for _, name := range guesses {
		table += rows[name] + "\n"
	}
	return strings.ReplaceAll(table+computed+"\n", "100 ports: 100 ports", "100 ports")
}
